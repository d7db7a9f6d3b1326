"""Clients of the gateway that keep their own time: an open loop of requests, and many streams.

A process of its own with real-time priority, like `bench.probe`, so that nothing else delays it. It
reads a `Task` as one line of JSON from standard input and writes a list of `Seen` as JSON. A
request counts from the moment it was due, whether or not a connection was free then: a closed loop
would hide a stall. The times in what it reads are those at which the scripted model wrote them.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import ssl
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

from bench.probe import PRIORITY

WRITTEN = re.compile(rb"(\d+\.\d{6}) ")
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
LAST_CHUNK = b"\r\n0\r\n\r\n"
TAIL = 64  # bytes in which a number that came in two parts is found again


@dataclass(frozen=True)
class Task:
    """Send `request` `count` times, `rate` times a second.

    connections: so many are open before; with 0 each request opens one of its own when it is due.
    """

    port: int
    ca_file: str
    request: str
    count: int
    rate: float
    connections: int
    patience_seconds: float = 30.0


@dataclass
class Seen:
    """What became of one request, in seconds; status 0: the connection broke, or it took too long.

    late: how much later than due it was sent. first: from sending to the first piece of text.
    pieces: for each how long it was on its way. complete: the end of the response came.
    """

    took: float = 0.0
    status: int = 0
    retry_after: bool = False
    late: float = 0.0
    first: float | None = None
    pieces: list[float] = field(default_factory=list)
    complete: bool = False


class Connection(asyncio.Protocol):
    """One keep-alive connection; one request at a time."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.seen: Seen | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way there."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End what was under way."""
        del exc
        if self.seen is not None:
            self._end(complete=False)

    def send(self, due: float) -> None:
        """Send the request now."""
        self.sent, self.due = time.monotonic(), due
        self.seen, self.data, self.ends_at = Seen(late=self.sent - due), b"", 0
        self.searched = 0
        self.transport.write(self.crowd.request)

    def data_received(self, data: bytes) -> None:
        """Note the times in what comes, and whether it is all."""
        seen, now = self.seen, time.monotonic()
        if seen is None:
            return
        self.data += data
        for match in WRITTEN.finditer(self.data, self.searched):
            seen.first = now - self.sent if seen.first is None else seen.first
            seen.pieces.append(now - float(match[1]))
            self.searched = match.end()
        if not seen.status and (end := self.data.find(b"\r\n\r\n")) >= 0:
            self._head(seen, self.data[: end + 2], end + 4)
        whole = self.ends_at and len(self.data) >= self.ends_at
        if whole or (not self.ends_at and seen.status and self.data.endswith(LAST_CHUNK)):
            self._end(complete=True)
        elif not self.ends_at and len(self.data) > 4096:
            self.data, self.searched = (
                self.data[-TAIL:],
                max(0, self.searched - len(self.data) + TAIL),
            )

    def _head(self, seen: Seen, head: bytes, body_at: int) -> None:
        seen.status = int(head[9:12])
        seen.retry_after = b"\r\nretry-after:" in head.lower()
        length = LENGTH.search(head)
        self.ends_at = body_at + int(length[1]) if length else 0

    def _end(self, *, complete: bool) -> None:
        assert self.seen is not None  # noqa: S101
        self.seen.took, self.seen.complete = time.monotonic() - self.due, complete
        if not complete:
            self.seen.status = 0
        self.seen = None
        self.crowd.over(self)


class Crowd:
    """All connections, and what was seen on them."""

    def __init__(self, task: Task) -> None:
        self.task, self.request = task, task.request.encode()
        self.seen: list[Seen] = []
        self._idle: list[Connection] = []
        self._due: deque[float] = deque()
        self._under_way = 0
        self._tls = ssl.create_default_context(cafile=task.ca_file)
        self._opening: list[asyncio.Task[None]] = []
        self._all_over = asyncio.Event()

    async def play(self) -> list[Seen]:
        """Send all requests when they are due, and wait for what becomes of them."""
        task = self.task
        for _ in range(task.connections):
            self._idle.append(await self._open())
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        began = time.monotonic()
        for number in range(task.count):
            due = began + number / task.rate
            await asyncio.sleep(due - time.monotonic())
            self._due.append(due)
            self._under_way += 1
            if not task.connections:
                self._opening.append(asyncio.create_task(self._open_for_one()))
            self._send()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(task.patience_seconds):
                await self._all_over.wait()
        self.seen += [Seen() for _ in range(task.count - len(self.seen))]
        return self.seen

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        connect = loop.create_connection
        made = await connect(lambda: Connection(self), "127.0.0.1", self.task.port, ssl=self._tls)
        return made[1]

    async def _open_for_one(self) -> None:
        with contextlib.suppress(OSError):
            self._idle.append(await self._open())
            self._send()

    def over(self, connection: Connection) -> None:
        """Take note of a response, and send the next request if one is due."""
        self._under_way -= 1
        if not connection.transport.is_closing():
            self._idle.append(connection)
        self._send()
        if not self._under_way and len(self.seen) == self.task.count:
            self._all_over.set()

    def _send(self) -> None:
        while self._due and self._idle:
            connection = self._idle.pop(0)
            if connection.transport.is_closing():
                continue
            connection.send(self._due.popleft())
            assert connection.seen is not None  # noqa: S101
            self.seen.append(connection.seen)


class Probe:
    """The process, for whoever measures: started, and asked for what it saw."""

    def __init__(self, task: Task) -> None:
        command = [sys.executable, "-m", "bench.gateway_probe"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        # by standard input, not as an argument: it holds a token
        self._process.stdin.write(json.dumps(dataclasses.asdict(task)) + "\n")
        self._process.stdin.flush()
        self._process.stdout.readline()

    def seen(self) -> list[Seen]:
        """Wait for the end and return what was seen."""
        told, _nothing = self._process.communicate()
        return [Seen(**one) for one in json.loads(told or "[]")]


async def _main() -> None:
    fields: dict[str, Any] = json.loads(sys.stdin.readline())
    seen = await Crowd(Task(**fields)).play()
    sys.stdout.write(json.dumps([dataclasses.asdict(one) for one in seen]))


if __name__ == "__main__":
    with contextlib.suppress(OSError):  # where it is not allowed the figures are a little worse
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    uvloop.run(_main())
