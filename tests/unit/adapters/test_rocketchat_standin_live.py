"""The feed against the stand-in: what people write is seen, or lies in a gap that was told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from heyken_glue.adapters.rocketchat import frames
from heyken_glue.adapters.rocketchat.client import RocketChatClient
from heyken_glue.adapters.rocketchat.realtime import (
    Connected,
    Deleted,
    Login,
    Lost,
    RealtimeFeed,
    Rejected,
    Seen,
    Signal,
    Timing,
)
from heyken_glue.runtime import http
from tests.support.rocketchat import BOT, StandIn, standin

PATIENCE = 10.0
QUICK = Timing(farewell=0.2, rejected=0.01)


@pytest.fixture
async def chat() -> AsyncIterator[StandIn]:
    async with standin() as running:
        yield running


class Ear:
    """The bot's feed and its hands."""

    def __init__(self, feed: RealtimeFeed, client: RocketChatClient) -> None:
        self.feed, self.client = feed, client
        self.signals: AsyncGenerator[Signal, None] = feed.signals()

    async def next(self) -> Signal:
        return await asyncio.wait_for(anext(self.signals), PATIENCE)

    async def until(self, kind: type[Signal]) -> Signal:
        """Skip to the next signal of a kind."""
        while not isinstance(signal := await self.next(), kind):
            pass
        return signal

    async def seen(self, message_id: str) -> Seen:
        """Skip to a message."""
        while True:
            signal = await self.until(Seen)
            if isinstance(signal, Seen) and signal.message.id == message_id:
                return signal


@asynccontextmanager
async def listening(chat: StandIn, *, token: str | None = None, **more: Any) -> AsyncIterator[Ear]:
    login = Login(chat.ids[BOT], chat.tokens[BOT] if token is None else token)
    options = {"timing": QUICK, "roll": lambda: 0.05, **more}
    async with http.session(total_seconds=5) as session:
        feed = RealtimeFeed(session, chat.url, login, **options)
        ear = Ear(feed, RocketChatClient(session, chat.url, login))
        async with aclosing(ear.signals):
            yield ear


async def test_what_people_write_is_seen(chat: StandIn) -> None:
    async with listening(chat) as ear:
        assert await ear.next() == Connected(None)
        direct = await chat.direct("user", BOT)
        for room in ("general", "heyken-sandbox", direct):
            message = await chat.post("user", room, f"@{BOT} hello")
            seen = (await ear.seen(message["_id"])).message
            assert seen.room_id == chat.rooms.get(room, room)
            assert seen.author.username == "user"
            assert seen == await ear.client.message(seen.id), "REST and socket agree"
        reply = await chat.post("user", direct, "and?", thread_id=seen.id)
        assert (await ear.seen(reply["_id"])).message.thread_id == seen.id


async def test_our_own_words_and_edits_come_back(chat: StandIn) -> None:
    async with listening(chat) as ear:
        await ear.next()
        await ear.client.send("GENERAL", "one", message_id="a" * 17)
        first = await ear.seen("a" * 17)
        await ear.client.edit("GENERAL", "a" * 17, "two")
        second = await ear.seen("a" * 17)
    assert first.message.author.id == chat.ids[BOT]
    assert (first.message.edited, second.message.edited, second.message.text) == (
        False,
        True,
        "two",
    )


async def test_repeated_emissions_are_the_same_message(chat: StandIn) -> None:
    await chat.set_modes(repeat_emissions=2)
    async with listening(chat) as ear:
        await ear.next()
        message = await chat.post("user", "general", "hello")
        assert [await ear.seen(message["_id"]) for _ in range(3)]


async def test_a_revoked_token_is_told(chat: StandIn) -> None:
    async with listening(chat, token="revoked") as ear:
        assert isinstance(await ear.next(), Rejected)
        assert not ear.feed.connected


