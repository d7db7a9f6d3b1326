"""keepalived with its defaults, one advert a second, in two network namespaces of its own."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.figures import tell
from bench.pair import until
from bench.probe import Prober
from bench.rivals import program_of
from lab.problem import Problem

NETWORK, VIP, PORT = "198.51.100", "198.51.100.10", 18438
# bridge and prober; outside, the engine's firewall would keep the two from hearing each other
MIDDLE, BRIDGE = "hkbench0", "bridge"
HOSTS = ("hkbench1", "hkbench2")
IN_THE_MIDDLE = ("ip", "-netns", MIDDLE)
INTERVAL_SECONDS, LONGEST_SECONDS = 0.005, 10.0
# the example of its own documentation: everything else is as it comes
CONFIG = """
vrrp_instance bench {{
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority {priority}
  advert_int 1
  virtual_ipaddress {{
    {vip}/24
  }}
}}
"""
SERVER = (
    "import socket\n"
    f"server = socket.create_server(('', {PORT}), backlog=512)\n"
    "while True: server.accept()[0].close()\n"
)


@dataclass
class Node:
    """A namespace with keepalived and something that accepts connections."""

    name: str
    processes: list[subprocess.Popen[bytes]]

    def holds(self) -> bool:
        """Whether the address is here."""
        return f"{VIP}/" in _run("ip", "-netns", self.name, "-br", "address", "show", "dev", "eth0")

    def lose(self) -> None:
        """Pull the cable and the plug."""
        _run(*IN_THE_MIDDLE, "link", "set", self.name, "down")
        self.stop(signal.SIGKILL)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End everything in it."""
        for process in self.processes:
            process.send_signal(how)
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            process.kill()


def gaps(repeats: int) -> list[float]:
    """Return for how long (ms) nobody got in, each time the holder was lost."""
    found = []
    for _ in range(repeats):
        with _pair() as nodes:
            until(lambda: _have_settled(nodes), "one holds the address", 30)
            time.sleep(random.uniform(1, 2))  # noqa: S311 - within an advert, no secret
            holder, other = sorted(nodes, key=lambda node: not node.holds())
            inside = ("ip", "netns", "exec", MIDDLE)
            with Prober((VIP, PORT), INTERVAL_SECONDS, inside=inside) as prober:
                time.sleep(0.5)
                holder.lose()
                until(other.holds, "the other one holds the address", LONGEST_SECONDS, every=0.05)
                time.sleep(0.5)
            found.append(prober.gap() * 1000)
            tell(f"keepalived's defaults: {found[-1]:.0f} ms")
    return found


def _have_settled(nodes: list[Node]) -> bool:
    return sum(node.holds() for node in nodes) == 1


@contextlib.contextmanager
def _pair() -> Iterator[list[Node]]:
    """Make bridge, namespaces and daemons; take away what is left of former ones first."""
    _remove()
    nodes: list[Node] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            _run("ip", "netns", "add", MIDDLE)
            _run(*IN_THE_MIDDLE, "link", "add", BRIDGE, "type", "bridge")
            _run(*IN_THE_MIDDLE, "address", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
            _run(*IN_THE_MIDDLE, "link", "set", BRIDGE, "up")
            for number, name in enumerate(HOSTS, start=1):
                nodes.append(_node(name, number, Path(folder)))
            yield nodes
        finally:
            for node in nodes:
                node.stop()
            _remove()


def _node(name: str, number: int, folder: Path) -> Node:
    _run("ip", "netns", "add", name)
    veth = ("type", "veth", "peer", "name", "eth0", "netns", name)
    _run(*IN_THE_MIDDLE, "link", "add", name, *veth)
    _run(*IN_THE_MIDDLE, "link", "set", name, "master", BRIDGE, "up")
    inside = ("ip", "-netns", name)
    _run(*inside, "link", "set", "lo", "up")
    _run(*inside, "address", "add", f"{NETWORK}.{10 + number}/24", "dev", "eth0")
    _run(*inside, "link", "set", "eth0", "up")
    config = folder / f"{name}.conf"
    config.write_text(CONFIG.format(priority=100 + number, vip=VIP))
    keepalived = [program_of("keepalived"), "--dont-fork", "--vrrp", "--use-file", str(config)]
    keepalived += [f"--pid={folder / name}.pid", f"--vrrp_pid={folder / name}-vrrp.pid"]
    enter = ["ip", "netns", "exec", name]
    commands = ([*enter, *keepalived], [*enter, "python3", "-c", SERVER])
    quiet = subprocess.DEVNULL
    return Node(name, [subprocess.Popen(one, stdout=quiet, stderr=quiet) for one in commands])


def _remove() -> None:
    for name in (*HOSTS, MIDDLE):
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def _run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)
    if done.returncode != 0:
        raise Problem(f"{' '.join(command)} failed", why=done.stderr.strip(), todo="run it as root")
    return done.stdout
