"""Whatever is sent: an answer of the documented shape, never a 500, and the server goes on."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest

from tests.support.rocketchat import PATIENCE_SECONDS, StandIn

DEEP = "[" * 100_000
BODIES = [
    b"",
    b"   ",
    b"nonsense",
    b"{",
    b"[]",
    b'"text"',
    b"null",
    b"5",
    b"NaN",
    b'{"message": NaN}',
    b'{"message": 1e999}',
    b'{"message": {"rid": "GENERAL", "msg": 1' + b"0" * 5000 + b"}}",
    DEEP.encode(),
    b'{"message": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}",
    b'{"message": {"rid": "GENERAL", "msg": "x", "customFields": '
    + b'{"a":' * 70
    + b"1"
    + b"}" * 72,
    b"\xff\xfe\x00",
    b'{"message": {"rid": "GENERAL", "msg": "\xed\xa0\x80"}}',
    b"\x00" * 1000,
]


async def raw(
    chat: StandIn, data: bytes, name: str = "chat.sendMessage", **headers: str
) -> tuple[int, Any]:
    sent = {"Content-Type": "application/json"} | chat.headers("user") | headers
    url, body = f"{chat.url}/api/v1/{name}", io.BytesIO(data)
    async with chat.session.post(url, data=body, headers=sent) as response:
        return response.status, await response.json()


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:24]))
@pytest.mark.parametrize("name", ["chat.sendMessage", "login", "users.create", "settings/x"])
async def test_a_body_that_is_no_call_is_refused(chat: StandIn, body: bytes, name: str) -> None:
    status, answer = await raw(chat, body, name)
    assert status in {400, 401, 403}, answer
    assert answer["success"] is False
    assert await chat.messages("general") == []


async def test_lone_surrogates_and_control_characters_are_kept_harmless(chat: StandIn) -> None:
    body = rb'{"message": {"rid": "GENERAL", "msg": "a\ud83d\u0000\u001b[31mb"}}'
    status, answer = await raw(chat, body)
    assert status == 200
    assert answer["message"]["msg"] == "a\ufffd\x00\x1b[31mb"
    assert [it["msg"] for it in await chat.messages("general")] == ["a\ufffd\x00\x1b[31mb"]


async def test_a_body_that_is_too_large_is_refused(chat: StandIn) -> None:
    body = io.BytesIO(b'{"x": "' + b"x" * 5_000_000 + b'"}')
    headers = chat.headers("user") | {"Content-Type": "application/json"}
    url = f"{chat.url}/api/v1/chat.sendMessage"
    async with chat.session.post(url, data=body, headers=headers) as response:
        assert (response.status, (await response.json())["success"]) == (413, False)
        assert response.headers["Connection"] == "close", "the rest is no next request"
    assert (await chat.call("user", "GET", "me"))[0] == 200


async def test_a_body_of_another_type_is_passed_over(chat: StandIn) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await raw(chat, b"user=user&password=x", "login", **form))[0] == 401
    assert (await raw(chat, b"message=x", **form))[0] == 400


async def test_a_broken_encoding_is_refused(chat: StandIn) -> None:
    status, answer = await raw(chat, b"not gzip at all", **{"Content-Encoding": "gzip"})
    assert (status, answer["success"]) == (400, False)


@pytest.mark.parametrize("value", ["\udcff", "ż", "a" * 5000])
async def test_a_token_of_any_characters_is_only_wrong(chat: StandIn, value: str) -> None:
    request = (
        f"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX-User-Id: {chat.ids['user']}\r\n"
        f"X-Auth-Token: {value}\r\nConnection: close\r\n\r\n"
    ).encode(errors="surrogateescape")
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", chat.running.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 4"), answer


@pytest.mark.parametrize(
    "query", ["count=-1", "count=many", "offset=1e9", "count=99999999999999999999", "count=²"]
)
async def test_a_page_that_makes_no_sense_is_refused(chat: StandIn, query: str) -> None:
    url = f"{chat.url}/api/v1/channels.messages?roomId=GENERAL&{query}"
    async with chat.session.get(url, headers=chat.headers("user")) as response:
        assert response.status == 400
        assert (await response.json())["errorType"] == "invalid-params"


async def test_paths_of_any_kind_are_answered(chat: StandIn) -> None:
    for path in (
        "/api/v1/%ff",
        "/api/v1/a/b/c/d",
        "/api/v1//",
        "/file-upload/%ff/x",
        "/avatar/%ff",
    ):
        async with chat.session.get(f"{chat.url}{path}", headers=chat.headers("user")) as response:
            assert response.status < 500, path


FRAMES = [
    "",
    "nonsense",
    "{",
    "[]",
    "null",
    "5",
    '"connect"',
    "{}",
    '{"msg": 5}',
    '{"msg": "no-such-thing"}',
    '{"msg": "connect"}',
    '{"msg": "connect", "version": ["1"]}',
    '{"msg": "method"}',
    '{"msg": "method", "method": "login", "id": 5}',
    '{"msg": "method", "method": "login", "id": "x", "params": "none"}',
    '{"msg": "method", "method": "no such method", "id": "x", "params": []}',
    '{"msg": "method", "method": "login", "id": "x", "params": [{"resume": {"$date": 1}}]}',
    '{"msg": "method", "method": "sendMessage", "id": "x", "params": [{"rid": [1], "msg": {}}]}',
    '{"msg": "sub"}',
    '{"msg": "sub", "id": "s", "name": "no-such-stream", "params": []}',
    '{"msg": "sub", "id": "s", "name": "stream-room-messages", "params": []}',
    '{"msg": "sub", "id": "s", "name": "stream-room-messages", "params": [null, false]}',
    '{"msg": "sub", "id": "s", "name": "stream-room-messages", "params": {"a": 1}}',
    '{"msg": "sub", "id": "s", "name": "stream-notify-room", "params": ["GENERAL", false]}',
    '{"msg": "sub", "id": "s", "name": "stream-notify-room", "params": ["GENERAL/x", false]}',
    '{"msg": "unsub"}',
    '{"msg": "unsub", "id": "never subscribed"}',
    '{"msg": "ping", "id": {"a": [1]}}',
    DEEP,
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame[:40])
async def test_a_frame_that_makes_no_sense_is_answered_and_not_fatal(
    chat: StandIn, frame: str
) -> None:
    async with chat.socket("user") as socket:
        await socket.raw.send_str(frame)
        answers = await socket.flush()
        assert answers, "nothing was answered"
        assert {answer["msg"] for answer in answers} <= {
            "error",
            "nosub",
            "result",
            "updated",
            "pong",
        }
        assert await socket.sub("stream-room-messages", "GENERAL", False) == {
            "msg": "ready",
            "subs": ["stream-room-messages GENERAL"],
        }


async def test_unknown_things_are_told_by_their_numbers(chat: StandIn) -> None:
    async with chat.socket("user") as socket:
        error = (await socket.method("noSuchMethod"))["error"]
        assert (error["error"], error["reason"]) == (404, "Method 'noSuchMethod' not found")
        nosub = await socket.sub("no-such-stream")
        assert nosub["error"]["error"] == 404
        assert (await socket.sub("stream-notify-logged", "Users:NameChanged", False))["msg"] == (
            "ready"
        )


async def test_a_binary_frame_is_a_parse_error(chat: StandIn) -> None:
    async with chat.socket("user") as socket:
        await socket.raw.send_bytes(b"\x00\xff")
        assert await socket.flush() == [{"msg": "error", "reason": "Parse error"}]


async def test_before_connect_only_pings_are_answered(chat: StandIn) -> None:
    async with chat.socket() as socket:
        await socket.send(msg="sub", id="s", name="stream-room-messages", params=["GENERAL"])
        assert (await socket.until("error"))["reason"] == "Must connect first"


async def test_a_huge_frame_ends_the_connection_and_nothing_else(chat: StandIn) -> None:
    async with chat.socket("user") as socket, chat.socket("admin") as other:
        await socket.raw.send_str('{"msg": "' + "x" * 2_000_000 + '"}')
        assert await socket.ended()
        assert await other.flush() == []


async def test_too_many_subscriptions_are_refused(chat: StandIn) -> None:
    async with chat.socket("user") as socket:
        for number in range(1000):
            await socket.send(
                msg="sub", id=str(number), name="stream-room-messages", params=["GENERAL", False]
            )
        await socket.flush()
        answer = await socket.sub("stream-room-messages", "GENERAL", False)
        assert answer["msg"] == "nosub"


async def test_a_plain_request_for_the_websocket_is_told(chat: StandIn) -> None:
    async with chat.session.get(f"{chat.url}/websocket") as response:
        assert response.status == 400
