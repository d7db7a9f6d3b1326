"""The feed lets itself in, and tells being refused from being unlucky."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
import structlog

from heyken_glue.adapters.rocketchat.realtime import (
    Connected,
    Lost,
    Rejected,
    Timing,
)
from tests.support.rocketchat_visits import (
    PATIENCE,
    TOKEN,
    Scene,
    Server,
    Visit,
    listening,
    welcome,
)


async def test_it_logs_in_with_the_token_and_asks_for_messages(server: Server) -> None:
    async with listening(server) as listener:
        assert not listener.feed.connected
        assert await listener.next() == Connected(None)
        assert listener.feed.connected
    connect, login, sub = server.visits[0].heard[:3]
    assert connect == {"msg": "connect", "version": "1", "support": ["1"]}
    assert (login["method"], login["params"]) == ("login", [{"resume": TOKEN}])
    assert (sub["name"], sub["params"][0]) == ("stream-room-messages", "__my_messages__")
    assert not listener.feed.connected


REFUSALS: list[dict[str, Any]] = [
    {"error": {"error": 403, "reason": "You've been logged out by the server."}},
    {"error": {"error": "totp-required", "reason": "TOTP Required"}},
    {"error": {"error": 401, "message": "Unauthorized [401]"}},
    {"error": "nonsense"},
    {"result": {"id": "somebody-else", "token": TOKEN}},
]


def _answering(answer: dict[str, Any]) -> Scene:
    async def scene(visit: Visit) -> None:
        await visit.greet()
        await visit.say({"msg": "result", "id": (await visit.hear())["id"], **answer})
        await visit.stay()

    return scene


@pytest.mark.parametrize("answer", REFUSALS)
async def test_a_refused_login_is_told_and_tried_again_slowly(
    server: Server, answer: dict[str, Any]
) -> None:
    server.scenes = [_answering(answer), _answering(answer), welcome]
    with structlog.testing.capture_logs() as lines:
        async with listening(server, timing=Timing(rejected=60, farewell=0.05)) as listener:
            rejected, connected = await listener.some(2)
    assert isinstance(rejected, Rejected)
    assert connected == Connected(None)
    assert listener.waits.seconds == [90.0, 90.0]
    assert TOKEN not in repr((rejected, lines))


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        ({"error": {"error": 500, "reason": "Internal server error"}}, 0.25),
        ({"error": {"error": "too-many-requests", "reason": "You must wait 9 seconds"}}, 9.0),
        ({"error": {"error": 429, "reason": "Slow down. You must wait 9 seconds."}}, 9.0),
        ({"result": None}, 0.25),
        ({}, 0.25),
    ],
)
async def test_a_login_that_fails_otherwise_is_tried_again_soon(
    server: Server, answer: dict[str, Any], wait: float
) -> None:
    server.scenes = [_answering(answer), welcome]
    async with listening(server, timing=Timing(farewell=0.05)) as listener:
        lost, connected = await listener.some(2)
    assert isinstance(lost, Lost)
    assert connected == Connected(None)
    assert listener.waits.seconds == [wait]


async def test_another_protocol_version_is_a_rejection(server: Server) -> None:
    async def scene(visit: Visit) -> None:
        await visit.hear()
        await visit.say({"msg": "failed", "version": "pre2"})

    server.scenes = [scene]
    async with listening(server) as listener:
        assert isinstance(await listener.next(), Rejected)


async def test_a_refused_subscription_is_a_rejection(server: Server) -> None:
    async def scene(visit: Visit) -> None:
        await visit.greet()
        await visit.say({"msg": "result", "id": "login", "result": {"id": "bot"}})
        await visit.hear()
        number = (await visit.hear())["id"]
        await visit.say({"msg": "nosub", "id": number, "error": {"error": "not-allowed"}})

    server.scenes = [scene]
    async with listening(server) as listener:
        assert isinstance(await listener.next(), Rejected)


async def test_a_subscription_that_ends_is_asked_for_again(server: Server) -> None:
    async def scene(visit: Visit) -> None:
        await visit.admit()
        await visit.say({"msg": "nosub", "id": "messages"})
        await visit.stay()

    server.scenes = [scene, welcome]
    async with listening(server, timing=Timing(farewell=0.05)) as listener:
        signals = await listener.some(3)
    assert isinstance(signals[1], Lost)
    assert isinstance(signals[2], Connected)


async def test_a_server_that_does_not_answer_the_login_is_lost(server: Server) -> None:
    async def scene(visit: Visit) -> None:
        await visit.greet()
        while not visit.socket.closed:
            await visit.say({"msg": "ping"})
            await visit.hear()

    server.scenes = [scene]
    async with listening(server, timing=Timing(answer=0.05, farewell=0.05)) as listener:
        assert await listener.next() == Lost("the server does not answer while we log in")


async def test_a_new_reader_starts_anew(server: Server) -> None:
    async with listening(server) as listener:
        assert await listener.next() == Connected(None)
        await listener.signals.aclose()
        async with aclosing(listener.feed.signals()) as again:
            assert await asyncio.wait_for(anext(again), PATIENCE) == Connected(None)


async def test_closing_the_iterator_hangs_up(server: Server) -> None:
    async with listening(server) as listener:
        await listener.next()
    await asyncio.wait_for(server.left.wait(), PATIENCE)
    assert not any(task.get_name() == "rocketchat-feed" for task in asyncio.all_tasks())
