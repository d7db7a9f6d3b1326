"""The realtime interface: connecting, logging in, methods, heartbeats."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.rocketchat import Socket, StandIn, standin

MY = "__my_messages__"
MESSAGES = "stream-room-messages"


async def connect(socket: Socket, version: str = "1") -> dict[str, Any]:
    await socket.send(msg="connect", version=version, support=[version])
    return await socket.until("connected")


@pytest.mark.parametrize("version", ["1", "pre2"])
async def test_both_versions_connect(chat: StandIn, version: str) -> None:
    async with chat.socket() as socket:
        assert await socket.receive() == {"server_id": "0"}
        assert (await connect(socket, version))["session"]


async def test_another_version_is_told_which_one_is_spoken(chat: StandIn) -> None:
    async with chat.socket() as socket:
        await socket.send(msg="connect", version="2", support=["2"])
        assert await socket.until("failed") == {"msg": "failed", "version": "1"}


async def test_pings_are_answered_with_their_id(chat: StandIn) -> None:
    async with chat.socket() as socket:
        await socket.receive()
        await socket.send(msg="ping")
        assert await socket.receive() == {"msg": "pong"}
        await socket.send(msg="ping", id="x")
        assert await socket.receive() == {"msg": "pong", "id": "x"}


def plain(chat: StandIn) -> dict[str, Any]:
    return {"user": {"username": "user"}, "password": chat.passwords["user"]}


def digested(chat: StandIn) -> dict[str, Any]:
    digest = hashlib.sha256(chat.passwords["user"].encode()).hexdigest()
    return {"user": {"username": "user"}, "password": {"digest": digest, "algorithm": "sha-256"}}


def resumed(chat: StandIn) -> dict[str, Any]:
    return {"resume": chat.tokens["user"]}


@pytest.mark.parametrize("form", [plain, digested, resumed])
async def test_every_form_of_login(
    chat: StandIn, form: Callable[[StandIn], dict[str, Any]]
) -> None:
    async with chat.socket() as socket:
        await connect(socket)
        result = (await socket.method("login", form(chat)))["result"]
        assert result["id"] == chat.ids["user"]
        assert isinstance(result["tokenExpires"]["$date"], int)
        assert result["type"] == ("resume" if form is resumed else "password")
        headers = {"X-User-Id": result["id"], "X-Auth-Token": result["token"]}
        assert (await chat.call(None, "GET", "me", headers=headers))[0] == 200


@pytest.mark.parametrize(
    "options",
    [
        {"user": {"username": "user"}, "password": "wrong"},
        {"user": {"username": "nobody"}, "password": "wrong"},
        {"resume": "nonsense"},
        {"user": "user", "password": "x"},
        {},
        "user",
        None,
    ],
)
async def test_a_bad_login_says_so_and_the_connection_goes_on(
    chat: StandIn, options: object
) -> None:
    async with chat.socket() as socket:
        await connect(socket)
        error = (await socket.method("login", options))["error"]
        assert error["errorType"] == "Meteor.Error"
        assert error["error"] in {400, 403}
        assert error["message"].endswith(f"[{error['error']}]")
        assert (await socket.sub(MESSAGES, MY, False))["error"]["error"] == "not-allowed"
        assert "result" in await socket.method("login", resumed(chat))


async def test_a_result_comes_before_updated(chat: StandIn) -> None:
    async with chat.socket() as socket:
        await connect(socket)
        await socket.send(msg="method", method="login", id="7", params=[resumed(chat)])
        frames = await socket.flush()
        kinds = [frame["msg"] for frame in frames if frame["msg"] != "added"]
        assert kinds == ["result", "updated"]
        assert frames[-1] == {"msg": "updated", "methods": ["7"]}


async def test_older_clients_write_over_the_socket(chat: StandIn) -> None:
    async with chat.socket("user") as socket:
        assert (await socket.method("getRoomIdByNameOrId", "general"))["result"] == "GENERAL"
        assert (await socket.method("joinRoom", "GENERAL"))["result"] is True
        direct = (await socket.method("createDirectMessage", "heyken_bot"))["result"]["rid"]
        sent = (await socket.method("sendMessage", {"rid": direct, "msg": "hi"}))["result"]
        await socket.method("updateMessage", {"_id": sent["_id"], "rid": direct, "msg": "hi!"})
        assert [it["msg"] for it in await chat.messages(direct)] == ["hi!"]


async def test_methods_need_a_login(chat: StandIn) -> None:
    async with chat.socket() as socket:
        await connect(socket)
        for name in ("sendMessage", "joinRoom", "createDirectMessage", "updateMessage"):
            assert "error" in await socket.method(name, {"rid": "GENERAL"}), name


async def test_after_a_logout_the_connection_is_nobodys(chat: StandIn) -> None:
    async with chat.socket("user") as socket:
        await socket.sub(MESSAGES, MY, False)
        await socket.method("logout")
        await chat.post("admin", "general", "x")
        assert await socket.events() == []


async def test_the_order_is_kept(chat: StandIn) -> None:
    async with chat.socket("heyken_bot") as socket:
        await socket.sub(MESSAGES, MY, False)
        for index in range(50):
            await chat.post("user", "general", str(index))
        told = [arguments[0]["msg"] for _, arguments in await socket.events()]
        assert told == [str(index) for index in range(50)]


async def test_a_silent_client_is_pinged_and_cut() -> None:
    async with standin(ping_seconds=0.02, pong_seconds=0.02) as chat, chat.socket() as socket:
        assert await socket.until("ping") == {"msg": "ping"}
        assert await socket.ended()


async def test_a_client_that_answers_pings_stays() -> None:
    async with standin(ping_seconds=0.01, pong_seconds=5) as chat, chat.socket() as socket:
        await connect(socket)
        for _ in range(5):
            await socket.until("ping")
            await socket.send(msg="pong")
        await socket.flush()


async def test_methods_are_bridged_over_rest(chat: StandIn) -> None:
    async def bridged(name: str, *parameters: Any, **more: Any) -> dict[str, Any]:
        frame = {"msg": "method", "method": name, "id": "7", "params": list(parameters)} | more
        body = await chat.api("user", f"method.call/{name}", message=json.dumps(frame))
        answer: dict[str, Any] = json.loads(body["message"])
        return answer

    found = await bridged("getRoomIdByNameOrId", "general")
    assert found == {"msg": "result", "id": "7", "result": "GENERAL"}
    sent = (await bridged("sendMessage", {"rid": "GENERAL", "msg": "bridged"}))["result"]
    assert isinstance(sent["ts"]["$date"], int)
    assert (await bridged("noSuchMethod"))["error"]["error"] == 404
    for message in ("nonsense", "[]", '{"method": "other"}'):
        values = {"message": message}
        assert (await chat.call("user", "POST", "method.call/joinRoom", values))[0] == 400
