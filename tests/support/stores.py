"""A real Redis on loopback, locked in as role redis does it, that can be killed and come back."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import pathlib
import shutil
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import yaml

from heyken_glue.adapters.redis.client import Access, RedisCopies
from tests.support.authority import Authority, Identity

ROLE = pathlib.Path(__file__).parents[2] / "ansible" / "roles" / "redis"
PASSWORD = "a-password-of-the-store-in-tests"
WAIT_SECONDS = 10.0


@dataclasses.dataclass
class RedisServer:
    """One server; its data are gone with its process."""

    access: Access
    configuration: pathlib.Path
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.process = subprocess.Popen(  # noqa: S603 - Debian's program with our file
            [program(), str(self.configuration), *self.arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.socket() as probe:
                probe.settimeout(0.2)
                probe.connect((self.access.address, self.access.port))
                return
            assert self.process.poll() is None, "redis-server ended at once"
        pytest.fail("redis-server does not listen")

    def kill(self) -> None:
        """End it without a word."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(WAIT_SECONDS)
            self.process = None


def program() -> str:
    """Return where redis-server is; a test that cannot run fails."""
    found = shutil.which("redis-server", path="/usr/bin:/usr/local/bin")
    if found is None:
        pytest.fail("redis-server is missing: apt-get install redis-server")
    return found


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def send(store: RedisCopies, *command: str) -> object:
    """Send any command, as somebody might who got in."""
    execute: Callable[..., Awaitable[object]] = store._redis.execute_command
    return await execute(*command)


def access(authority: Authority, identity: Identity, port: int) -> Access:
    """Return how to reach a server on loopback."""
    return Access(
        address="127.0.0.1",
        port=port,
        user="heyken",
        password=PASSWORD,
        ca_file=authority.file,
        certificate_file=identity.certificate,
        key_file=identity.key,
        prefix="heyken:test",
        timeout_seconds=10.0,  # the machine may be busy; who is killed refuses at once
        ttl_seconds=60,
    )


@contextlib.contextmanager
def redis_server(
    authority: Authority, directory: pathlib.Path, name: str = "core1", **changes: Any
) -> Iterator[RedisServer]:
    """Run a Redis for as long as the context lasts; `changes` are directives of its file."""
    identity = authority.issue(name)
    port = free_port()
    constants = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    commands = " ".join(f"+{command}" for command in constants["__redis_commands"])
    checksum = hashlib.sha256(PASSWORD.encode()).hexdigest()
    directives = {
        "bind": "127.0.0.1",
        "port": "0",
        "tls-port": str(port),
        "tls-cert-file": str(identity.certificate),
        "tls-key-file": str(identity.key),
        "tls-ca-cert-file": str(authority.file),
        "tls-auth-clients": "yes",
        "save": '""',
        "maxmemory-policy": "noeviction",
        "dir": str(directory),
        **changes,
    }
    lines = [f"{key} {value}" for key, value in directives.items()]
    lines += [f'rename-command {command} ""' for command in constants["__redis_disabled"]]
    lines += [
        "user default off resetpass",
        f"user heyken on #{checksum} ~heyken:* -@all {commands}",
    ]
    configuration = directory / f"redis-{name}-{port}.conf"
    configuration.write_text("\n".join(lines) + "\n")
    server = RedisServer(access(authority, identity, port), configuration)
    server.start()
    try:
        yield server
    finally:
        server.kill()
