"""A scripted websocket in Rocket.Chat's place, and a feed that listens to it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from heyken_glue.adapters.rocketchat.realtime import Login, RealtimeFeed, Seen, Signal
from heyken_glue.runtime import http

TOKEN = "geheim-geheim"
PATIENCE = 10.0
NOW = 1_795_168_800.0


class Visit:
    """One websocket as the server sees it."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    async def say(self, *frames: object) -> None:
        for frame in frames:
            text = frame if isinstance(frame, str) else json.dumps(frame)
            await self.socket.send_str(text)

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            frame = await self.socket.receive_json()
        assert isinstance(frame, dict)
        self.heard.append(frame)
        return frame

    async def greet(self) -> None:
        await self.hear()
        await self.say({"server_id": "0"}, {"msg": "connected", "session": "s"})

    async def admit(self) -> None:
        """Let the client in, as the real server does."""
        await self.greet()
        number = (await self.hear())["id"]
        result = {"id": "bot", "token": TOKEN, "tokenExpires": {"$date": 1}, "type": "resume"}
        await self.say(
            {"msg": "result", "id": number, "result": result},
            {"msg": "updated", "methods": [number]},
            {"msg": "added", "collection": "users", "id": "bot", "fields": {}},
        )
        await self.say({"msg": "ready", "subs": [(await self.hear())["id"]]})

    async def stay(self) -> None:
        """Hear until the client leaves."""
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.heard.append(json.loads(message.data))


Scene = Callable[[Visit], Awaitable[None]]


async def welcome(visit: Visit) -> None:
    await visit.admit()
    await visit.stay()


class Server:
    """Plays one scene per connection, the last of them again and again."""

    def __init__(self) -> None:
        self.scenes: list[Scene] = [welcome]
        self.visits: list[Visit] = []
        self.url = ""
        self.left = asyncio.Event()

    async def door(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=True, max_msg_size=2**24)
        await socket.prepare(request)
        visit = Visit(socket)
        self.visits.append(visit)
        scene = self.scenes.pop(0) if len(self.scenes) > 1 else self.scenes[0]
        try:
            await scene(visit)
        finally:
            self.left.set()
        return socket


@asynccontextmanager
async def opened(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Open the door at some address of its own."""
    played = Server()
    application = web.Application()
    application.add_routes([web.get("/websocket", played.door)])
    running = TestServer(application)
    await running.start_server(shutdown_timeout=0.1, ssl=tls)
    played.url = str(running.make_url("/"))
    yield played
    await running.close()


class StoppedClock:
    """Time that only tests move."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class Waits:
    """Waits for nothing, and remembers for how long."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.eight = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == 8:
            self.eight.set()
        await asyncio.sleep(0)


class Listener:
    """A feed, and what it told."""

    def __init__(self, feed: RealtimeFeed, clock: StoppedClock, waits: Waits) -> None:
        self.feed, self.clock, self.waits = feed, clock, waits
        self.signals: AsyncGenerator[Signal, None] = feed.signals()

    async def next(self) -> Signal:
        return await asyncio.wait_for(anext(self.signals), PATIENCE)

    async def some(self, count: int) -> list[Signal]:
        return [await self.next() for _ in range(count)]


@asynccontextmanager
async def listening(
    server: Server, *, trust: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[Listener]:
    clock, waits = StoppedClock(), Waits()
    options = {"clock": clock, "pause": waits, "roll": lambda: 1.0, **options}
    total = options.pop("total_seconds", 60)
    async with http.session(tls=trust, total_seconds=total) as session:
        feed = RealtimeFeed(session, server.url, Login("bot", TOKEN), **options)
        listener = Listener(feed, clock, waits)
        async with aclosing(listener.signals):
            yield listener


def message(number: int, **changes: object) -> dict[str, object]:
    """Return the message that was written `number` seconds after NOW, as the socket shows it."""
    moment = {"$date": (NOW + number) * 1000}
    author = {"_id": "u1", "username": "ala"}
    message = {"_id": f"m{number}", "rid": "GENERAL", "msg": "text", "ts": moment, "u": author}
    return {**message, "_updatedAt": moment, **changes}


def changed(event: str, *args: object, stream: str = "stream-room-messages") -> dict[str, Any]:
    """Return an event of a stream."""
    fields = {"eventName": event, "args": list(args)}
    return {"msg": "changed", "collection": stream, "id": "id", "fields": fields}


def seen(*numbers: int) -> list[dict[str, Any]]:
    """Return the events of plain messages."""
    return [changed("__my_messages__", message(number)) for number in numbers]


def ids(signals: list[Signal]) -> list[str]:
    """Return the ids of messages, and other signals as they are."""
    return [signal.message.id if isinstance(signal, Seen) else repr(signal) for signal in signals]
