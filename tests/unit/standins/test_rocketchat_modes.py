"""Misbehaving on demand: modes, rate limits, slow readers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from tests.support.rocketchat import PATIENCE_SECONDS, Socket, StandIn, standin

MY = ("stream-room-messages", "__my_messages__", False)


async def modes(chat: StandIn, username: str | None, **values: Any) -> tuple[int, dict[str, Any]]:
    url, headers = f"{chat.url}/standin/modes", chat.headers(username)
    async with chat.session.post(url, json=values, headers=headers) as response:
        return response.status, await response.json()


async def test_only_an_admin_changes_modes(chat: StandIn) -> None:
    assert (await modes(chat, None, version="9.0.0"))[0] == 401
    assert (await modes(chat, "user", version="9.0.0"))[0] == 403
    status, body = await modes(chat, "admin", version="9.0.0", delay_seconds=0)
    assert (status, body["modes"]["version"], body["modes"]["error_shapes"]) == (200, "9.0.0", "9")
    async with chat.session.get(
        f"{chat.url}/standin/modes", headers=chat.headers("admin")
    ) as response:
        assert (await response.json())["modes"] == body["modes"]


@pytest.mark.parametrize(
    "values",
    [
        {"no_such_mode": True},
        {"version": 9},
        {"error_shapes": "10"},
        {"restricted_workspace": "yes"},
        {"repeat_emissions": True},
        {"repeat_emissions": -1},
        {"repeat_message": "nothing"},
        {"repeat_message": 5},
    ],
)
async def test_a_mode_that_makes_no_sense_is_refused(chat: StandIn, values: dict[str, Any]) -> None:
    status, body = await modes(chat, "admin", **values)
    assert (status, body["errorType"]) == (400, "error-invalid-mode")


async def test_sockets_are_dropped_on_demand(chat: StandIn) -> None:
    async with chat.socket("user") as one, chat.socket("heyken_bot") as two:
        assert (await modes(chat, "admin", drop_sockets=True))[0] == 200
        assert await one.ended()
        assert await two.ended()


async def test_a_restricted_workspace_takes_nothing(chat: StandIn) -> None:
    sent = await chat.post("user", "general", "before")
    await chat.set_modes(restricted_workspace=True)
    wanted = {"roomId": "GENERAL", "msgId": sent["_id"], "text": "after"}
    for name, values in (
        ("chat.sendMessage", {"message": {"rid": "GENERAL", "msg": "x"}}),
        ("chat.postMessage", {"roomId": "GENERAL", "text": "x"}),
        ("chat.update", wanted),
    ):
        answer = await chat.call("admin", "POST", name, values)
        assert answer == (400, {"success": False, "error": "restricted-workspace"}), name
    await chat.set_modes(restricted_workspace=False)
    await chat.api("user", "chat.update", **wanted)


async def test_emissions_are_repeated(chat: StandIn) -> None:
    async with chat.socket("heyken_bot") as socket:
        await socket.sub(*MY)
        sent = await chat.post("user", "general", "once")
        assert len(await socket.events()) == 1
        assert (await modes(chat, "admin", repeat_message=sent["_id"]))[0] == 200
        assert len(await socket.events()) == 1
        await chat.set_modes(repeat_emissions=2)
        await chat.post("user", "general", "thrice")
        assert len(await socket.events()) == 3


async def test_answers_are_slow_on_demand(chat: StandIn) -> None:
    await chat.set_modes(delay_seconds=0.05)
    before = time.monotonic()
    await chat.get("user", "me")
    assert time.monotonic() - before >= 0.05
    await chat.set_modes(delay_seconds=3600)
    asking = asyncio.create_task(chat.call("user", "GET", "me"))
    while not chat.workspace.modes.delay_seconds:  # noqa: ASYNC110 - has no event of its own
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await chat.stop()  # a slow answer does not hold up the end
        await asyncio.gather(asking, return_exceptions=True)
    await chat.start()


async def test_requests_fail_without_effect(chat: StandIn) -> None:
    await chat.set_modes(fail_requests=2)
    message = {"message": {"rid": "GENERAL", "msg": "x"}}
    for expected in (503, 503, 200):
        assert (await chat.call("user", "POST", "chat.sendMessage", message))[0] == expected
    assert len(await chat.messages("general")) == 1


async def test_answers_get_lost_with_effect(chat: StandIn) -> None:
    await chat.set_modes(lose_answers=1)
    message = {"message": {"rid": "GENERAL", "msg": "x", "_id": "a" * 17}}
    with pytest.raises(aiohttp.ClientError):
        await chat.call("user", "POST", "chat.sendMessage", message)
    assert len(await chat.messages("general")) == 1
    assert (await chat.call("user", "POST", "chat.sendMessage", message))[0] == 400


async def test_sockets_fall_silent_or_are_refused(chat: StandIn) -> None:
    async with chat.socket("heyken_bot") as socket:
        await socket.sub(*MY)
        await chat.set_modes(mute_sockets=True)
        await socket.send(msg="ping", id="lost")
        await chat.post("user", "general", "lost too")
        await chat.set_modes(mute_sockets=False)
        assert await socket.flush() == []
    await chat.set_modes(refuse_sockets=True)
    with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
        async with chat.socket():
            pass


async def limited(chat: StandIn, username: str | None, name: str = "me") -> aiohttp.ClientResponse:
    headers = chat.headers(username)
    async with chat.session.get(f"{chat.url}/api/v1/{name}", headers=headers) as response:
        await response.read()
        return response


async def test_ten_calls_a_minute_and_then_a_429_with_its_headers() -> None:
    now = 1_800_000_000.0
    async with standin(clock=lambda: now, rate_limit="settings") as chat:
        for left in range(9, -1, -1):
            response = await limited(chat, "user")
            assert response.status == 200
            assert response.headers["X-RateLimit-Limit"] == "10"
            assert response.headers["X-RateLimit-Remaining"] == str(left)
            assert response.headers["X-RateLimit-Reset"] == str(int((now + 60) * 1000))
        now += 20.5
        status, body = await chat.call("user", "GET", "me")
        assert (status, body) == (
            429,
            {
                "success": False,
                "error": (
                    "Error, too many requests. Please slow down. You must wait 40 seconds before "
                    "trying this endpoint again. [error-too-many-requests]"
                ),
            },
        )
        assert (await limited(chat, "user")).headers["X-RateLimit-Remaining"] == "0"
        assert (await limited(chat, "user", "rooms.get")).status == 200, "counted per endpoint"
        assert (await limited(chat, None)).status == 401, "no login is told before the limit"
        now += 40
        assert (await limited(chat, "user")).status == 200


@pytest.mark.parametrize("username", ["admin", "heyken_bot"])
async def test_admins_and_bots_bypass_it_unless_told_otherwise(username: str) -> None:
    async with standin(rate_limit="settings") as chat:
        for _ in range(15):
            response = await limited(chat, username)
            assert response.status == 200
            assert "X-RateLimit-Limit" not in response.headers
        await chat.set_modes(rate_limit="everybody", rate_limit_calls=2, rate_limit_seconds=60)
        statuses = [(await limited(chat, username)).status for _ in range(3)]
        assert statuses == [200, 200, 429]


async def test_settings_turn_it_off_and_change_its_numbers() -> None:
    settings = {"API_Enable_Rate_Limiter_Limit_Calls_Default": "1"}
    async with standin(rate_limit="settings", settings=settings) as chat:
        assert [(await limited(chat, "user")).status for _ in range(2)] == [200, 429]
    settings = {"API_Enable_Rate_Limiter": "false"}
    async with standin(rate_limit="settings", settings=settings) as chat:
        assert {(await limited(chat, "user")).status for _ in range(20)} == {200}


async def test_logins_are_limited_too() -> None:
    async with standin(rate_limit="settings") as chat:
        wrong = {"user": "user", "password": "wrong"}
        statuses = [(await chat.call(None, "POST", "login", wrong))[0] for _ in range(11)]
        assert statuses == [*[401] * 10, 429]


async def test_behind_a_proxy_each_client_has_a_budget_of_its_own() -> None:
    async with standin(rate_limit="settings", rate_limit_calls=1, forwarded_count=1) as chat:

        async def status(forwarded: str) -> int:
            headers = {"X-Forwarded-For": forwarded}
            return (await chat.call("user", "GET", "me", headers=headers))[0]

        assert [await status("192.0.2.1"), await status("192.0.2.1")] == [200, 429]
        assert await status("192.0.2.2") == 200
        assert await status("192.0.2.9, 192.0.2.2") == 429, "the client cannot choose"


async def test_methods_are_limited_per_connection() -> None:
    async with standin(rate_limit="settings") as chat, chat.socket("user") as socket:
        answers = [await socket.method("getRoomIdByNameOrId", "general") for _ in range(11)]
        assert ["error" in answer for answer in answers] == [*[False] * 10, True]
        error = answers[-1]["error"]
        assert error["error"] == "too-many-requests"
        assert 0 < error["details"]["timeToReset"] <= 10_000


def transport_of(socket: Socket) -> asyncio.Transport:
    connection = socket.raw._response.connection
    assert connection is not None
    assert isinstance(connection.transport, asyncio.Transport)
    return connection.transport


async def test_a_slow_reader_is_cut_and_the_others_go_on() -> None:
    settings = {"Message_MaxAllowedSize": "500000"}
    async with (
        standin(settings=settings) as chat,
        chat.socket("heyken_bot") as slow,
        chat.socket("admin") as quick,
    ):
        await slow.sub(*MY)
        transport = transport_of(slow)
        transport.pause_reading()
        await chat.set_modes(repeat_emissions=3)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(chat.workspace.sockets) > 1:
                await chat.post("user", "general", "x" * 500_000)
        transport.abort()  # it would wait for the goodbye that it does not read
        await quick.sub(*MY)
        await chat.post("user", "general", "still here")
        assert len(await quick.events()) == 4
