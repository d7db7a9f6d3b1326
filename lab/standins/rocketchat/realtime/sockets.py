"""Websockets: one connection's queue, pings and end; what the frames mean is in ddp.py.

A reader that does not keep up is cut when its queue is full, instead of being queued for for ever.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import WSCloseCode, WSMsgType, web

_log = logging.getLogger(__name__)
FRAME_MAX = 1024 * 1024
FAREWELL_SECONDS = 0.1
QUEUE_FRAMES_MAX = 2000
QUEUE_CHARACTERS_MAX = 8 * 1024 * 1024
SEND_SECONDS_MAX = 30.0
PING = '{"msg":"ping"}'


class Protocol_(Protocol):  # noqa: N801 - the name is taken by typing
    """What gives a connection's frames a meaning."""

    async def received(self, text: str) -> None:
        """Handle one text frame."""

    def closed(self) -> None:
        """Let go of everything that belongs to the connection."""


class Connection:
    """One websocket: frames leave in the order in which they were pushed."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        *,
        address: str,
        muted: Callable[[], bool],
    ) -> None:
        self._socket, self._transport = socket, transport
        self.address, self._muted = address, muted
        self._queue: collections.deque[str] = collections.deque()
        self._queued = 0
        self._ready, self._sign = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self.user_id: str | None = None

    def push(self, frame: str) -> None:
        """Queue a frame; a connection whose queue is full is cut."""
        if self._muted():
            return
        self._queue.append(frame)
        self._queued += len(frame)
        self._ready.set()
        if len(self._queue) > QUEUE_FRAMES_MAX or self._queued > QUEUE_CHARACTERS_MAX:
            _log.warning("cut a websocket of %s that does not read what it gets", self.address)
            self.cut()

    def cut(self) -> None:
        """End the connection at once, without a closing handshake."""
        self._queue.clear()
        self._queued = 0
        if self._transport is not None:
            self._transport.abort()

    def end_soon(self) -> None:
        """End the connection when what is on its way has gone out."""
        self._loop.call_later(FAREWELL_SECONDS, self.cut)

    async def close(self) -> None:
        """End the connection politely, because the server goes down."""
        with contextlib.suppress(OSError, RuntimeError, asyncio.TimeoutError):
            async with asyncio.timeout(1):
                await self._socket.close(code=WSCloseCode.GOING_AWAY)
        self.cut()

    async def run(self, protocol: Protocol_, *, ping_seconds: float, pong_seconds: float) -> None:
        """Serve the connection until it ends."""
        tasks = [
            asyncio.create_task(self._write()),
            asyncio.create_task(self._watch(ping_seconds, pong_seconds)),
        ]
        try:
            await self._read(protocol.received)
        finally:
            protocol.closed()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, received: Callable[[str], Awaitable[None]]) -> None:
        async for message in self._socket:
            self._heard = self._loop.time()
            self._sign.set()
            if self._muted():
                continue
            if message.type is WSMsgType.TEXT:
                await received(message.data)
            elif message.type is WSMsgType.BINARY:
                # Nothing in the protocol is binary; it is answered as any nonsense.
                await received("")

    async def _write(self) -> None:
        try:
            while True:
                await self._ready.wait()
                self._ready.clear()
                while self._queue:
                    frame = self._queue.popleft()
                    self._queued -= len(frame)
                    async with asyncio.timeout(SEND_SECONDS_MAX):
                        await self._socket.send_str(frame)
        except (OSError, RuntimeError, TimeoutError):
            self.cut()

    async def _watch(self, ping_seconds: float, pong_seconds: float) -> None:
        """Ping a silent client, and end the connection if it stays silent."""
        while True:
            silent = self._loop.time() - self._heard
            if silent < ping_seconds or self._muted():
                await asyncio.sleep(max(ping_seconds - silent, ping_seconds / 4))
                continue
            self._sign.clear()
            self.push(PING)
            try:
                async with asyncio.timeout(pong_seconds):
                    await self._sign.wait()
            except TimeoutError:
                if self._muted():
                    continue
                _log.info("a websocket of %s stays silent", self.address)
                self.cut()
                return


class Sockets:
    """All open connections."""

    def __init__(self) -> None:
        self._connections: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Connection) -> None:
        """Remember an open connection."""
        self._connections.add(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a closed connection."""
        self._connections.discard(connection)

    def drop_all(self) -> None:
        """Cut all connections."""
        for connection in list(self._connections):
            connection.cut()

    def end_of(self, user_id: str) -> None:
        """End a user's connections, as the server does once their token is gone."""
        for connection in self._connections:
            if connection.user_id == user_id:
                connection.end_soon()

    async def close_all(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(connection.close() for connection in list(self._connections)))
