"""What stands on loopback while the gateway is measured: itself, its neighbours, its references.

All of them are real processes: the unit `gateway` with its settings file and credentials, two
Redis servers with TLS, the scripted model server, nginx and HAProxy in front of the same one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.gateway_probe import Task
from lab.problem import Problem
from tests.support.authority import Authority, Identity

PACKAGES = {
    "nginx": "nginx-light", "haproxy": "haproxy", "wrk": "wrk", "redis-server": "redis-server"
}  # fmt: skip
PATIENCE_SECONDS = 20.0
SEARCHED = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
# as the unit runs it, but with a settings file that need not be in /etc
AS_THE_UNIT = {"SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": "/dev/null"}
UNIT = """
import sys, pathlib
from heyken_glue import settings
settings.DEFAULT_FILE = pathlib.Path(sys.argv[1])
from heyken_glue.cli import main
sys.exit(main(["unit", "gateway"]))
"""
SETTINGS = """
deployment = {{ name = "bench", environment = "lab" }}
host = {{ name = "core1", address = "127.0.0.1", core_id = 1 }}
peers = [{{ name = "core2", address = "127.0.0.2", core_id = 2 }}]
tls = {{ ca_file = "{ca}", certificate_file = "{certificate}" }}
redis = {{ port = {redis}, timeout_seconds = 0.1 }}
spool = {{ directory = "{directory}/spool" }}
paths = {{ runtime_directory = "{directory}/run" }}
[gateway]
port = {gateway}
listen_addresses = ["127.0.0.1"]
requests_per_second_max = 1000000.0
requests_burst_max = 1000000
{limits}
[ollama]
url = "http://127.0.0.1:{model}"
general_model = "toy"
models = [{{ name = "toy", digest = "{zeros}" }}]
"""
NGINX = """
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {directory}/nginx-body;
    proxy_temp_path {directory}/nginx-proxy;
    fastcgi_temp_path {directory}/nginx-fastcgi;
    uwsgi_temp_path {directory}/nginx-uwsgi;
    scgi_temp_path {directory}/nginx-scgi;
    keepalive_requests 100000000;
    upstream model {{
        server 127.0.0.1:{model};
        keepalive 2048;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{nginx} ssl backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location / {{
            proxy_pass http://model;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""
HAPROXY = """
global
    nbthread 1
    maxconn 8192
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend front
    bind 127.0.0.1:{haproxy} ssl crt {pem}
    default_backend model
backend model
    server model 127.0.0.1:{model} pool-max-conn 2048
"""


def program(name: str) -> str:
    """Return where a program is; Problem says which package brings it."""
    found = shutil.which(name, path=SEARCHED)
    if found is None:
        raise Problem(
            f"the gateway cannot be measured without {name}",
            why="it is not installed on this machine",
            todo=f"apt-get install {PACKAGES[name]}",
        )
    return found


def free_ports(count: int) -> list[int]:
    """Return ports on which nobody listens now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@dataclass
class Stage:
    """Everything is there for as long as the context lasts; `limits` are lines of [gateway]."""

    limits: Sequence[str] = ()
    copies: bool = True
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    directory: Path = Path()
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> Self:
        """Start everything; returns once all of it listens."""
        for name in PACKAGES:
            program(name)
        names = ("gateway", "nginx", "haproxy", "aiohttp", "model", "direct", "redis")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        with contextlib.ExitStack() as stack:
            self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self.directory.chmod(0o755)  # nginx' worker is somebody else
            self._stack = stack
            self._start_all(Authority(self.directory))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what was started."""
        self._stack.__exit__(kind, error, trace)

    def pid(self, name: str) -> int:
        """Return the process that does the work: nginx' is its worker."""
        pid = self.processes[name].pid
        if name == "nginx":
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
            pid = int(children.split()[0])
        return pid

    def cpu_seconds(self, name: str) -> float:
        """Return the processor time that a process used so far."""
        fields = Path(f"/proc/{self.pid(name)}/stat").read_text(encoding="utf-8")
        user, system = fields.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self, name: str) -> float:
        """Return what a process has in memory (its resident set)."""
        status = Path(f"/proc/{self.pid(name)}/status").read_text(encoding="utf-8")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def files(self, name: str) -> int:
        """Return how many files and connections a process has open."""
        return len(list(Path(f"/proc/{self.pid(name)}/fd").iterdir()))

    def request(self, name: str, what: str, *, stream: bool = False) -> tuple[str, str]:
        """Return path and body that have the model do `what`, as the server `name` wants them."""
        if name == "gateway":
            return "/api/v1/chat", json.dumps({"message": what, "stream": stream})
        turn = {"role": "user", "content": what}
        return "/api/chat", json.dumps({"model": "toy", "messages": [turn], "stream": True})

    def task(
        self,
        name: str,
        what: str,
        *,
        count: int,
        rate: float,
        connections: int,
        stream: bool = False,
    ) -> Task:
        """Return the task for a prober of one of the servers."""
        path, body = self.request(name, what, stream=stream)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        ca_file = str(self.directory / "test-CA-ca.crt")
        return Task(self.ports[name], ca_file, head + body, count, rate, connections)

    def wrk(self, name: str, what: str, *, connections: int, seconds: int) -> float:
        """Return how many requests a second a closed loop gets through; Problem if any failed."""
        path, body = self.request(name, what)
        script = self.directory / f"{name}.lua"
        script.write_text(
            f'wrk.method = "POST"\nwrk.body = [[{body}]]\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
            f'wrk.headers["Authorization"] = "Bearer {self.token}"\n'
        )
        command = [program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}", "--timeout", "20s"]
        command += ["-s", str(script), f"https://127.0.0.1:{self.ports[name]}{path}"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"Requests/sec: +([\d.]+)", told)
        if found is None or "Non-2xx" in told or "Socket errors" in told:
            raise Problem(f"{name} did not answer all requests", why=told, todo="measure again")
        return float(found[1])

    def _start_all(self, authority: Authority) -> None:
        own, other = authority.issue("core1", "127.0.0.2"), authority.issue("bench")
        self._model(other)
        if self.copies:
            for address in ("127.0.0.1", "127.0.0.2"):
                self._redis(address, own, authority)
        pem = self.directory / "haproxy.pem"
        pem.write_bytes(other.certificate.read_bytes() + other.key.read_bytes())
        values = {
            **self.ports, "directory": self.directory, "pem": pem,
            "certificate": other.certificate, "key": other.key,
        }  # fmt: skip
        for name, text, flags in (
            ("nginx", NGINX, ["-p", str(self.directory), "-c"]),
            ("haproxy", HAPROXY, ["-db", "-f"]),
        ):
            file = self.directory / f"{name}.conf"
            file.write_text(text.format(**values))
            self._start(name, [program(name), *flags, str(file)], port=self.ports[name])
        bare = {
            "port": self.ports["aiohttp"], "model": f"http://127.0.0.1:{self.ports['model']}",
            "certificate": str(other.certificate), "key": str(other.key),
        }  # fmt: skip
        command = [sys.executable, "-m", "bench.gateway_bare", json.dumps(bare)]
        self._start("aiohttp", command, port=self.ports["aiohttp"])
        self._gateway(own, authority)

    def _model(self, identity: Identity) -> None:
        for unit in ("health", "gateway"):
            (self.directory / "run" / unit).mkdir(parents=True)
        plan = {
            "port": self.ports["model"], "tls_port": self.ports["direct"],
            "certificate": str(identity.certificate), "key": str(identity.key),
            "health": str(self.directory / "run" / "health" / "http.sock"),
        }  # fmt: skip
        command = [sys.executable, "-m", "bench.gateway_backend", json.dumps(plan)]
        self._start("model", command, port=self.ports["direct"])

    def _redis(self, address: str, identity: Identity, authority: Authority) -> None:
        configuration = self.directory / f"redis-{address}.conf"
        checksum = hashlib.sha256(self.token.encode()).hexdigest()
        configuration.write_text(
            f"bind {address}\nport 0\ntls-port {self.ports['redis']}\nsave ''\n"
            f"tls-cert-file {identity.certificate}\ntls-key-file {identity.key}\n"
            f"tls-ca-cert-file {authority.file}\ntls-auth-clients yes\n"
            f"user default off resetpass\nuser heyken on #{checksum} ~heyken:* +@all\n"
        )
        command = [program("redis-server"), str(configuration)]
        self._start(f"redis-{address}", command, port=self.ports["redis"], address=address)

    def _gateway(self, identity: Identity, authority: Authority) -> None:
        credentials = self.directory / "credentials"
        for directory in (credentials, self.directory / "spool"):
            directory.mkdir()
        digest = hashlib.sha256(self.token.encode()).hexdigest()
        caller = {"name": "bench", "sha256": digest, "scopes": ["chat", "status", "metrics"]}
        (credentials / "api_tokens").write_text(json.dumps([caller]))
        (credentials / "redis_password").write_text(self.token)
        (credentials / "tls_key").write_bytes(identity.key.read_bytes())
        text = SETTINGS.format(
            ca=authority.file, certificate=identity.certificate, directory=self.directory,
            limits="\n".join(self.limits), zeros="0" * 64, **self.ports,
        )  # fmt: skip
        if not self.copies:
            text = "\n".join(line for line in text.splitlines() if not line.startswith("redis"))
        file = self.directory / "heyken.toml"
        file.write_text(text)
        environment = {**os.environ, **AS_THE_UNIT, "CREDENTIALS_DIRECTORY": str(credentials)}
        command = [sys.executable, "-c", UNIT, str(file)]
        self._start("gateway", command, port=self.ports["gateway"], environment=environment)

    def _start(
        self,
        name: str,
        command: list[str],
        *,
        port: int,
        address: str = "127.0.0.1",
        environment: dict[str, str] | None = None,
    ) -> None:
        log = self._stack.enter_context((self.directory / f"{name}.out").open("wb"))
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environment
        )
        self.processes[name] = process
        self._stack.enter_context(_ended(process))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((address, port), 0.2):
                return
            time.sleep(0.02)
        raise Problem(
            f"{name} does not listen",
            why=(self.directory / f"{name}.out").read_text(errors="replace")[-2000:],
            todo="measure again",
        )


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a process with the context, at first politely."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
