"""Open-loop clients over TLS: a new connection each few milliseconds, and some that stay open.

A process of its own (`python -m bench.asking`, the order as JSON on standard input), so that what
the bench does meanwhile delays no request. None waits for another, so a stall is seen in full. It
ends when its standard input does, and writes one line of JSON for each request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Self

import uvloop

END_SECONDS = 60.0
PRIORITY = 10  # among real-time processes; keepalived has more
RESET = struct.pack("ii", 1, 0)
NEW, KEPT = "new", "kept"


@dataclass(frozen=True)
class Order:
    """What to ask, how often, and how long to wait for each answer.

    `kept` connections stay open and ask `kept_per_second` times a second each, beside the
    `per_second` new ones. `body` makes a POST of it. Times are in seconds.
    """

    address: tuple[str, int]
    ca_file: str | None
    path: str
    per_second: float
    kept: int = 0
    kept_per_second: float = 1.0
    patience: float = 5.0
    token: str = ""
    body: str = ""


@dataclass(frozen=True)
class Asked:
    """One request: when it was due and begun (monotonic), how long it took, what came of it."""

    kind: str
    due: float
    begun: float
    took: float
    outcome: str

    @property
    def ok(self) -> bool:
        """Whether it got a good answer."""
        return self.outcome == "200"

    @property
    def ended(self) -> float:
        """When its answer was there."""
        return self.begun + self.took


@dataclass
class Asking:
    """Asks from the begin of the context to its end; `asked` is there afterwards."""

    order: Order
    asked: list[Asked] = field(default_factory=list)
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Begin; returns when the first request is about to be made."""
        command = [sys.executable, "-m", "bench.asking"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        assert self._process.stdout is not None  # noqa: S101
        # not as an argument: it holds a token
        self._process.stdin.write(json.dumps(asdict(self.order)) + "\n")
        self._process.stdin.flush()
        self._process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        """End after the requests under way are decided."""
        assert self._process is not None  # noqa: S101
        told, _nothing = self._process.communicate("", timeout=END_SECONDS)
        self.asked += [Asked(**json.loads(line)) for line in told.splitlines()]

    def of(self, kind: str) -> list[Asked]:
        """Return the requests of one kind."""
        return [one for one in self.asked if one.kind == kind]


class Response(asyncio.Protocol):
    """Reads one response after the other from a connection."""

    def __init__(self) -> None:
        self.done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._seen = b""

    def expect(self) -> asyncio.Future[str]:
        """Begin to wait for the next response."""
        self.done, self._seen = asyncio.get_running_loop().create_future(), b""
        return self.done

    def data_received(self, data: bytes) -> None:
        """Note the status once head and body are there."""
        self._seen += data
        head, end, body = self._seen.partition(b"\r\n\r\n")
        if not end or self.done.done():
            return
        lowered = head.lower()
        _before, known, length = lowered.partition(b"content-length:")
        whole = len(body) >= int(length.split(b"\r\n")[0]) if known else body.endswith(b"0\r\n\r\n")
        if whole:
            self.done.set_result(head.split(b" ", 2)[1].decode())

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if not self.done.done():
            self.done.set_result(type(exc).__name__ if exc is not None else "closed")


class Client:
    """Makes the requests of one order."""

    def __init__(self, order: Order) -> None:
        self.asked: list[Asked] = []
        self._order = order
        self._tls = ssl.create_default_context(cafile=order.ca_file) if order.ca_file else None
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, ended: asyncio.Event) -> None:
        """Ask until `ended`, and wait for what is under way then."""
        order = self._order
        spread = [number / order.kept / order.kept_per_second for number in range(order.kept)]
        kept = [asyncio.create_task(self._keep(ended, pause)) for pause in spread]
        due = time.monotonic()
        while not ended.is_set():
            task = asyncio.create_task(self._once(due))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            due += 1 / order.per_second
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*kept, *self._under_way)

    async def _once(self, due: float) -> None:
        begun = time.monotonic()
        transport = None
        outcome = "no answer in time"
        with contextlib.suppress(TimeoutError):
            try:
                async with asyncio.timeout(self._order.patience):
                    transport, response = await self._connect()
                    transport.write(self._request("close"))
                    outcome = await response.done
            except OSError as error:
                outcome = type(error).__name__
        self.asked.append(Asked(NEW, due, begun, time.monotonic() - begun, outcome))
        if transport is not None:
            transport.abort()

    async def _keep(self, ended: asyncio.Event, pause: float) -> None:
        await asyncio.sleep(pause)
        transport, response = await self._connect()
        due = time.monotonic()
        while not ended.is_set() and not transport.is_closing():
            begun = time.monotonic()
            waiting = response.expect()
            transport.write(self._request("keep-alive"))
            outcome = "no answer in time"
            with contextlib.suppress(TimeoutError):
                outcome = await asyncio.wait_for(waiting, self._order.patience)
            self.asked.append(Asked(KEPT, due, begun, time.monotonic() - begun, outcome))
            due += 1 / self._order.kept_per_second
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        transport.abort()

    async def _connect(self) -> tuple[asyncio.WriteTransport, Response]:
        loop = asyncio.get_running_loop()
        transport, response = await loop.create_connection(
            Response, *self._order.address, ssl=self._tls
        )
        plain = transport.get_extra_info("socket")
        # closed with a reset: waiting ends of thousands of connections would use up all ports
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return transport, response

    def _request(self, connection: str) -> bytes:
        order, body = self._order, self._order.body.encode()
        lines = [
            f"{'POST' if body else 'GET'} {order.path} HTTP/1.1",
            f"Host: {order.address[0]}:{order.address[1]}",
            f"Connection: {connection}",
            *([f"Authorization: Bearer {order.token}"] if order.token else []),
            *([f"Content-Type: application/json\r\nContent-Length: {len(body)}"] if body else []),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body


async def _serve(order: Order) -> None:
    loop, ended, client = asyncio.get_running_loop(), asyncio.Event(), Client(order)

    def wait_for_end() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_end, daemon=True).start()
    sys.stdout.write("asking\n")
    sys.stdout.flush()
    await client.run(ended)
    for one in client.asked:
        sys.stdout.write(json.dumps(asdict(one)) + "\n")


def main() -> None:
    """Ask until standard input ends, then tell."""
    order = json.loads(sys.stdin.readline())
    with contextlib.suppress(OSError):  # where it is not allowed, `due` shows what that costs
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    uvloop.run(_serve(Order(**{**order, "address": tuple(order["address"])})))


if __name__ == "__main__":
    main()
