"""Real members of etcd on loopback, as role etcd times them; each can be killed or held still."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PATIENCE_SECONDS = 30.0
HEARTBEAT_MS, ELECTION_MS = 50, 500


def program() -> str:
    """Return where etcd is; a missing one fails the test."""
    found = shutil.which("etcd", path="/usr/bin:/usr/sbin:/usr/local/bin")
    if found is None:
        pytest.fail("etcd is missing: python -m tools equip")
    return found


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@dataclass
class Member:
    """One member; it keeps its data when it is killed and started again."""

    name: str
    client_port: int
    peer_port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients ask it."""
        return f"http://127.0.0.1:{self.client_port}"

    @property
    def peer_url(self) -> str:
        """Where the other members ask it."""
        return f"http://127.0.0.1:{self.peer_port}"

    def start(self, cluster: str) -> None:
        """Start it."""
        call = [program(), "--name", self.name, "--data-dir", str(self.folder / self.name)]
        call += ["--listen-client-urls", self.url, "--advertise-client-urls", self.url]
        call += ["--listen-peer-urls", self.peer_url]
        call += ["--initial-advertise-peer-urls", self.peer_url, "--initial-cluster", cluster]
        call += ["--heartbeat-interval", str(HEARTBEAT_MS)]
        call += ["--election-timeout", str(ELECTION_MS)]
        call += ["--logger", "zap", "--log-level", "error"]
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(call, stdout=log, stderr=log)  # noqa: S603 - fixed

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """Hold it still."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@dataclass
class Cluster:
    """Members that know each other."""

    members: list[Member] = field(default_factory=list)

    @property
    def urls(self) -> list[str]:
        """Where clients ask, in the order of the members."""
        return [member.url for member in self.members]

    def start(self, *numbers: int) -> None:
        """Start members, all if none is named, and wait until a majority agrees again."""
        cluster = ",".join(f"{m.name}={m.peer_url}" for m in self.members)
        for number, member in enumerate(self.members):
            if (not numbers or number in numbers) and member.process is None:
                member.start(cluster)
        self.wait()

    def wait(self) -> None:
        """Wait until some member says that it is healthy, which needs a leader."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if any(_is_healthy(m.url) for m in self.members if m.process is not None):
                return
            time.sleep(0.02)
        pytest.fail(f"no majority of etcd within {PATIENCE_SECONDS:.0f} s")


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:  # noqa: S310 - loopback
            return b'"true"' in answer.read()
    except (urllib.error.URLError, OSError):
        return False


@contextlib.contextmanager
def cluster(folder: Path, *, size: int = 1) -> Iterator[Cluster]:
    """Start a cluster of so many members and end it with the block."""
    ports = _free_ports(2 * size)
    made = Cluster([Member(f"m{n}", ports[2 * n], ports[2 * n + 1], folder) for n in range(size)])
    try:
        made.start()
        yield made
    finally:
        for member in made.members:
            if member.process is not None:
                member.process.send_signal(signal.SIGCONT)
            member.kill()