async def test_a_dropped_socket_comes_back_and_says_since_when(chat: StandIn) -> None:
    async with listening(chat) as ear:
        await ear.next()
        before = await chat.post("user", "general", "before")
        await ear.seen(before["_id"])
        await chat.set_modes(refuse_sockets=True)
        await chat.drop_sockets()
        assert isinstance(await ear.next(), Lost)
        missed = await chat.post("user", "general", "missed")
        assert await ear.next() == Lost("cannot connect: the server answered 503")
        await chat.set_modes(refuse_sockets=False)
        back = await ear.until(Connected)
        assert isinstance(back, Connected)
        assert back.gap_since is not None
        found = await ear.client.changed_since("GENERAL", back.gap_since)
        assert missed["_id"] in [message.id for message in found]
        after = await chat.post("user", "general", "after")
        await ear.seen(after["_id"])


async def test_a_restart_loses_nothing(chat: StandIn) -> None:
    async with listening(chat) as ear:
        await ear.next()
        await chat.restart()
        written = await chat.post("user", "general", "early")
        back = await ear.until(Connected)
        assert isinstance(back, Connected)
        assert back.gap_since is not None
        found = await ear.client.changed_since("GENERAL", back.gap_since)
        assert written["_id"] in [message.id for message in found]


async def test_a_server_that_went_deaf_is_left(chat: StandIn) -> None:
    async with listening(chat, timing=Timing(silence=0.2, farewell=0.1)) as ear:
        await ear.next()
        await chat.set_modes(mute_sockets=True)
        assert await ear.next() == Lost("the server went silent")
        await chat.set_modes(mute_sockets=False)
        await ear.until(Connected)


async def test_a_quiet_connection_lasts(chat: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: asyncio.Queue[None] = asyncio.Queue()
    ping = frames.ping

    def counted() -> dict[str, Any]:
        asked.put_nowait(None)
        return ping()

    monkeypatch.setattr(frames, "ping", counted)
    async with listening(chat, timing=Timing(silence=0.1)) as ear:
        await ear.next()
        for _ in range(3):
            await asyncio.wait_for(asked.get(), PATIENCE)
        message = await chat.post("user", "general", "hello")
        signal = await ear.next()
    assert isinstance(signal, Seen)
    assert signal.message.id == message["_id"]


async def test_deletions_are_told_while_they_are_watched(chat: StandIn) -> None:
    async with listening(chat) as ear:
        await ear.next()
        await ear.feed.watch_deletions("GENERAL")
        message = await chat.post("user", "general", "oops")
        await ear.seen(message["_id"])
        await chat.api("user", "chat.delete", roomId="GENERAL", msgId=message["_id"])
        assert await ear.until(Deleted) == Deleted("GENERAL", message["_id"])
        await chat.drop_sockets()
        await ear.until(Connected)
        message = await chat.post("user", "general", "again")
        await ear.seen(message["_id"])
        await chat.api("user", "chat.delete", roomId="GENERAL", msgId=message["_id"])
        assert await ear.until(Deleted) == Deleted("GENERAL", message["_id"])


async def test_people_see_us_typing(chat: StandIn) -> None:
    async with (
        listening(chat) as ear,
        http.session(total_seconds=5) as session,
        session.ws_connect(chat.ws_url) as socket,
    ):
        await ear.next()
        subscription = frames.subscribe_to_deletions("s1", "GENERAL")
        subscription["params"][0] = "GENERAL/user-activity"
        for frame in (
            frames.connect(),
            frames.login(Login(chat.ids["user"], chat.tokens["user"])),
            subscription,
        ):
            await socket.send_json(frame)
        async with asyncio.timeout(PATIENCE):
            while (await socket.receive_json()).get("subs") != ["s1"]:
                pass
            for active, activities in ((True, ["user-typing"]), (False, [])):
                await ear.feed.typing("GENERAL", BOT, active)
                while (told := await socket.receive_json()).get("msg") != "changed":
                    pass
                assert told["fields"]["args"][:2] == [BOT, activities]
