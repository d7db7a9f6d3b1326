"""A write is done once, whatever becomes of its answer."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from heyken_glue.adapters.rocketchat.client import RefusedError, RocketChatClient
from tests.support.rocketchat_script import (
    BAD_GATEWAY,
    NOT_THERE,
    Answer,
    Script,
    message,
)


async def test_sending_carries_our_id_and_the_thread(
    client: RocketChatClient, script: Script
) -> None:
    script.on("chat.sendMessage", (200, {"message": message(1), "success": True}))
    await client.send("GENERAL", "cześć \ud83d", message_id="m1", thread_id="m0")
    await client.send("GENERAL", "", message_id="m2")
    assert script.calls("chat.sendMessage") == [
        {"message": {"_id": "m1", "rid": "GENERAL", "msg": "cześć \ufffd", "tmid": "m0"}},
        {"message": {"_id": "m2", "rid": "GENERAL", "msg": ""}},
    ]


@pytest.mark.parametrize(
    "odd",
    [
        (
            400,
            {"success": False, "error": "Cannot read properties of undefined (reading 'starred')"},
        ),
        (500, {"success": False, "error": "Internal server error"}),
        BAD_GATEWAY,
        (200, '{"message": {"_id": "m1", "msg": "cut of'),
    ],
)
async def test_whatever_the_answer_a_message_that_is_there_was_sent(
    client: RocketChatClient, script: Script, odd: Answer
) -> None:
    script.on("chat.sendMessage", odd)
    script.on("chat.getMessage", (200, {"message": message(1), "success": True}))
    await client.send("GENERAL", "text", message_id="m1")
    assert len(script.calls("chat.sendMessage")) == 1


async def test_a_lost_answer_is_confirmed(client: RocketChatClient, script: Script) -> None:
    async def hang_up(request: web.Request, _body: dict[str, Any]) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    script.on("chat.sendMessage", hang_up)
    script.on("chat.getMessage", NOT_THERE, (200, {"message": message(1)}))
    await client.send("GENERAL", "text", message_id="m1")
    assert [name for name, _ in script.seen] == ["chat.sendMessage", "chat.getMessage"] * 2


async def test_a_message_that_did_not_arrive_is_sent_again(
    client: RocketChatClient, script: Script
) -> None:
    script.on("chat.sendMessage", BAD_GATEWAY, (200, {"success": True}))
    script.on("chat.getMessage", NOT_THERE)
    await client.send("GENERAL", "text", message_id="m1")
    assert len(script.calls("chat.sendMessage")) == 2
    assert script.waits == [0.1]


async def test_a_refusal_is_told_if_the_message_is_not_there(
    client: RocketChatClient, script: Script
) -> None:
    refusal = {"success": False, "error": "restricted-workspace"}
    script.on("chat.sendMessage", (400, refusal))
    script.on("chat.getMessage", NOT_THERE)
    with pytest.raises(RefusedError) as caught:
        await client.send("GENERAL", "secret words", message_id="m1")
    assert caught.value.code == "restricted-workspace"
    assert "secret words" not in str(caught.value)
    assert len(script.calls("chat.sendMessage")) == 1


async def test_a_refusal_that_cannot_be_confirmed_is_tried_again(
    client: RocketChatClient, script: Script
) -> None:
    script.on("chat.sendMessage", (400, {"success": False, "error": "odd"}))
    script.on("chat.getMessage", BAD_GATEWAY, (200, {"message": message(1)}))
    await client.send("GENERAL", "text", message_id="m1")
    assert len(script.calls("chat.sendMessage")) == 2


async def test_edits(client: RocketChatClient, script: Script) -> None:
    script.on("chat.update", BAD_GATEWAY, (200, {"message": message(1), "success": True}))
    await client.edit("GENERAL", "m1", "new")
    assert (
        script.calls("chat.update")
        == [
            {"roomId": "GENERAL", "msgId": "m1", "text": "new"},
        ]
        * 2
    )


async def test_deleting_what_is_gone_is_done(client: RocketChatClient, script: Script) -> None:
    script.on("chat.delete", (200, {"success": True}), (400, {"success": False, "error": "No m1."}))
    script.on("chat.getMessage", NOT_THERE)
    await client.delete("GENERAL", "m1")
    await client.delete("GENERAL", "m1")
    assert script.calls("chat.delete") == [{"roomId": "GENERAL", "msgId": "m1"}] * 2


async def test_deleting_what_may_not_be_deleted_is_told(
    client: RocketChatClient, script: Script
) -> None:
    script.on("chat.delete", (403, {"success": False, "errorType": "error-forbidden"}))
    script.on("chat.getMessage", (200, {"message": message(1)}))
    with pytest.raises(RefusedError, match="403"):
        await client.delete("GENERAL", "m1")
