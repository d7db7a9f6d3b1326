"""What the product's own validators have to say about requests: ours, and those it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import aiohttp

from heyken_glue.adapters.rocketchat.client import Login, RocketChatClient
from tests.official import validators, walk
from tests.official.validators import Request
from tests.support.rocketchat import StandIn

GENERAL = "GENERAL"
PEACE = aiohttp.ClientTimeout(total=10)


async def test_what_the_standin_is_asked_is_what_the_product_accepts(chat: StandIn) -> None:
    recorder = walk.Recorder(chat)
    await walk.everything(recorder)
    asked = [request for _, request in recorder.requests if request.judged]
    assert {request.pattern for request in asked} == validators.NAMES.keys()
    assert not validators.complaints(asked)


async def test_what_the_product_refuses_the_standin_refuses(chat: StandIn) -> None:
    recorder = walk.Recorder(chat)
    await walk.everything(recorder)
    wrong = [
        (user, spoilt)
        for user, request in recorder.requests
        if request.judged
        for spoilt in spoil(request)
    ]
    verdicts = validators.judge([request for _, request in wrong])
    refused = [pair for pair, verdict in zip(wrong, verdicts, strict=True) if verdict]
    assert len(refused) > len(wrong) / 3, "the validators refuse too little to be a test"
    taken = []
    for user, request in refused:
        status, body = await chat.call(
            user, request.method, request.pattern.removeprefix("/v1/"), request.params
        )
        if status not in {400, 401}:
            taken.append(f"{request.method} {request.pattern} {request.params}: {status} {body}")
    assert not taken, "\n".join(taken)


def spoil(request: Request) -> Iterator[Request]:
    """Yield the request with a part missing, of another type, or more than there may be."""
    params: dict[str, Any] = request.params
    for key in params:
        rest = {name: value for name, value in params.items() if name != key}
        yield Request(request.method, request.pattern, rest)
        if request.method == "POST":
            for value in (17, {"$ne": ""}, None):
                yield Request(request.method, request.pattern, params | {key: value})
    yield Request(request.method, request.pattern, params | {"surplus": "1"})


async def test_our_adapter_asks_what_the_product_accepts(chat: StandIn) -> None:
    asked: list[Request] = []

    async def record(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        asked.append(_request(request))
        return await handler(request)

    async with aiohttp.ClientSession(timeout=PEACE, middlewares=(record,)) as session:
        login = Login(user_id=chat.ids["heyken_bot"], token=chat.tokens["heyken_bot"])
        await _work(RocketChatClient(session, chat.url, login), chat)
    judged = [request for request in asked if request.judged]
    assert {request.pattern for request in judged} >= {
        "/v1/chat.sendMessage",
        "/v1/chat.update",
        "/v1/chat.delete",
        "/v1/chat.getMessage",
        "/v1/chat.getThreadMessages",
        "/v1/chat.syncMessages",
        "/v1/rooms.info",
        "/v1/users.info",
        "/v1/settings.public",
    }
    assert not validators.complaints(judged)


async def _work(client: RocketChatClient, chat: StandIn) -> None:
    question = await chat.post("user", "general", "@heyken_bot?")
    reply = "A1b2C3d4E5f6G7h8J"
    await client.me()
    await client.rooms(changed_since=1.0)
    await client.room(GENERAL)
    await client.room_named("general")
    await client.send(GENERAL, "It is", message_id=reply, thread_id=question["_id"])
    await client.send(GENERAL, "alone", message_id="B1b2C3d4E5f6G7h8J")
    await client.edit(GENERAL, reply, "It is Warsaw.")
    await client.message(reply)
    await client.thread(question["_id"])
    await client.changed_since(GENERAL, 1.0)
    await client.roles_of(chat.ids["user"])
    await client.size_limit()
    await client.delete(GENERAL, reply)


def _request(request: aiohttp.ClientRequest) -> Request:
    pattern = request.url.path.removeprefix("/api")
    if request.method == "GET":
        return Request("GET", pattern, dict(request.url.query))
    assert isinstance(request.body, aiohttp.Payload), request.body
    return Request(request.method, pattern, json.loads(request.body.decode()))
