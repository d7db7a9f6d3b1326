"""What others do in the same fault on the same machine, with their defaults.

nginx and HAProxy stand in front of two scripted model servers on loopback; two keepalived hold an
address in network namespaces. Each is started here, loses what it loses, and is taken away again.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import scripted_model
from bench.asking import NEW, Asked, Asking, Order
from bench.figures import tell
from bench.pair import until
from lab.problem import Problem

LOOPBACK = "127.0.0.1"
MODEL_PORTS, NGINX_PORT, HAPROXY_PORT = (18434, 18435), 18436, 18437
RESTART_SECONDS = 0.5  # as the unit of Ollama has it
# nginx leaves a server alone for 10 s after a failure: it shall have both again at the next one
PAUSE_SECONDS = 11.0
CHAT = {"messages": [{"role": "user", "content": "Count to 5 every 10 ms"}]}
UPSTREAM = " ".join(f"server {LOOPBACK}:{port};" for port in MODEL_PORTS)
NGINX = f"""
worker_processes 1; daemon off; pid FOLDER/nginx.pid; error_log FOLDER/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/f; uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;
  upstream models {{ {UPSTREAM} }}
  server {{
    listen {LOOPBACK}:{NGINX_PORT};
    location / {{ proxy_pass http://models; proxy_buffering off; }}
  }}
}}
"""
HAPROXY = f"""
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
  bind {LOOPBACK}:{HAPROXY_PORT}
  default_backend models
backend models
  balance roundrobin
""" + "".join(f"  server s{port} {LOOPBACK}:{port} check\n" for port in MODEL_PORTS)
PROXIES = {
    "nginx": (NGINX, NGINX_PORT, ("nginx", "-p", "FOLDER", "-c", "FOLDER/nginx.conf")),
    "HAProxy": (HAPROXY, HAPROXY_PORT, ("haproxy", "-q", "-f", "FOLDER/HAProxy.conf")),
}
MakeOrder = Callable[[tuple[str, int], str, dict[str, object]], Order]
Seen = dict[str, tuple[list[Asked], list[float]]]


def model_loss(repeats: int, order: MakeOrder) -> Seen:
    """Kill one of two model servers `repeats` times behind each proxy; return what was asked."""
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        folder = Path(place)
        servers = [stack.enter_context(_model(port, folder)) for port in MODEL_PORTS]
        asking = {name: stack.enter_context(_asked(name, folder, order)) for name in PROXIES}
        kills = []
        for number in range(repeats):
            time.sleep(PAUSE_SECONDS / 2 + random.uniform(0, 0.05))  # noqa: S311 - no secret
            kills.append(time.monotonic())
            servers[number % 2].kill()
            time.sleep(RESTART_SECONDS)
            servers[number % 2].start()
            time.sleep(PAUSE_SECONDS / 2)
        tell(f"{' and '.join(PROXIES)} lost a model server {repeats} times")
    return {name: (one.of(NEW), kills) for name, one in asking.items()}


class ModelServer:
    """A scripted model on a loopback port, to be killed and started again."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port = port
        program = str(Path(scripted_model.__file__))
        self._command = [sys.executable, program, str(port), str(folder)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns when it listens."""
        self._process = subprocess.Popen(self._command)
        _await_port(self._port)

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)


@contextlib.contextmanager
def _model(port: int, folder: Path) -> Iterator[ModelServer]:
    server = ModelServer(port, folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def _asked(name: str, folder: Path, order: MakeOrder) -> Iterator[Asking]:
    """Run a proxy and ask through it as long as the context lasts."""
    config, port, words = PROXIES[name]
    (folder / f"{name}.conf").write_text(config.replace("FOLDER", place := str(folder)))
    command = [program_of(words[0]), *(word.replace("FOLDER", place) for word in words[1:])]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as proxy:
        try:
            _await_port(port)
            with Asking(order((LOOPBACK, port), "/api/chat", dict(CHAT))) as asking:
                yield asking
        finally:
            proxy.terminate()


def program_of(name: str) -> str:
    """Return where a program of Debian's is; Problem where it is not installed."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise Problem(
            f"{name} is not here to be compared with",
            why="Debian's package is not installed",
            todo="python -m tools equip",
        )
    return found


def _await_port(port: int) -> None:
    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1):
            return True
        return False

    until(listens, f"port {port} listens", 10, every=0.02)
