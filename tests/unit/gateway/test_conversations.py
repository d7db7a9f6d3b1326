"""Conversations: what the model gets, and every way in which they can be wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from heyken_glue.domain.turns import Role, Turn
from heyken_glue.runtime import http
from tests.support.authority import Authority
from tests.support.doors import House, Plan, ScriptedModel, open_house, sse_events

CHAT = "/api/v1/chat"
TALK = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "capital of Poland?"},
    {"role": "assistant", "content": "Warsaw"},
    {"role": "user", "content": "and of Czechia?"},
]


@contextlib.asynccontextmanager
async def neighbour(house: House, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """Be another unit of the host."""
    path = tmp_path / "run" / "http.sock"
    async with (
        http.unix_application(path, house.doors.local_app()),
        http.unix_session(path, total_seconds=5) as session,
    ):
        yield session


async def test_the_model_gets_the_turns(authority: Authority) -> None:
    async with open_house(authority, ScriptedModel("Prague")) as house:
        client = await house.client()
        async with client.post(CHAT, json={"messages": TALK}) as response:
            assert (await response.json())["response"] == "Prague"
    expected = tuple(Turn(Role(entry["role"]), entry["content"]) for entry in TALK)
    assert house.model.conversations == [expected]


async def test_what_the_model_cannot_hold_is_left_out(authority: Authority) -> None:
    long = [
        {"role": "user", "content": "old " * 60},
        {"role": "assistant", "content": "x"},
        *TALK,
    ]
    async with open_house(authority, ScriptedModel("Prague")) as house:
        client = await house.client()
        async with client.post(CHAT, json={"messages": long}) as response:
            assert response.status == 200
    assert [turn.content for turn in house.model.conversations[0]] == [
        "be brief",
        "capital of Poland?",
        "Warsaw",
        "and of Czechia?",
    ]


@pytest.mark.parametrize(
    ("messages", "status", "code"),
    [
        ([], 400, "messages_invalid"),
        ("text", 400, "messages_invalid"),
        ([{"role": "user", "content": "a"}] * 501, 400, "messages_invalid"),
        (["a"], 400, "messages_invalid"),
        ([{"role": "robot", "content": "a"}], 400, "messages_invalid"),
        ([{"role": ["user"], "content": "a"}], 400, "messages_invalid"),
        ([{"role": "user", "content": 1}], 400, "messages_invalid"),
        ([{"role": "user"}], 400, "messages_invalid"),
        ([{"role": "assistant", "content": "a"}], 400, "messages_invalid"),
        ([{"role": "user", "content": " "}], 400, "empty_message"),
        ([{"role": "user", "content": "a\0"}], 400, "message_binary"),
        ([{"role": "user", "content": "a" * 65537}], 413, "message_too_long"),
    ],
)
async def test_a_wrong_conversation_is_refused(
    authority: Authority, messages: Any, status: int, code: str
) -> None:
    async with open_house(authority, ScriptedModel()) as house:
        client = await house.client()
        async with client.post(CHAT, json={"messages": messages}) as response:
            body = await response.json()
            assert (response.status, body["code"]) == (status, code), body
            assert body["error"]
    assert house.model.conversations == []


async def test_another_unit_asks_without_a_token_in_the_language_of_its_asker(
    authority: Authority, tmp_path: Path
) -> None:
    async with (
        open_house(authority, ScriptedModel("War", "saw")) as house,
        neighbour(house, tmp_path) as session,
    ):
        body = {"messages": TALK, "asker": "rocketchat:ada", "language": "pl", "stream": True}
        async with session.post(CHAT, json=body) as response:
            events = [event async for event in sse_events(response) if event.name != ":"]
        assert [event.name for event in events] == ["start", "token", "token", "done"]
        async with session.post(CHAT, json={**body, "messages": []}) as response:
            assert response.status == 400
            assert "Nie można użyć" in (await response.json())["error"]


async def test_the_public_door_does_not_believe_in_an_asker(authority: Authority) -> None:
    seen = []
    async with open_house(
        authority, ScriptedModel(), Plan(observer=lambda answer: seen.append(answer.asker.name))
    ) as house:
        client = await house.client()
        async with client.post(CHAT, json={"message": "a", "asker": "root"}) as response:
            assert response.status == 200
    assert set(seen) == {"operator"}


async def test_a_unit_that_leaves_frees_the_model_at_once(
    authority: Authority, tmp_path: Path
) -> None:
    model = ScriptedModel("War", asyncio.Event())
    async with open_house(authority, model) as house, neighbour(house, tmp_path) as session:
        async with session.post(CHAT, json={"messages": TALK, "stream": True}) as response:
            await anext(sse_events(response))
        async with asyncio.timeout(2):
            await model.closed.wait()
