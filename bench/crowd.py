"""A crowd in Rocket.Chat: 50 people look on while 20 messages a second are written."""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import statistics
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bench.figures import Figure, tell
from lab.chat import Person, new_id
from lab.problem import Problem
from lab.settings import Lab

CLIENTS, PER_SECOND, SECONDS = 50, 20, 30
QUIET_MESSAGES = 20
# what is slower than that feels late to whoever talks with somebody
LATE_SECONDS = 1.0
_LOGIN_SECONDS, _ARRIVAL_SECONDS = 30.0, 30.0


@dataclass
class Watcher:
    """One client on a websocket of its own: when each message reached it, and how often."""

    socket: aiohttp.ClientWebSocketResponse
    arrived: dict[str, float] = field(default_factory=dict)
    count: Counter[str] = field(default_factory=Counter)

    async def enter(self, token: str, room_id: str) -> None:
        """Log in and follow a room."""
        await self._say(msg="connect", version="1", support=["1"])
        await self._until("connected")
        await self._say(msg="method", method="login", id="1", params=[{"resume": token}])
        result = await self._until("result")
        if "error" in result:
            raise Problem("a client cannot log in", why=str(result["error"]), todo="make status")
        await self._say(msg="sub", id="2", name="stream-room-messages", params=[room_id, False])
        await self._until("ready")

    async def follow(self) -> None:
        """Take in what comes, and answer pings, for ever."""
        while True:
            frame = await self._frame()
            if frame.get("msg") == "ping":
                await self._say(msg="pong")
            elif frame.get("msg") == "changed":
                message_id = str(frame["fields"]["args"][0]["_id"])
                self.arrived.setdefault(message_id, time.monotonic())
                self.count[message_id] += 1

    async def _until(self, msg: str) -> dict[str, Any]:
        async with asyncio.timeout(_LOGIN_SECONDS):
            while (frame := await self._frame()).get("msg") != msg:
                pass
        return frame

    async def _frame(self) -> dict[str, Any]:
        message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Problem("a client was cut off", why=str(message), todo="look at the chat host")
        frame: dict[str, Any] = json.loads(message.data)
        return frame

    async def _say(self, **frame: object) -> None:
        await self.socket.send_json(frame)


@dataclass
class Room:
    """Where the crowd meets; the session carries the headers of whoever writes, with this token."""

    session: aiohttp.ClientSession
    url: str
    token: str
    id: str
    watchers: list[Watcher] = field(default_factory=list)
    sent: dict[str, float] = field(default_factory=dict)
    _following: list[asyncio.Task[None]] = field(default_factory=list)

    async def let_in(self, count: int) -> None:
        """Connect clients to the room and let each follow it."""
        for _ in range(count):
            watcher = Watcher(await self.session.ws_connect(f"{self.url}/websocket"))
            await watcher.enter(self.token, self.id)
            self.watchers.append(watcher)
            self._following.append(asyncio.get_running_loop().create_task(watcher.follow()))

    async def close(self) -> None:
        """Let everybody go; a client that was cut off before tells why."""
        ended = [task for task in self._following if task.done()]
        for task in self._following:
            task.cancel()
        for watcher in self.watchers:
            await watcher.socket.close()
        for task in ended:
            task.result()

    async def write(self, count: int, per_second: float) -> None:
        """Send messages at a steady pace, whether or not the server keeps up."""
        begun = time.monotonic()
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(count):
                    await asyncio.sleep(begun + number / per_second - time.monotonic())
                    group.create_task(self._send(f"message {number}"))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None  # the first reason is reason enough

    async def delays(self, since: int) -> tuple[list[float], int]:
        """Return how long each message took to each client, and how many never came.

        since: how many messages lie before those that are counted.
        """
        wanted = dict(itertools.islice(self.sent.items(), since, None))
        deadline = time.monotonic() + _ARRIVAL_SECONDS
        while self._missing(wanted) and time.monotonic() < deadline:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.1)
        delays = [
            watcher.arrived[one] - moment
            for one, moment in wanted.items()
            for watcher in self.watchers
            if one in watcher.arrived
        ]
        return delays, self._missing(wanted)

    def doubled(self) -> int:
        """Return how often a client was told a message again."""
        return sum(times - 1 for watcher in self.watchers for times in watcher.count.values())

    def _missing(self, wanted: Iterable[str]) -> int:
        return sum(one not in watcher.arrived for one in wanted for watcher in self.watchers)

    async def _send(self, text: str) -> None:
        message_id = new_id()
        self.sent[message_id] = time.monotonic()
        body = {"message": {"_id": message_id, "rid": self.id, "msg": text}}
        url = f"{self.url}/api/v1/chat.sendMessage"
        async with self.session.post(url, json=body) as answer:
            if not answer.ok:
                why = f"{answer.status}: {(await answer.text())[:200]}"
                raise Problem("a message was refused", why=why, todo="make status")


def measure(lab: Lab) -> list[Figure]:
    """Let one client look on in a quiet room, then a crowd in a busy one."""
    return asyncio.run(_measure(lab))


async def _measure(lab: Lab) -> list[Figure]:
    writer = await asyncio.to_thread(Person, lab, "admin")  # not slowed down, as bots are not
    name = f"bench-crowd-{new_id()[:6]}"
    made = await asyncio.to_thread(writer.post, "channels.create", name=name, members=["user"])
    room_id = str(made["channel"]["_id"])
    try:
        delays, lost, doubled, quiet = await _watched(writer, room_id)
    finally:
        await asyncio.to_thread(writer.post, "channels.delete", roomId=room_id)
    median, slowest = statistics.median(delays), statistics.quantiles(delays, n=100)[98]
    return [
        Figure(
            name=f"{CLIENTS} clients see {PER_SECOND} messages/s for {SECONDS} s",
            value=f"{lost} lost, {doubled} doubled of {len(delays) + lost},"
            f" median {median * 1000:.0f} ms, p99 {slowest * 1000:.0f} ms",
            reference=f"one client, one message at a time: median {quiet * 1000:.0f} ms",
            ratio=median / quiet,
            target=f"none lost, none doubled, p99 ≤ {LATE_SECONDS:.0f} s",
            reached=not lost and not doubled and slowest <= LATE_SECONDS,
        )
    ]


async def _watched(writer: Person, room_id: str) -> tuple[list[float], int, int, float]:
    """Return the crowd's delays, what was lost and doubled, and the median of a quiet room."""
    headers = {"X-User-Id": writer.id, "X-Auth-Token": writer.token}
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=writer.ca_file), limit=0)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        room = Room(session, writer.url, writer.token, room_id)
        try:
            await room.let_in(1)
            await room.write(QUIET_MESSAGES, 5)
            quiet, _ = await room.delays(0)
            await room.let_in(CLIENTS - 1)
            tell(f"{CLIENTS} clients look on, {PER_SECOND} messages a second for {SECONDS} s")
            await room.write(PER_SECOND * SECONDS, PER_SECOND)
            delays, lost = await room.delays(QUIET_MESSAGES)
        finally:
            await room.close()
    return delays, lost, room.doubled(), statistics.median(quiet)
