"""Clients that are slow on purpose, thousands of them: with the head, with the body, with reading.

A process of its own: it reads a `Crowd` as one line of JSON from standard input, opens a third of
the connections of each kind, says `open`, and in the end writes for each kind the seconds after
which its last connection was over. Who does not read does not hear of the end: look at the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field

import uvloop

TOGETHER = 50
BUFFER_BYTES = 4096
DRIP_SECONDS = 0.25
ESTABLISHED = 1
HEAD = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
POST = (
    "POST /api/v1/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "Authorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
)
LARGE = '{"message": "play 1 0 400000"}'


class Slow:
    """One connection, by hand, so that nothing is read ahead."""

    def __init__(self, connection: socket.socket, tls: ssl.SSLContext) -> None:
        self._socket, self._loop = connection, asyncio.get_running_loop()
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")

    async def shake_hands(self) -> None:
        """Do the TLS handshake."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                self._in.write(await self._loop.sock_recv(self._socket, 4096))
            else:
                await self._flush()
                return

    async def send(self, data: bytes) -> None:
        """Send a little."""
        self._tls.write(data)
        await self._flush()

    def read_one(self) -> None:
        """Take one byte, so that the window hardly ever opens."""
        with contextlib.suppress(OSError):
            self._socket.recv(1)

    def is_open(self) -> bool:
        """Whether the other side has not ended it, whatever was not read yet."""
        state = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return state == ESTABLISHED

    async def _flush(self) -> None:
        await self._loop.sock_sendall(self._socket, self._out.read())


@dataclass
class Crowd:
    """All slow clients; `cut` has for each kind when its last one was cut, in seconds."""

    port: int
    ca_file: str
    count: int
    token: str
    seconds: float
    cut: dict[str, float] = field(default_factory=dict)
    opened: int = 0

    async def play(self) -> None:
        """Open everything, and be slow until it is cut or the time is over."""
        tls = ssl.create_default_context(cafile=self.ca_file)
        kinds = {
            "head": HEAD,
            "body": POST.format(token=self.token, length=10_000, body=""),
            "read": POST.format(token=self.token, length=len(LARGE), body=LARGE),
        }
        gate = asyncio.Semaphore(TOGETHER)
        async with asyncio.TaskGroup() as tasks:
            for number in range(self.count):
                kind = list(kinds)[number % len(kinds)]
                tasks.create_task(self._visit(tls, gate, kind, kinds[kind].encode()))

    async def _visit(
        self, tls: ssl.SSLContext, gate: asyncio.Semaphore, kind: str, beginning: bytes
    ) -> None:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            connection.setblocking(False)
            slow = Slow(connection, tls)
            async with gate:
                loop = asyncio.get_running_loop()
                await loop.sock_connect(connection, ("127.0.0.1", self.port))
                await slow.shake_hands()
                await slow.send(beginning)
            self.opened += 1
            if self.opened == self.count:
                sys.stdout.write("open\n")
                sys.stdout.flush()
            await self._be_slow(kind, slow)

    async def _be_slow(self, kind: str, slow: Slow) -> None:
        began = time.monotonic()
        while (lasted := time.monotonic() - began) < self.seconds:
            if not slow.is_open():
                self.cut[kind] = max(self.cut.get(kind, 0.0), lasted)
                return
            if kind == "read":
                slow.read_one()
            else:
                with contextlib.suppress(OSError):
                    await slow.send(b"x")
            await asyncio.sleep(DRIP_SECONDS)


async def _main() -> None:
    crowd = Crowd(**json.loads(sys.stdin.readline()))
    await crowd.play()
    sys.stdout.write(json.dumps(crowd.cut) + "\n")


if __name__ == "__main__":
    uvloop.run(_main())
