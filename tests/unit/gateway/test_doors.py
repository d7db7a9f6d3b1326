"""Who gets in, and what bad input gets: the right status and a clear text, never a 5xx."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from typing import Any

import pytest
import structlog

from heyken_glue.gateway import server
from heyken_glue.gateway.app import Limits
from heyken_glue.gateway.auth import Caller, Doorkeeper
from heyken_glue.gateway.ports import UnitReply
from tests.support.doors import TOKENS, House, Plan, ScriptedModel
from tests.unit.gateway.conftest import OpenHouse

ASK = {"message": "What is the capital of Poland?"}
TOKEN = TOKENS["operator"][0]

BAD_BODIES = [
    (b"", 400, "bad_json"),
    (b"{", 400, "bad_json"),
    (b"[]", 400, "bad_json"),
    (b"null", 400, "bad_json"),
    (b"\xff\xfe", 400, "bad_json"),
    (b"\xef\xbb\xbf{}", 400, "bad_json"),
    (b'{"message": "\xc3"}', 400, "bad_json"),
    (b'{"message": NaN}', 400, "bad_json"),
    (b'{"message": ' + b"9" * 10_000 + b"}", 400, "bad_json"),
    (b'{"message": "a", "message": "b"}', 400, "bad_json"),
    (b"[" * 100_000, 400, "bad_json"),
    (b'{"a":' * 20_000, 400, "bad_json"),
    (b"{}", 400, "message_not_text"),
    (b'{"message": null}', 400, "message_not_text"),
    (b'{"message": 7}', 400, "message_not_text"),
    (b'{"message": ["a"]}', 400, "message_not_text"),
    (b'{"message": ""}', 400, "empty_message"),
    (b'{"message": " \\n\\t\xc2\xa0"}', 400, "empty_message"),
    (b'{"message": "a\\u0000b"}', 400, "message_binary"),
    (b'{"message": "\\ud800"}', 400, "message_undecodable"),
    (b'{"message": "a", "stream": "yes"}', 400, "not_boolean"),
    (json.dumps({"message": "x" * 100_000}).encode(), 413, "message_too_long"),
    (json.dumps({"message": "ż" * 40_000}, ensure_ascii=False).encode(), 413, "message_too_long"),
    (b'{"message": "' + b"x" * 300_000 + b'"}', 413, "body_too_large"),
]


@pytest.mark.parametrize(("body", "status", "code"), BAD_BODIES)
@pytest.mark.parametrize("language", ["en", "pl"])
async def test_a_bad_body_gets_its_status_and_a_text(
    house: House, body: bytes, status: int, code: str, language: str
) -> None:
    client = await house.client()
    headers = {"Content-Type": "application/json", "Accept-Language": language}
    async with client.post("/api/v1/chat", data=body, headers=headers) as response:
        answer = await response.json()
    assert (response.status, answer["code"]) == (status, code)
    assert answer["success"] is False
    assert len(answer["error"]) > 20
    assert "Traceback" not in answer["error"]
    assert not house.model.questions


async def test_a_body_of_unknown_length_is_limited_too(house: House) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield b"x" * 10_000

    client = await house.client()
    headers = {"Content-Type": "application/json"}
    async with client.post("/api/v1/chat", data=endless(), headers=headers) as response:
        assert (response.status, (await response.json())["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_another_content_type_is_415(house: House, headers: dict[str, str]) -> None:
    client = await house.client()
    body = gzip.compress(b"{}") if "Content-Encoding" in headers else b'{"message": "hello"}'
    async with client.post("/api/v1/chat", data=body, headers=headers) as response:
        assert (response.status, (await response.json())["code"]) == (415, "content_type")


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic abc",
        "Bearer wrong",
        "Bearer \xff",
        "Bearer " + "x" * 600,
    ],
)
async def test_no_or_an_unknown_token_is_401(house: House, authorization: str | None) -> None:
    client = await house.client(None)
    headers = {} if authorization is None else {"Authorization": authorization}
    async with client.post("/api/v1/chat", json=ASK, headers=headers) as response:
        answer = await response.json()
    assert (response.status, answer["code"]) == (401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert not house.model.questions


async def test_a_token_without_the_scope_is_403(house: House) -> None:
    client = await house.client(TOKENS["other"][0])
    async with client.get("/status") as response:
        assert (response.status, (await response.json())["code"]) == (403, "scope_missing")


async def test_a_token_is_good_until_the_end_of_its_last_day(house: House) -> None:
    question = {"message": "the capital?"}
    client = await house.client(TOKENS["last day"][0])
    async with client.post("/api/v1/chat", json=question) as response:
        assert response.status == 200
    client = await house.client(TOKENS["too old"][0])
    async with client.post("/api/v1/chat", json=question) as response:
        answer = await response.json()
    assert (response.status, answer["code"]) == (401, "token_expired")
    assert "2026-02-28" in answer["error"]


@pytest.mark.parametrize(
    ("model", "status"),
    [("scripted", 200), ("scripted:latest", 200), ("gpt-99", 404), ("x" * 9000, 404), (7, 400)],
    ids=["its name", "with a tag", "another", "long", "no text"],
)
async def test_only_the_model_that_is_there_is_asked(
    house: House, model: object, status: int
) -> None:
    client = await house.client()
    asked = {"message": "the capital?", "model": model}
    async with client.post("/api/v1/chat", json=asked) as response:
        answer = await response.json()
    assert response.status == status
    if status != 200:
        assert answer["code"] == "unknown_model"
        assert len(answer["error"]) < 200


def test_every_token_is_compared_whatever_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def compare(one: str, other: str) -> bool:
        compared.append(other)
        return one == other

    monkeypatch.setattr("heyken_glue.gateway.auth.hmac.compare_digest", compare)
    digests = [hashlib.sha256(token.encode()).hexdigest() for token in ("a", "b", "c")]
    callers = [Caller(digest, digest, frozenset()) for digest in digests]
    assert Doorkeeper(callers)._recognise("a") is callers[0]
    assert Doorkeeper(callers)._recognise("anything") is None
    assert compared == digests * 2


async def test_an_unknown_path_and_a_wrong_method_are_json_too(house: House) -> None:
    client = await house.client()
    async with client.get("/nowhere") as response:
        assert (response.status, (await response.json())["code"]) == (404, "not_found")
    async with client.delete("/api/v1/chat") as response:
        assert (response.status, (await response.json())["code"]) == (405, "method_not_allowed")
        assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n",
        b"POST /api/v1/chat HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % number for number in range(500)) + b"\r\n",
    ],
)
async def test_what_is_no_http_gets_400_in_the_same_shape(
    house: House, request_bytes: bytes
) -> None:
    received = await house.knock(request_bytes)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 400 "), received
    assert b"aiohttp" not in head, "what we are built of is nobody's business"
    assert json.loads(body)["code"] == "bad_http"


async def test_a_client_that_does_not_finish_its_head_is_cut(open_with: OpenHouse) -> None:
    house = await open_with(ScriptedModel(), Plan(patience=server.Patience(head=0.05)))
    assert await house.knock(b"POST /api/v1/chat HTTP/1.1\r\nHost: lo") == b""


async def test_a_client_that_does_not_finish_its_body_gets_408(open_with: OpenHouse) -> None:
    limits = Limits(message_bytes_max=65536, body_timeout_seconds=0.05)
    house = await open_with(ScriptedModel(), Plan(limits=limits))
    received = await house.knock(
        b"POST /api/v1/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n"
        b"Authorization: Bearer " + TOKEN.encode() + b'\r\n\r\n{"message'
    )
    assert received.startswith(b"HTTP/1.1 408 "), received


async def test_the_language_follows_the_header_and_else_the_deployment(
    open_with: OpenHouse,
) -> None:
    house = await open_with(ScriptedModel(), Plan(language="pl"))
    client = await house.client()
    texts = []
    for headers in ({}, {"Accept-Language": "de"}, {"Accept-Language": "pl;q=0.5, en"}):
        async with client.post("/api/v1/chat", json={"message": ""}, headers=headers) as response:
            texts.append((await response.json())["error"])
    assert texts[0] == texts[1]
    assert texts[2] == "The question is empty. Write what you want to know."


async def test_the_log_has_one_closing_line_and_not_the_question(house: House) -> None:
    client = await house.client()
    secret = "the-most-secret-question"
    with structlog.testing.capture_logs() as lines:
        async with client.post("/api/v1/chat", json={"message": secret}) as response:
            answer = await response.json()
        async with client.get("/api/v1/chat/" + secret + "/events") as response:
            await response.read()
    closing = [line for line in lines if line["event"] == "request_closed"]
    assert [line["outcome"] for line in closing] == ["answered", "answer_unknown"]
    assert [line["caller"] for line in closing] == ["operator", "operator"]
    assert closing[0]["id"] == response_id(closing)
    assert secret not in repr(lines)
    assert answer["response"] not in repr(lines)


def response_id(closing: list[Any]) -> str:
    """Return the first line's id, which has to differ from the second's."""
    assert closing[0]["id"] != closing[1]["id"]
    return str(closing[0]["id"])


async def test_who_left_while_it_was_told_is_no_error(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async def leave(*_args: object, **_options: object) -> UnitReply:
        raise ConnectionResetError("Cannot write to closing transport")

    house.core_manager.call = leave  # type: ignore[method-assign]
    client = await house.client()
    async with client.get("/status") as response:
        assert response.status == 499
    assert not [line for line in caplog.records if line.exc_info]


async def test_a_bug_is_500_without_a_traceback(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash(*_args: object, **_options: object) -> UnitReply:
        raise ZeroDivisionError("deep inside")

    house.core_manager.call = crash  # type: ignore[method-assign]
    client = await house.client()
    with caplog.at_level(logging.CRITICAL):
        async with client.get("/status") as response:
            answer = await response.json()
    assert (response.status, answer["code"]) == (500, "internal")
    assert "deep inside" not in answer["error"]
