"""The feed comes back from everything, and never keeps quiet about a gap."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from heyken_glue.adapters.rocketchat import frames, realtime
from heyken_glue.adapters.rocketchat.mailbox import Mailbox
from heyken_glue.adapters.rocketchat.realtime import (
    Connected,
    Lost,
    Timing,
)
from tests.support.rocketchat_visits import (
    NOW,
    PATIENCE,
    Server,
    Visit,
    changed,
    ids,
    listening,
    message,
    seen,
    welcome,
)


async def test_a_server_that_stays_silent_is_lost(server: Server) -> None:
    async with listening(server, timing=Timing(silence=0.05, farewell=0.05)) as listener:
        assert await listener.some(2) == [Connected(None), Lost("the server went silent")]
    assert [frame["msg"] for frame in server.visits[0].heard].count("ping") == 1


async def test_after_a_drop_the_gap_starts_with_the_newest_message(server: Server) -> None:
    async def drop(visit: Visit) -> None:
        await visit.admit()
        await visit.say(*seen(50, 40))
        await visit.socket.close()

    server.scenes = [drop, drop, welcome]
    async with listening(server) as listener:
        listener.clock.time = NOW + 1000
        first = await listener.some(4)
        second = await listener.next()
    margin = realtime.GAP_MARGIN_SECONDS
    assert first[0] == Connected(None)
    assert first[3] == Lost("the server closed the connection")
    assert second == Connected(NOW + 50 - margin)


async def test_a_drop_before_any_message_starts_the_gap_at_the_first_connection(
    server: Server,
) -> None:
    dropped = asyncio.Event()

    async def drop(visit: Visit) -> None:
        await visit.admit()
        await dropped.wait()

    server.scenes = [drop, welcome]
    async with listening(server) as listener:
        assert await listener.next() == Connected(None)
        listener.clock.time = NOW + 1000
        dropped.set()
        assert (await listener.some(2))[1] == Connected(NOW - realtime.GAP_MARGIN_SECONDS)


async def test_a_message_from_the_future_covers_nothing(server: Server) -> None:
    async def drop(visit: Visit) -> None:
        await visit.admit()
        await visit.say(*seen(5000))
        await visit.socket.close()

    server.scenes = [drop, welcome]
    async with listening(server) as listener:
        last = (await listener.some(4))[3]
    assert last == Connected(NOW - realtime.GAP_MARGIN_SECONDS)


async def test_what_arrives_before_the_subscription_stands_does_not_shorten_the_gap(
    server: Server,
) -> None:
    async def drop(visit: Visit) -> None:
        await visit.admit()
        await visit.say(*seen(1))
        await visit.socket.close()

    async def eager(visit: Visit) -> None:
        await visit.greet()
        number = (await visit.hear())["id"]
        await visit.say({"msg": "result", "id": number, "result": {"id": "bot"}}, *seen(900))
        await visit.hear()
        await visit.say({"msg": "ready", "subs": ["messages"]})
        await visit.stay()

    server.scenes = [drop, eager]
    async with listening(server) as listener:
        listener.clock.time = NOW + 1000
        signals = await listener.some(5)
    assert signals[4] == Connected(NOW + 1 - realtime.GAP_MARGIN_SECONDS)
    assert ids(signals[3:4]) == ["m900"]


async def test_a_server_that_is_down_is_tried_for_ever_and_told_once(server: Server) -> None:
    server.url = f"http://127.0.0.1:{unused_port()}"
    async with listening(server) as listener:
        lost = await listener.next()
        assert isinstance(lost, Lost)
        assert lost.reason.startswith("cannot connect")
        following = asyncio.create_task(listener.next())
        await asyncio.wait_for(listener.waits.eight.wait(), PATIENCE)
        assert not following.done(), "the same reason is told once"
        following.cancel()
        await asyncio.wait({following})
    waits = listener.waits.seconds
    assert waits[:6] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0]
    assert max(waits) == 5.0


async def test_it_comes_back_when_the_server_does(server: Server) -> None:
    async def fail(visit: Visit) -> None:
        await visit.socket.close()

    server.scenes = [fail, fail, fail, welcome]
    async with listening(server) as listener:
        signals = await listener.some(2)
    assert signals == [Lost("the server closed the connection"), Connected(None)]
    assert len(server.visits) == 4


async def test_a_connection_that_held_starts_the_delays_anew(server: Server) -> None:
    ready, dropped = asyncio.Event(), asyncio.Event()

    async def fail(visit: Visit) -> None:
        await visit.socket.close()

    async def hold(visit: Visit) -> None:
        await visit.admit()
        ready.set()
        await dropped.wait()

    server.scenes = [fail, fail, hold, welcome]
    async with listening(server) as listener:
        assert (await listener.some(2))[1] == Connected(None)
        listener.clock.time += Timing().settled
        dropped.set()
        await listener.some(2)
    assert listener.waits.seconds[:3] == [0.25, 0.5, 0.25]


async def test_a_door_without_a_websocket_is_lost(server: Server) -> None:
    server.url += "nowhere/"
    async with listening(server) as listener:
        assert await listener.next() == Lost("cannot connect: the server answered 404")


async def test_a_frame_that_is_too_large_costs_the_connection_not_the_feed(
    server: Server,
) -> None:
    async def scene(visit: Visit) -> None:
        await visit.admit()
        await visit.say(changed("__my_messages__", message(1, msg="x" * 2**20)))
        await visit.stay()

    server.scenes = [scene, welcome]
    async with listening(server) as listener:
        signals = await listener.some(3)
    assert isinstance(signals[1], Lost)
    assert isinstance(signals[2], Connected)


async def test_text_that_is_no_text_costs_the_connection_not_the_feed(server: Server) -> None:
    async def scene(visit: Visit) -> None:
        await visit.admit()
        await visit.socket.send_frame(b"\xff\xff", aiohttp.WSMsgType.TEXT)
        await visit.stay()

    server.scenes = [scene, welcome]
    async with listening(server) as listener:
        signals = await listener.some(3)
    assert isinstance(signals[1], Lost)
    assert isinstance(signals[2], Connected)


@pytest.mark.parametrize(
    "limits", [{"max_signals": 3, "max_bytes": 2**20}, {"max_signals": 100, "max_bytes": 700}]
)
async def test_a_slow_reader_gets_a_gap_and_no_flood(
    server: Server, limits: dict[str, int]
) -> None:
    async def flood(visit: Visit) -> None:
        await visit.admit()
        await visit.say(*seen(*range(1, 50)))
        await visit.stay()

    server.scenes = [flood, welcome]
    box = Mailbox(**limits)
    async with listening(server, mailbox=lambda: box) as listener:
        listener.clock.time = NOW + 1000
        assert await listener.next() == Connected(None)
        await asyncio.wait_for(server.left.wait(), PATIENCE)
        assert not listener.feed.connected
        assert len(server.visits) == 1, "nobody connects again before the reader is through"
        signals = await listener.some(2)
        while not isinstance(signals[-1], Connected):
            signals.append(await listener.next())
    *read, lost, connected = signals
    assert isinstance(lost, Lost)
    assert 2 <= len(read) < 49
    assert ids(read) == [f"m{number}" for number in range(1, len(read) + 1)]
    assert connected == Connected(NOW + len(read) - realtime.GAP_MARGIN_SECONDS)


async def test_watched_rooms_are_watched_again_after_a_drop(server: Server) -> None:
    async def drop(visit: Visit) -> None:
        await visit.admit()
        await visit.hear()

    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def remember(visit: Visit) -> None:
        await visit.admit()
        heard.put_nowait(await visit.hear())
        await visit.stay()

    server.scenes = [drop, remember]
    async with listening(server) as listener:
        await listener.feed.watch_deletions("GENERAL")
        await listener.feed.watch_deletions("other")
        await listener.feed.unwatch_deletions("other")
        await listener.some(3)
        asked = await asyncio.wait_for(heard.get(), PATIENCE)
    assert asked["params"][0] == "GENERAL/deleteMessage"


async def test_a_bug_costs_one_connection(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    async def scene(visit: Visit) -> None:
        await visit.admit()
        monkeypatch.setattr(frames, "signals_in", broken)
        await visit.say(*seen(1))
        await visit.stay()

    async def mended(visit: Visit) -> None:
        monkeypatch.undo()
        await welcome(visit)

    server.scenes = [scene, mended]
    async with listening(server, timing=Timing(farewell=0.05)) as listener:
        signals = await listener.some(3)
    assert signals[1] == Lost("internal error")
    assert isinstance(signals[2], Connected)
