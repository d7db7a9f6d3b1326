"""The store of answers: expiry, bounds, load, the life of a message."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from heyken_glue.domain.messages import State
from heyken_glue.gateway.answers import (
    Answer,
    AnswerStore,
    Asker,
    StoreLimits,
    TooManyAnswersError,
)

ASKER = Asker("operator", "digest", "en")


@dataclass
class Stand:
    """A store with a clock that stands still and a record of every state."""

    limits: StoreLimits = field(default_factory=lambda: StoreLimits(8, 600))
    now: float = 1000.0
    states: list[tuple[str, State]] = field(default_factory=list)

    def store(self) -> AnswerStore:
        """Return a store on this stand."""
        return AnswerStore(
            self.limits,
            clock=lambda: self.now,
            observer=lambda answer: self.states.append((answer.id, answer.state)),
        )


async def quick(answer: Answer) -> None:
    """Answer at once."""
    answer.move(State.ANSWERING)
    answer.append_token("yes")
    answer.finish("stop")


async def never(answer: Answer) -> None:
    """Say one word and go silent."""
    answer.move(State.ANSWERING)
    answer.append_token("well")
    await asyncio.Event().wait()


async def finished(store: AnswerStore) -> Answer:
    """Return an answer that is over."""
    answer = store.start(quick, ASKER)
    while not answer.finished:
        await answer.wait_beyond(len(answer.events))
    await asyncio.sleep(0)
    return answer


async def test_answers_expire_after_their_time() -> None:
    stand = Stand()
    store = stand.store()
    answer = await finished(store)
    stand.now += 600
    assert store.find(answer.id, owner="digest") is answer
    stand.now += 1
    assert store.find(answer.id, owner="digest") is None


async def test_the_oldest_answers_go_when_there_are_too_many() -> None:
    store = Stand(StoreLimits(8, 600, kept_max=2)).store()
    answers = [await finished(store) for _ in range(4)]
    known = [store.find(answer.id, owner="digest") is not None for answer in answers]
    assert known == [False, False, True, True]


async def test_the_oldest_answers_go_when_they_are_too_large() -> None:
    store = Stand(StoreLimits(8, 600, kept_bytes_max=500)).store()
    answers = [await finished(store) for _ in range(4)]
    known = [store.find(answer.id, owner="digest") is not None for answer in answers]
    assert known[0] is False
    assert known[-1] is True


async def test_running_answers_are_never_forgotten() -> None:
    stand = Stand(StoreLimits(8, 600, kept_max=0))
    store = stand.store()
    answer = store.start(never, ASKER)
    await answer.wait_beyond(0)
    stand.now += 10_000
    assert store.find(answer.id, owner="digest") is answer
    await store.close()


async def test_load_tells_number_age_and_the_last_token() -> None:
    stand = Stand()
    store = stand.store()
    assert store.load() == {
        "answers": 0,
        "oldest_seconds": 0.0,
        "last_token_seconds": None,
        "prefill": False,
    }
    answer = store.start(never, ASKER)
    stand.now += 2
    await answer.wait_beyond(0)
    stand.now += 3
    assert store.load() == {
        "answers": 1,
        "oldest_seconds": 3.0,
        "last_token_seconds": 3.0,
        "prefill": False,
    }
    await store.close()
    assert store.load()["answers"] == 0


async def test_load_tells_that_an_answer_waits_for_its_first_token() -> None:
    async def thinks(answer: Answer) -> None:
        answer.move(State.ANSWERING)
        await asyncio.Event().wait()

    store = Stand().store()
    store.start(thinks, ASKER)
    await asyncio.sleep(0)
    assert store.load()["prefill"] is True
    await store.close()


async def test_load_leaves_out_what_waits_for_its_turn() -> None:
    async def waits(_answer: Answer) -> None:
        await asyncio.Event().wait()

    store = Stand().store()
    store.start(waits, ASKER)
    await asyncio.sleep(0)
    assert store.load()["answers"] == 0
    assert store.load()["prefill"] is False
    await store.close()


async def test_the_limit_counts_running_answers_only() -> None:
    store = Stand(StoreLimits(1, 600)).store()
    await finished(store)
    store.start(never, ASKER)
    with pytest.raises(TooManyAnswersError):
        store.start(never, ASKER)
    await store.close()


async def test_a_producer_cancelled_before_it_began_still_ends_its_answer() -> None:
    store = Stand().store()
    answer = store.start(never, ASKER)
    answer.cancel()
    async with asyncio.timeout(5):
        while not answer.finished:
            await answer.wait_beyond(len(answer.events))
    assert answer.failure is not None
    assert answer.failure.code == "cancelled"


async def test_a_message_goes_through_its_states_once() -> None:
    stand = Stand()
    answer = await finished(stand.store())
    answer.delivered()
    answer.delivered()
    states = [state for _id, state in stand.states]
    assert states == [State.ACCEPTED, State.ANSWERING, State.ANSWERED, State.DELIVERED]


async def test_a_stopped_message_has_failed_and_is_never_delivered() -> None:
    stand = Stand()
    store = stand.store()
    answer = store.start(never, ASKER)
    await answer.wait_beyond(0)
    await store.close()
    answer.delivered()
    assert stand.states[-1] == (answer.id, State.FAILED)
