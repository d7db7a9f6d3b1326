"""Whoever does not want an answer any more ends the model's work at once, through a real gateway.

The grace after which an unread answer ends is far longer than these tests wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from heyken_glue.domain.turns import Role, Turn
from heyken_glue.gateway.answers import StoreLimits
from heyken_glue.runtime import http
from heyken_glue.services.assistant_gateway import GatewayModel
from tests.support.assistant import Scene, eventually
from tests.support.authority import Authority
from tests.support.doors import House, Plan, ScriptedModel, open_house
from tests.support.rocketchat import BOT

SOON_SECONDS = 20.0
ANNA, BEN = "a1" * 16, "b2" * 16
# an answer that nobody reads any more lives longer than any test waits
PATIENT = Plan(store=StoreLimits(concurrent_max=8, keep_seconds=600, abandon_seconds=600))
TURNS = (Turn(Role.USER, "tell me all"),)


@contextlib.asynccontextmanager
async def behind_a_socket(
    tmp_path: Path, model: ScriptedModel, plan: Plan = PATIENT
) -> AsyncIterator[tuple[House, GatewayModel]]:
    """Put the real gateway behind a socket."""
    path = tmp_path / "real" / "http.sock"
    async with (
        open_house(Authority(tmp_path), model, plan) as house,
        http.unix_application(path, house.doors.local_app()),
        http.unix_session(path, total_seconds=20) as session,
    ):
        yield house, GatewayModel(session)


@pytest.fixture
async def answering(stage: Scene, tmp_path: Path) -> AsyncIterator[tuple[ScriptedModel, House]]:
    """A chat whose assistant asks a real gateway; its model says two words and goes on for ever."""
    model = ScriptedModel("half", " of", asyncio.Event())
    outside = stage._outside
    async with behind_a_socket(tmp_path, model) as (house, asked):

        async def replaced(core_id: int) -> Any:
            return dataclasses.replace(await outside(core_id), model=asked)

        stage._outside = replaced  # type: ignore[method-assign]
        yield model, house


async def _asked(stage: Scene) -> dict[str, Any]:
    await stage.start()
    asked = await stage.chat.post("user", "general", f"@{BOT} tell me all")
    await eventually(lambda: stage.text(asked) == "half of ▍", lambda: stage.text(asked))
    return asked


async def test_stop_ends_the_models_work_at_once(
    stage: Scene, answering: tuple[ScriptedModel, House]
) -> None:
    model, house = answering
    asked = await _asked(stage)
    assert not model.closed.is_set()
    await stage.chat.post("user", "general", "stop", thread_id=asked["_id"])
    async with asyncio.timeout(SOON_SECONDS):
        await model.closed.wait()
    assert await stage.finished(asked) == "half of\n\nStopped."
    await eventually(lambda: house.doors.admission.queue.running == 0, "its turn is free")


async def test_a_deleted_question_ends_the_models_work_at_once(
    stage: Scene, answering: tuple[ScriptedModel, House]
) -> None:
    model, _house = answering
    asked = await _asked(stage)
    room = stage.chat.rooms["general"]
    await stage.chat.api("admin", "chat.delete", roomId=room, msgId=asked["_id"])
    async with asyncio.timeout(SOON_SECONDS):
        await model.closed.wait()


async def test_a_core_that_loses_the_address_leaves_the_model_at_work(
    stage: Scene, answering: tuple[ScriptedModel, House]
) -> None:
    """The other core follows that answer, so it must not end here."""
    model, house = answering
    asked = await _asked(stage)
    await stage.move(2, running=(1,))
    await eventually(lambda: _readers(house) == [0], "the assistant left")
    assert not model.closed.is_set()
    assert stage.text(asked) == "half of ▍"


def _readers(house: House) -> list[int]:
    return [answer.readers for answer in house.store._running]


async def test_who_waits_for_a_turn_can_be_stopped_too(tmp_path: Path) -> None:
    model = ScriptedModel("half", asyncio.Event())
    plan = dataclasses.replace(PATIENT, queue=dataclasses.replace(PATIENT.queue, at_once=1))
    async with (
        behind_a_socket(tmp_path, model, plan) as (house, gateway),
        _talking(gateway, [(ANNA, "k1"), (ANNA, "k2")]),
    ):
        queue = house.doors.admission.queue
        await eventually(lambda: (queue.running, queue.waiting) == (1, 1), "one waits")
        await gateway.cancel(owner=ANNA, key="k2")
        await eventually(lambda: (queue.running, queue.waiting) == (1, 0), "none waits")
        assert not model.closed.is_set()


async def test_nobody_stops_what_another_person_asked(tmp_path: Path) -> None:
    model = ScriptedModel("half", asyncio.Event())
    async with (
        behind_a_socket(tmp_path, model) as (house, gateway),
        _talking(gateway, [(ANNA, "k1")]),
    ):
        await eventually(lambda: house.doors.admission.queue.running == 1, "it is answered")
        await gateway.cancel(owner=BEN, key="k1")
        await gateway.cancel(owner=ANNA, key="k2")
        assert not model.closed.is_set()
        await gateway.cancel(owner=ANNA, key="k1")
        async with asyncio.timeout(SOON_SECONDS):
            await model.closed.wait()


async def test_people_have_turns_of_their_own(tmp_path: Path) -> None:
    """With one turn for each, the second question of one waits and another's does not."""
    model = ScriptedModel("half", asyncio.Event())
    queue = dataclasses.replace(PATIENT.queue, at_once_per_owner=1)
    plan = dataclasses.replace(PATIENT, queue=queue)
    asked = [(ANNA, "k1"), (ANNA, "k2"), (BEN, "k1")]
    async with behind_a_socket(tmp_path, model, plan) as (house, gateway), _talking(gateway, asked):
        turns = house.doors.admission.queue
        await eventually(lambda: (turns.running, turns.waiting) == (2, 1), "two are answered")
        owners = {answer.asker.owner for answer in house.store._running}
        assert owners == {f"local:{ANNA}", f"local:{BEN}"}


@contextlib.asynccontextmanager
async def _talking(gateway: GatewayModel, asked: Sequence[tuple[str, str]]) -> AsyncIterator[None]:
    """Ask all of it at once, and read until the end of the context."""

    async def read(owner: str, key: str) -> None:
        stream = gateway.stream(TURNS, asker="rocketchat:x", owner=owner, language="en", key=key)
        async with contextlib.aclosing(stream) as pieces:
            async for _piece in pieces:
                pass

    tasks = [asyncio.create_task(read(*one)) for one in asked]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_token_cannot_say_for_whom_it_asks(tmp_path: Path) -> None:
    model = ScriptedModel("half", asyncio.Event())
    async with behind_a_socket(tmp_path, model) as (house, _gateway):
        client = await house.client()
        body = {"message": "hello", "owner": ANNA, "stream": True}
        async with client.post("/api/v1/chat", json=body):
            (answer,) = house.store._running
            assert ANNA not in answer.asker.owner
        async with client.post("/api/v1/chat/cancel", json={"owner": ANNA, "key": "k"}) as refused:
            assert refused.status == 404


@pytest.mark.parametrize("owner", ["anna", "", 7, "../" * 8, "A1" * 16, "a" * 65])
async def test_an_owner_that_is_no_digest_is_refused(tmp_path: Path, owner: object) -> None:
    async with behind_a_socket(tmp_path, ScriptedModel()) as (_house, gateway):
        body = {"message": "hello", "owner": owner}
        async with gateway._session.post("/api/v1/chat", json=body) as refused:
            assert (refused.status, (await refused.json())["code"]) == (400, "bad_owner")
