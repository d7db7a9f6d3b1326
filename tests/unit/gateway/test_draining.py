"""Going down: what was begun is finished, what is new is sent away, and readers are told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.doors import (
    PATIENCE_SECONDS,
    House,
    ScriptedModel,
    eventually,
    sse_events,
)
from tests.unit.gateway.conftest import OpenHouse

ASK = {"message": "What is the capital of Poland?"}
STREAM = {"Accept": "text/event-stream"}


async def names_of(stream: Any) -> list[str]:
    """Return the names of the events that are left."""
    return [event.name async for event in stream if event.name != ":"]


async def test_a_running_answer_is_finished_before_the_drain_ends(open_with: OpenHouse) -> None:
    going = asyncio.Event()
    house = await open_with(ScriptedModel("one ", going, "two"))
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as response:
        stream = sse_events(response)
        await anext(stream)
        drain = asyncio.create_task(house.doors.admission.drain(seconds=PATIENCE_SECONDS))
        await eventually(lambda: house.doors.admission.draining)
        assert not drain.done()
        going.set()
        assert (await names_of(stream))[-1] == "done"
    await asyncio.wait_for(drain, 1)


@pytest.mark.parametrize("headers", [{}, STREAM])
async def test_new_questions_are_sent_away_and_the_connection_closes(
    house: House, headers: dict[str, str]
) -> None:
    await house.doors.admission.drain(seconds=1)
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=headers) as response:
        body = await response.json()
    assert (response.status, body["code"]) == (503, "draining")
    assert int(response.headers["Retry-After"]) >= 1
    assert response.headers["Connection"] == "close"
    assert not house.model.questions


async def test_the_other_core_is_sent_away_too(house: House) -> None:
    await house.doors.admission.drain(seconds=1)
    peer = await house.client(None, identity=house.authority.issue("core2"))
    asked = {"messages": [{"role": "user", "content": "hello"}]}
    async with peer.post("/peer/chat", json=asked) as response:
        assert (response.status, (await response.json())["code"]) == (503, "draining")


async def test_a_reader_may_come_back_while_the_gateway_drains(open_with: OpenHouse) -> None:
    going = asyncio.Event()
    house = await open_with(ScriptedModel("one ", going, "two"))
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as response:
        start = await anext(sse_events(response))
        response.close()
    drain = asyncio.create_task(house.doors.admission.drain(seconds=PATIENCE_SECONDS))
    await eventually(lambda: house.doors.admission.draining)
    async with client.get(f"/api/v1/chat/{start.data['id']}/events") as response:
        going.set()
        assert (await names_of(sse_events(response)))[-1] == "done"
    await asyncio.wait_for(drain, 1)


async def test_the_drain_ends_in_its_time_whoever_is_slow(open_with: OpenHouse) -> None:
    house = await open_with(ScriptedModel("one ", asyncio.Event()))
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as response:
        stream = sse_events(response)
        await anext(stream)
        await asyncio.wait_for(house.doors.admission.drain(seconds=0.05), PATIENCE_SECONDS)
        await house.store.close()
        assert (await names_of(stream))[-1] == "error"
