"""Logging in over REST, who one is then, and the second factor."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.support.rocketchat import StandIn, standin

Body = dict[str, Any]


def digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


async def log_in(chat: StandIn, **values: Any) -> tuple[int, Body]:
    return await chat.call(None, "POST", "login", values)


@pytest.mark.parametrize("name", ["user", "username"])
async def test_a_password_logs_in_under_every_name_of_the_name(chat: StandIn, name: str) -> None:
    status, body = await log_in(chat, **{name: "user", "password": chat.passwords["user"]})
    assert (status, body["status"]) == (200, "success"), body
    me = body["data"]["me"]
    assert body["data"]["userId"] == me["_id"] == chat.ids["user"]
    assert me["roles"] == ["user"]
    assert me["settings"]["preferences"] == {}
    assert "success" not in body


async def test_an_address_and_a_digest_log_in(chat: StandIn) -> None:
    person = {"username": "ada", "name": "Ada", "email": "ada@example.com", "password": "pw of Ada"}
    await chat.api("admin", "users.create", **person)
    password = {"digest": digest("pw of Ada"), "algorithm": "sha-256"}
    for values in ({"email": "Ada@example.com"}, {"user": "ada@example.com"}, {"username": "ADA"}):
        status, body = await log_in(chat, **values, password=password)
        assert status == 200, (values, body)


async def test_the_token_of_a_login_is_good_until_the_logout(chat: StandIn) -> None:
    _, body = await log_in(chat, user="user", password=chat.passwords["user"])
    chat.tokens["user"] = body["data"]["authToken"]
    assert (await chat.get("user", "me"))["username"] == "user"
    status, resumed = await log_in(chat, resume=chat.tokens["user"])
    assert (status, resumed["data"]["authToken"]) == (200, chat.tokens["user"])
    answer = await chat.api("user", "logout")
    assert answer == {"status": "success", "data": {"message": "You've been logged out!"}}
    assert (await chat.call("user", "GET", "me"))[0] == 401
    assert (await log_in(chat, resume=chat.tokens["user"]))[0] == 401


@pytest.mark.parametrize(
    "values",
    [
        {"user": "user", "password": "wrong"},
        {"user": "nobody", "password": "wrong"},
        {"user": "user", "password": {"digest": "short", "algorithm": "sha-256"}},
        {"user": "user", "password": {"digest": "a" * 64, "algorithm": "md5"}},
        {"user": "user", "password": 5},
        {"user": 5, "password": "x"},
        {"user": "user"},
        {"password": "x"},
        {},
        {"resume": "nonsense"},
        {"resume": ["a"]},
    ],
)
async def test_a_bad_login_is_a_401_in_both_shapes(chat: StandIn, values: Body) -> None:
    old = {"success": False, "status": "error", "error": "Unauthorized", "message": "Unauthorized"}
    assert await log_in(chat, **values) == (401, old)
    await chat.set_modes(error_shapes="9")
    assert await log_in(chat, **values) == (401, {"success": False, "error": "unauthorized"})


async def test_without_a_login_calls_are_refused_in_both_shapes(chat: StandIn) -> None:
    text = "You must be logged in to do this."
    old = {"success": False, "status": "error", "message": text}
    assert await chat.call(None, "GET", "rooms.get") == (401, old)
    await chat.set_modes(version="9.0.0")
    assert await chat.call(None, "GET", "rooms.get") == (401, {"success": False, "error": text})


@pytest.mark.parametrize("header", ["X-User-Id", "X-Auth-Token"])
async def test_half_a_login_is_none(chat: StandIn, header: str) -> None:
    headers = chat.headers("user") | {header: "wrong"}
    assert (await chat.call(None, "GET", "me", headers=headers))[0] == 401
    del headers[header]
    assert (await chat.call(None, "GET", "me", headers=headers))[0] == 401


async def test_the_token_of_one_user_does_not_make_another(chat: StandIn) -> None:
    headers = chat.headers("user") | {"X-User-Id": chat.ids["admin"]}
    assert (await chat.call(None, "GET", "me", headers=headers))[0] == 401


async def test_a_deactivated_user_is_out(chat: StandIn) -> None:
    wanted = {"tokenName": "mine", "bypassTwoFactor": True}
    personal = (await chat.api("user", "users.generatePersonalAccessToken", **wanted))["token"]
    await chat.api("admin", "users.setActiveStatus", userId=chat.ids["user"], activeStatus=False)
    assert (await chat.call("user", "GET", "me"))[0] == 401
    chat.tokens["user"] = personal
    assert (await chat.call("user", "GET", "me"))[0] == 401
    assert (await log_in(chat, user="user", password=chat.passwords["user"]))[0] == 401
    await chat.api("admin", "users.setActiveStatus", userId=chat.ids["user"], activeStatus=True)
    assert (await chat.call("user", "GET", "me"))[0] == 401, "who is let in again has lost them"
    assert (await log_in(chat, user="user", password=chat.passwords["user"]))[0] == 200


async def test_a_verified_address_makes_a_login_ask_for_a_code(chat: StandIn) -> None:
    person = {"username": "ada", "name": "Ada", "email": "ada@example.com", "password": "pw of Ada"}
    await chat.api("admin", "users.create", **person, verified=True)
    status, body = await log_in(chat, user="ada", password="pw of Ada")
    assert (status, body["error"]) == (401, "totp-required"), body
    assert body["details"]["method"] == "email"
    code = next(iter(chat.workspace.mailed_codes.values()))
    assert (await log_in(chat, user="ada", password="pw of Ada", code=code))[0] == 200


async def test_an_unverified_address_does_not(chat: StandIn) -> None:
    person = {"username": "ada", "name": "Ada", "email": "ada@example.com", "password": "pw of Ada"}
    await chat.api("admin", "users.create", **person)
    assert (await log_in(chat, user="ada", password="pw of Ada"))[0] == 200


async def test_a_sensitive_call_asks_for_the_password_and_remembers_it() -> None:
    async with standin(second_factor="always") as chat:
        wanted = {"tokenName": "one", "bypassTwoFactor": True}
        generate = "users.generatePersonalAccessToken"
        status, body = await chat.call("user", "POST", generate, wanted)
        assert (status, body["errorType"]) == (400, "totp-required")
        assert body["error"] == "TOTP Required [totp-required]"
        assert body["details"] == {
            "method": "password",
            "codeGenerated": False,
            "availableMethods": [],
        }
        headers = {"x-2fa-method": "password", "x-2fa-code": digest("wrong")}
        assert (await chat.call("user", "POST", generate, wanted, headers=headers))[0] == 400
        headers["x-2fa-code"] = digest(chat.passwords["user"])
        status, body = await chat.call("user", "POST", generate, wanted, headers=headers)
        assert status == 200, body
        again, _ = await chat.call("user", "POST", generate, wanted | {"tokenName": "two"})
        assert again == 200, "the token that showed its second factor is asked again"
        chat.tokens["user"] = body["token"]
        again, _ = await chat.call("user", "POST", generate, wanted | {"tokenName": "three"})
        assert again == 200, "a token with bypassTwoFactor is asked"


async def test_the_second_factor_is_asked_of_users_that_are_not_new() -> None:
    now = 1_800_000_000.0
    async with standin(clock=lambda: now) as chat:
        put = ("POST", "settings/Site_Name", {"value": "Ours"})
        assert (await chat.call("admin", *put))[0] == 200
        now += 1801
        assert (await chat.call("admin", *put))[0] == 400
        await chat.set_modes(second_factor="never")
        assert (await chat.call("admin", *put))[0] == 200


@pytest.mark.parametrize(
    "setting", ["Enabled", "Enforce_Password_Fallback"], ids=["all", "fallback"]
)
async def test_settings_turn_the_second_factor_off(setting: str) -> None:
    now = 1_800_000_000.0
    name = f"Accounts_TwoFactorAuthentication_{setting}"
    async with standin(clock=lambda: now, settings={name: "false"}) as chat:
        now += 1801
        put = ("POST", "settings/Site_Name", {"value": "Ours"})
        assert (await chat.call("admin", *put))[0] == 200


async def test_a_login_ends_after_its_days() -> None:
    now = 1_800_000_000.0
    async with standin(clock=lambda: now) as chat:
        _, body = await log_in(chat, user="user", password=chat.passwords["user"])
        chat.tokens["user"] = body["data"]["authToken"]
        now += 90 * 24 * 3600 - 1
        assert (await chat.call("user", "GET", "me"))[0] == 200
        now += 2
        assert (await chat.call("user", "GET", "me"))[0] == 401
