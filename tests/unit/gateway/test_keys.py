"""Asking again: under the same key, and of a model that broke off in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from heyken_glue import errors
from heyken_glue.domain.continuing import Resume
from heyken_glue.domain.turns import Role, Turn
from heyken_glue.gateway import producer
from tests.support.doors import TOKENS, Plan, ScriptedModel, eventually, sse_events
from tests.unit.gateway.conftest import OpenHouse
from tests.unit.gateway.test_chat import ASK, STREAM, take


class BreakingModel(ScriptedModel):
    """Breaks off once, after two pieces; goes on behind an open last message."""

    async def stream(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        """Say four words, or what is left of them."""
        self.conversations.append(tuple(turns))
        words = ["one ", "two ", "three ", "four"]
        if turns[-1].role is Role.ASSISTANT:
            words = [" ", *words[len(turns[-1].content.split()) :]]
        for number, word in enumerate(words):
            if number == 2 and len(self.conversations) == 1:
                raise errors.TransientError("the runner is gone")
            yield word


@pytest.mark.parametrize("resume", list(Resume))
async def test_a_model_that_breaks_off_in_the_middle_is_asked_for_the_rest(
    open_with: OpenHouse, resume: Resume
) -> None:
    house = await open_with(BreakingModel(), Plan(resume=resume))
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as response:
        events = [event async for event in sse_events(response) if event.name != ":"]
    tokens = [event.data["text"] for event in events if event.name == "token"]
    assert "".join(tokens) == "one two three four"
    how = "regenerated" if resume is Resume.EXACT else "continued"
    assert [event.data for event in events if event.name == "resumed"] == [{"resumed": how}]
    assert events[-1].data["resumed"] == how
    assert [event.id for event in events if event.name == "resumed"] == [""], "it has no number"


@pytest.mark.parametrize(
    ("most", "text"), [(3, "one two three "), (2, "one two "), (0, "one two three four")]
)
async def test_what_goes_on_becomes_no_longer_than_undisturbed(
    open_with: OpenHouse, most: int, text: str
) -> None:
    house = await open_with(BreakingModel(), Plan(answer_tokens_max=most))
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK) as response:
        assert (await response.json())["response"] == text
    assert len(house.model.conversations) == (1 if most == 2 else 2), (
        "what is full is not asked for"
    )


async def test_a_model_that_never_gets_further_is_given_up(open_with: OpenHouse) -> None:
    house = await open_with(ScriptedModel("one", errors.TransientError("gone")))
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK) as response:
        assert response.status == 503
    assert len(house.model.questions) <= producer.RESUMES_MAX + 1


async def test_what_was_begun_waits_for_a_model_that_is_still_loading(
    open_with: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer, "AGAIN_SECONDS", 0.001)

    class LoadingModel(BreakingModel):
        """Breaks off once, and says nothing at all for a while."""

        async def stream(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
            if 0 < len(self.conversations) < 20:
                self.conversations.append(tuple(turns))
                raise errors.TransientError("it is not in memory")
            async for piece in super().stream(turns):
                yield piece

    house = await open_with(LoadingModel())
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK) as response:
        assert (await response.json())["response"] == "one two three four"
    assert len(house.model.conversations) == 21


async def test_a_failure_is_not_kept_under_its_key(open_with: OpenHouse) -> None:
    house = await open_with(ScriptedModel(errors.TransientError("gone")))
    client = await house.client()
    key = {"Idempotency-Key": "k"}
    async with client.post("/api/v1/chat", json=ASK, headers=key) as response:
        assert response.status == 503
    house.model.script = ("Warsaw",)
    for _ in range(2):
        async with client.post("/api/v1/chat", json=ASK, headers=key) as response:
            assert (await response.json())["response"] == "Warsaw"
    assert len(house.model.questions) == 2


async def test_a_key_joins_an_answer_in_the_making(open_with: OpenHouse) -> None:
    middle = asyncio.Event()
    house = await open_with(ScriptedModel("one ", middle, "two"))
    client, stranger = await house.client(), await house.client(TOKENS["other"][0])
    key = {"Idempotency-Key": "k"}
    async with client.post("/api/v1/chat", json=ASK, headers={**key, **STREAM}) as response:
        first = await take(sse_events(response), 2)
        joining = asyncio.create_task(client.post("/api/v1/chat", json=ASK, headers=key))
        other = asyncio.create_task(stranger.post("/api/v1/chat", json=ASK, headers=key))
        await eventually(lambda: len(house.model.questions) == 2)
        middle.set()
        joined, foreign = await (await joining).json(), await (await other).json()
    assert (joined["id"], joined["response"]) == (first[0].data["id"], "one two")
    assert foreign["id"] != joined["id"], "keys belong to the token"
