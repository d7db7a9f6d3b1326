"""What comes in over the socket, sense and nonsense, and what goes out."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from heyken_glue.adapters.rocketchat import realtime
from heyken_glue.adapters.rocketchat.connection import Connection, LostError
from heyken_glue.adapters.rocketchat.realtime import (
    Deleted,
    Login,
    RealtimeFeed,
    Timing,
)
from heyken_glue.runtime import http
from tests.support.rocketchat_visits import (
    PATIENCE,
    TOKEN,
    Server,
    Visit,
    changed,
    ids,
    listening,
    message,
    seen,
)


async def test_messages_come_through_in_order(server: Server) -> None:
    async def scene(visit: Visit) -> None:
        await visit.admit()
        info = {"roomParticipant": True, "roomType": "c", "roomName": "general"}
        await visit.say(changed("__my_messages__", message(1), info), *seen(2))
        await visit.stay()

    server.scenes = [scene]
    async with listening(server) as listener:
        assert ids(await listener.some(3))[1:] == ["m1", "m2"]


ODD_FRAMES: list[object] = [
    "",
    "no json",
    "null",
    "[]",
    "7",
    "[" * 100_000,
    '{"msg": "changed"',
    '{"msg": NaN}',
    '{"msg": ' + "9" * 5000 + "}",
    {"msg": ["changed"]},
    {"msg": "unheard-of", "id": 1},
    {"msg": "changed"},
    {"msg": "changed", "collection": "stream-room-messages", "fields": None},
    {"msg": "changed", "collection": ["x"], "fields": {"eventName": {}, "args": 7}},
    {"msg": "changed", "collection": {"a": 1}, "fields": []},
    changed("__my_messages__"),
    changed("__my_messages__", None),
    changed("__my_messages__", message(0, u=None)),
    changed("__my_messages__", message(0, _id={"a": 1})),
    changed("GENERAL", message(0)),
    changed("__my_messages__", message(0), stream="stream-somewhere-else"),
    changed("GENERAL/deleteMessage", None, {}, 7, stream="stream-notify-room"),
    changed("/deleteMessage", {"_id": "x"}, stream="stream-notify-room"),
    changed("GENERAL/user-activity", "ala", ["user-typing"], stream="stream-notify-room"),
    {"msg": "result", "id": "typing-1", "error": {"error": 404, "reason": "Method not found"}},
    {"msg": "nosub", "id": ["messages"], "error": "x"},
    {"msg": "ready", "subs": None},
    {"msg": "error", "reason": "Bad request"},
]


async def test_frames_that_make_no_sense_are_skipped(server: Server) -> None:
    async def scene(visit: Visit) -> None:
        await visit.greet()
        await visit.say(*ODD_FRAMES)
        number = (await visit.hear())["id"]
        await visit.say(*ODD_FRAMES, {"msg": "result", "id": number, "result": {"id": "bot"}})
        await visit.hear()
        await visit.say(*ODD_FRAMES, {"msg": "ready", "subs": ["other", "messages"]})
        await visit.say(*ODD_FRAMES)
        await visit.socket.send_bytes(b"\xff\xfe")
        await visit.say(*seen(1))
        await visit.stay()

    server.scenes = [scene]
    with structlog.testing.capture_logs() as lines:
        async with listening(server) as listener:
            assert ids(await listener.some(2))[1:] == ["m1"]
            counts = listener.feed.oddities.counts
    assert (counts["frame"], counts["message"], counts["deletion"]) == (8 * 4, 4 * 4, 4 * 4)
    assert counts["binary_frame"] == 1
    told = [line["count"] for line in lines if line.get("kind") == "frame"]
    assert told == [1, 2, 4, 8, 16, 32], "a flood costs few lines"
    assert len(server.visits) == 1


@pytest.mark.parametrize("ping", [{"msg": "ping"}, {"msg": "ping", "id": "x"}])
async def test_a_ping_is_answered_with_its_id(server: Server, ping: dict[str, str]) -> None:
    async def scene(visit: Visit) -> None:
        await visit.admit()
        await visit.say(ping)
        assert await visit.hear() == {**ping, "msg": "pong"}
        await visit.say(*seen(1))
        await visit.stay()

    server.scenes = [scene]
    async with listening(server) as listener:
        assert ids(await listener.some(2))[1:] == ["m1"]


@pytest.mark.parametrize("sign", ["pong", "ping", "nonsense"])
async def test_after_a_silence_it_asks_and_any_sign_is_enough(server: Server, sign: str) -> None:
    async def scene(visit: Visit) -> None:
        await visit.admit()
        for _ in range(3):
            asked = await visit.hear()
            assert asked["msg"] == "ping"
            await visit.say("no json" if sign == "nonsense" else {"msg": sign, "id": asked["id"]})
            if sign == "ping":
                await visit.hear()
        await visit.say(*seen(1))
        await visit.stay()

    server.scenes = [scene]
    # the limit on whole requests does not end a connection that lives
    async with listening(server, timing=Timing(silence=0.4), total_seconds=0.8) as listener:
        assert ids(await listener.some(2))[1:] == ["m1"]


async def test_deletions_of_watched_rooms(server: Server) -> None:
    async def scene(visit: Visit) -> None:
        await visit.admit()
        asked = await visit.hear()
        await visit.say({"msg": "ready", "subs": [asked["id"]]})
        event = asked["params"][0]
        await visit.say(changed(event, {"_id": "m1"}, stream="stream-notify-room"))
        await visit.stay()

    server.scenes = [scene]
    async with listening(server) as listener:
        await listener.next()
        await listener.feed.watch_deletions("GENERAL")
        await listener.feed.watch_deletions("GENERAL")
        assert await listener.next() == Deleted("GENERAL", "m1")
        await listener.feed.unwatch_deletions("GENERAL")
        await listener.feed.unwatch_deletions("GENERAL")
    await asyncio.wait_for(server.left.wait(), PATIENCE)
    asked, unsub = server.visits[0].heard[3:]
    assert (asked["name"], asked["params"][0]) == ("stream-notify-room", "GENERAL/deleteMessage")
    assert unsub == {"msg": "unsub", "id": asked["id"]}


async def test_a_deletion_that_leaves_a_trace_is_a_deletion(server: Server) -> None:
    async def scene(visit: Visit) -> None:
        await visit.admit()
        await visit.say(changed("__my_messages__", message(1, t="rm", msg="")))
        await visit.stay()

    server.scenes = [scene]
    async with listening(server) as listener:
        assert (await listener.some(3))[2] == Deleted("GENERAL", "m1")


async def test_only_so_many_rooms_are_watched(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime, "MAX_WATCHED_ROOMS", 2)
    async with listening(server) as listener:
        for number in range(5):
            await listener.feed.watch_deletions(f"room{number}")
        assert listener.feed.oddities.counts["too_many_watched_rooms"] == 3


async def test_typing_is_shown_and_hidden(server: Server) -> None:
    async with listening(server) as listener:
        await listener.next()
        await listener.feed.typing("GENERAL", "heyken_bot", True)
        await listener.feed.typing("GENERAL", "heyken_bot", False)
    await asyncio.wait_for(server.left.wait(), PATIENCE)
    shown, hidden = server.visits[0].heard[3:]
    assert (shown["msg"], shown["method"]) == ("method", "stream-notify-room")
    assert shown["params"] == ["GENERAL/user-activity", "heyken_bot", ["user-typing"], {}]
    assert hidden["params"] == ["GENERAL/user-activity", "heyken_bot", [], {}]
    assert shown["id"] != hidden["id"]


async def test_extras_never_fail_without_a_connection(server: Server) -> None:
    async with http.session(total_seconds=5) as session:
        feed = RealtimeFeed(session, server.url, Login("bot", TOKEN))
        await feed.typing("GENERAL", "heyken_bot", True)
        await feed.watch_deletions("GENERAL")
        await feed.unwatch_deletions("GENERAL")
    assert not server.visits


async def test_extras_never_fail_on_a_broken_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise LostError("cannot send")

    async with listening(server) as listener:
        await listener.next()
        monkeypatch.setattr(Connection, "tell", broken)
        await listener.feed.typing("GENERAL", "heyken_bot", True)
        await listener.feed.watch_deletions("GENERAL")
        await listener.feed.unwatch_deletions("GENERAL")
