"""No answer, half an answer, too much of one, and when to try again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from heyken_glue import errors
from heyken_glue.adapters.rocketchat import rest
from heyken_glue.adapters.rocketchat.client import Login, RefusedError, RocketChatClient
from heyken_glue.runtime import http
from tests.support.rocketchat_script import (
    BAD_GATEWAY,
    TOKEN,
    Answer,
    Script,
    conduct,
)


async def test_a_short_limit_is_waited_for(client: RocketChatClient, script: Script) -> None:
    limited = {"success": False, "error": "You must wait 1 seconds [error-too-many-requests]"}
    script.on("me", (429, limited), (200, {"_id": "bot", "username": "heyken_bot"}))
    await client.me()
    assert script.waits == [1.0]


async def test_a_long_limit_is_the_callers_to_wait(
    client: RocketChatClient, script: Script
) -> None:
    script.headers = {"X-RateLimit-Reset": "4102444800000", "X-RateLimit-Remaining": "0"}
    script.on("chat.update", (429, {"success": False, "error": "[error-too-many-requests]"}))
    with pytest.raises(errors.TransientError) as caught:
        await client.edit("GENERAL", "m1", "new")
    assert caught.value.retry_after == 600
    assert (len(script.seen), script.waits) == (1, [])


@pytest.mark.parametrize(
    "answer",
    [BAD_GATEWAY, (200, "<html>"), (200, "[]"), (200, ""), (200, "null"), (200, "[" * 100_000)]
    + [(503, {"status": "unavailable"}), (200, {"success": True})],
)
async def test_what_is_no_answer_is_transient(
    client: RocketChatClient, script: Script, answer: Answer
) -> None:
    script.on("me", answer)
    with pytest.raises(errors.TransientError):
        await client.me()


async def test_a_write_that_is_answered_with_a_page_is_not_done(
    client: RocketChatClient, script: Script
) -> None:
    script.on("chat.update", (200, "<html>"))
    with pytest.raises(errors.TransientError, match="no JSON"):
        await client.edit("GENERAL", "m1", "new")


async def test_a_refusal_with_a_good_status_is_a_refusal(
    client: RocketChatClient, script: Script
) -> None:
    script.on("chat.update", (200, {"success": False, "error": "[error-action-not-allowed]"}))
    with pytest.raises(RefusedError) as caught:
        await client.edit("GENERAL", "m1", "new")
    assert caught.value.code == "error-action-not-allowed"


async def test_reads_are_tried_three_times(client: RocketChatClient, script: Script) -> None:
    script.on("me", BAD_GATEWAY)
    with pytest.raises(errors.TransientError, match="502"):
        await client.me()
    assert len(script.seen) == 3
    assert script.waits == [0.1, 0.2]


async def test_an_answer_that_is_cut_off_is_transient(
    client: RocketChatClient, script: Script
) -> None:
    async def cut(request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b'{"_id": "bot"')
        assert request.transport is not None
        request.transport.close()
        return answer

    script.on("me", cut)
    with pytest.raises(errors.TransientError, match="No answer"):
        await client.me()


async def test_an_answer_without_end_is_refused(
    client: RocketChatClient, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "MAX_ANSWER_BYTES", 1000)
    script.on("me", (200, {"_id": "x" * 1001}))
    with pytest.raises(errors.PermanentError, match="too large"):
        await client.me()


async def test_a_redirect_does_not_take_the_token_along(
    client: RocketChatClient, script: Script
) -> None:
    script.headers = {"Location": "/elsewhere"}
    script.on("me", (302, ""))
    with pytest.raises(RefusedError) as caught:
        await client.me()
    assert caught.value.code == "redirected"
    assert len(script.seen) == 1


async def test_a_silent_server_is_left(script: Script, script_url: str) -> None:
    async def hang(_request: web.Request, _body: dict[str, Any]) -> Answer:
        await asyncio.Event().wait()
        return 200, {}

    script.on("me", hang)
    patience = conduct(script, timeout_seconds=0.05, policy=http.RetryPolicy(attempts=1))
    async with http.session(total_seconds=60) as session:
        client = RocketChatClient(session, script_url, Login("bot", TOKEN), conduct=patience)
        with pytest.raises(errors.TransientError, match="too long"):
            await client.me()


async def test_a_server_that_is_down_is_transient(script: Script) -> None:
    async with http.session(total_seconds=60) as session:
        url = f"http://127.0.0.1:{unused_port()}"
        client = RocketChatClient(session, url, Login("bot", TOKEN), conduct=conduct(script))
        with pytest.raises(errors.TransientError, match="No answer"):
            await client.send("GENERAL", "text", message_id="m1")
