"""Copying: in batches, never in a token's way, all of it again after a failure, bounded."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import weakref
from collections.abc import AsyncIterator, Sequence

import pytest

from heyken_glue import errors
from heyken_glue.domain.copies import Copy, Portion, Question, RunName, RunState
from heyken_glue.domain.messages import State
from heyken_glue.gateway import copies as module
from heyken_glue.gateway.answers import Answer, Asker
from heyken_glue.gateway.copies import Copies, Pace
from tests.support.doors import eventually

RUN = RunName(0, 1)
QUESTION = Question("digest", "operator", "en", (), "d", "m@1", 1.0)
SOON = Pace(interval=0.001, accept=0.05, retry=0.001, farewell=0.05, read_own=0.05)
NEVER = dataclasses.replace(SOON, interval=3600)


class ScriptedStore:
    """Keeps tokens by answer; is away or silent when told to be."""

    def __init__(self, name: str = "store") -> None:
        self.name = name
        self.away = False
        self.bug: Exception | None = None
        self.silent = asyncio.Event()
        self.silent.set()
        self.writes: list[list[Portion]] = []
        self.texts: dict[str, list[str]] = {}
        self.states: dict[str, RunState] = {}
        self.pings = 0

    async def ping(self) -> None:
        await self.silent.wait()
        self._demand()
        self.pings += 1

    async def write(self, portions: Sequence[Portion]) -> Sequence[int]:
        await self.silent.wait()
        self._demand()
        self.writes.append(list(portions))
        for portion in portions:
            if not portion.base:
                self.texts[portion.answer_id] = []
            if portion.answer_id in self.texts:
                self.texts[portion.answer_id] += portion.texts
            self.states[portion.answer_id] = portion.state
        return [len(self.texts.get(portion.answer_id, [])) for portion in portions]

    async def read(self, answer_id: str) -> Copy | None:
        del answer_id
        await self.silent.wait()
        self._demand()
        return None

    async def forget(self, runs: Sequence[tuple[str, RunName]]) -> None:
        for id_, _run in runs:
            self.texts.pop(id_, None)

    def _demand(self) -> None:
        if self.bug is not None:
            raise self.bug
        if self.away:
            raise errors.TransientError("away")


@contextlib.asynccontextmanager
async def copying(*stores: ScriptedStore, pace: Pace = SOON) -> AsyncIterator[Copies]:
    copies = Copies(stores, pace)
    copies.start()
    yield copies
    await copies.close()


def answer_in(copies: Copies, id_: str = "a") -> Answer:
    answer = Answer(
        id_,
        Asker("operator", "digest", "en"),
        clock=asyncio.get_running_loop().time,
        observer=lambda _: None,
    )
    answer.move(State.ACCEPTED)
    answer.move(State.ANSWERING)
    copies.track(answer, QUESTION, RUN)
    return answer


async def test_an_answer_is_accepted_when_both_stores_have_the_question() -> None:
    one, two = ScriptedStore(), ScriptedStore()
    async with copying(one, two, pace=NEVER) as copies:
        await copies.accepted(answer_in(copies))
        assert set(one.texts) == set(two.texts) == {"a"}
        assert copies.protecting


async def test_what_is_being_written_while_the_unit_ends_is_written() -> None:
    store = ScriptedStore()
    store.silent.clear()
    copies = Copies([store], dataclasses.replace(SOON, farewell=5.0))
    copies.start()
    answer_in(copies)
    await eventually(lambda: not copies.replicas[0]._dirty)  # the question is on its way now
    closing = asyncio.ensure_future(copies.close())
    await asyncio.wait({closing}, timeout=0.05)
    assert not closing.done(), "it waits for what is being written"
    store.silent.set()
    await closing
    assert set(store.texts) == {"a"}


async def test_a_silent_store_is_waited_for_once_and_then_counts_as_down() -> None:
    one, two = ScriptedStore(), ScriptedStore()
    two.silent.clear()
    async with copying(one, two, pace=dataclasses.replace(SOON, accept=0.2)) as copies:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await copies.accepted(answer_in(copies))
        assert loop.time() - began >= 0.15
        replica = copies._replicas[1]
        assert replica.away
        known_to_be_down = asyncio.create_task(copies.accepted(answer_in(copies, "b")))
        await eventually(known_to_be_down.done)
        assert replica.away, "it did not have to wait for the store"
        two.silent.set()
        await eventually(lambda: not replica.away and set(two.texts) == {"a", "b"})


async def test_tokens_go_in_batches_and_never_wait() -> None:
    store = ScriptedStore()
    async with copying(store, pace=NEVER) as copies:
        answer = answer_in(copies)
        await copies.accepted(answer)
        store.silent.clear()
        for number in range(1000):
            answer.append_token(str(number))
        assert len(answer.events) == 1000, "they are there though the store does not answer"
        store.silent.set()
        await eventually(lambda: len(store.texts["a"]) == 1000)
        assert len(store.writes) <= 3, "a batch, not a thousand writes"


async def test_sixteen_tokens_do_not_wait_for_the_interval() -> None:
    store = ScriptedStore()
    async with copying(store, pace=NEVER) as copies:
        answer = answer_in(copies)
        await copies.accepted(answer)
        for _ in range(15):
            answer.append_token("x")
        for _ in range(20):
            await asyncio.sleep(0)
        assert store.texts["a"] == []
        answer.append_token("x")
        await eventually(lambda: len(store.texts["a"]) == 16)


async def test_a_store_that_lost_its_memory_gets_all_of_it_again() -> None:
    store = ScriptedStore()
    async with copying(store) as copies:
        answer = answer_in(copies)
        answer.append_token("one ")
        await eventually(lambda: store.texts.get("a") == ["one "])
        store.texts.clear()
        answer.append_token("two")
        await eventually(lambda: store.texts.get("a") == ["one ", "two"])


async def test_a_store_that_comes_back_gets_what_ended_meanwhile() -> None:
    store = ScriptedStore()
    async with copying(store) as copies:
        answer, stays = answer_in(copies), answer_in(copies, "b")
        await copies.accepted(answer)
        await copies.accepted(stays)
        store.away = True
        answer.append_token("one")
        await eventually(lambda: copies._replicas[0].away)
        assert not copies.protecting
        answer.append_token("two")
        answer.finish("stop")
        store.away = False
        await eventually(lambda: store.states.get("a") is RunState.ANSWERED)
        assert store.texts["a"] == ["one", "two"]
        await eventually(lambda: not copies._replicas[0].away)
        assert set(copies._replicas[0]._live) == {"b"}, "what is over is not kept for copying"


async def test_nothing_is_asked_of_a_store_that_is_well_and_idle() -> None:
    store = ScriptedStore()
    async with copying(store) as copies:
        answer = answer_in(copies)
        answer.finish("stop")
        await eventually(lambda: store.states.get("a") is RunState.ANSWERED)
        writes = len(store.writes)
        for _ in range(50):
            await asyncio.sleep(0)
        assert (len(store.writes), store.pings) == (writes, 0)


async def test_finished_answers_do_not_pile_up_before_a_store_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FINISHED_WAITING_MAX", 3)
    store = ScriptedStore()
    store.away = True
    async with copying(store) as copies:
        replica = copies._replicas[0]
        for number in range(20):
            answer_in(copies, str(number)).finish("stop")
        await eventually(lambda: len(replica._live) == 3)
        assert len(replica._dirty) <= 3


async def test_what_memory_forgets_goes_from_the_stores_too() -> None:
    store = ScriptedStore()
    async with copying(store) as copies:
        answer = answer_in(copies)
        answer.finish("stop")
        await eventually(lambda: "a" in store.texts)
        copies.forget(answer)
        await eventually(lambda: "a" not in store.texts)
        assert not copies._tracked


async def test_closing_copies_the_last_tokens_first_but_waits_for_nobody_long() -> None:
    one, two = ScriptedStore(), ScriptedStore()
    copies = Copies([one, two], NEVER)
    copies.start()
    answer = answer_in(copies)
    await copies.accepted(answer)
    two.silent.clear()
    answer.append_token("one")
    answer.leave()
    async with asyncio.timeout(5):
        await copies.close()
    assert (one.texts["a"], one.states["a"]) == (["one"], RunState.LEFT)


async def test_a_bug_in_a_store_ends_no_loop() -> None:
    store = ScriptedStore()
    async with copying(store) as copies:
        store.bug = ZeroDivisionError("bug")
        answer = answer_in(copies)
        await eventually(lambda: copies._replicas[0].away)
        store.bug = None
        answer.append_token("one")
        await eventually(lambda: store.texts.get("a") == ["one"])


async def test_a_store_that_does_not_answer_is_not_one_that_knows_nothing() -> None:
    own, other = ScriptedStore(), ScriptedStore()
    async with copying(own, other) as copies:
        other.silent.clear()
        async with asyncio.timeout(5):
            assert await copies.read("a") is None, "one says that it knows nothing"
            own.silent.clear()
            with pytest.raises(errors.TransientError):
                await copies.read("a")
            assert await copies.read_own("a") is None
        own.silent.set()
        other.silent.set()
        own.away = other.away = True
        answer_in(copies)
        await eventually(lambda: not copies.protecting)
        assert await copies.read("a") is None, "both are known to be down"
    async with copying() as nothing:
        assert await nothing.read("a") is None
        assert await nothing.read_own("a") is None


async def test_what_is_new_of_many_answers_goes_in_parts() -> None:
    store = ScriptedStore()
    count = 2 * module.PORTIONS_AT_ONCE + 1
    async with copying(store) as copies:
        answers = [answer_in(copies, str(number)) for number in range(count)]
        for answer in answers:
            answer.append_token("text")
            answer.finish("stop")
        await eventually(lambda: len(store.texts) == count and all(store.texts.values()))
    assert max(map(len, store.writes)) == module.PORTIONS_AT_ONCE


async def test_of_many_answers_new_text_is_copied_less_often() -> None:
    store = ScriptedStore()
    pace = dataclasses.replace(SOON, interval=0.0, for_each=3600.0)
    async with copying(store, pace=pace) as copies:
        answer = answer_in(copies)
        await eventually(lambda: "a" in store.texts)
        written = len(store.writes)
        answer.append_token("a token that nobody waits for")
        await asyncio.sleep(0.05)  # that something does not happen has no event
        assert len(store.writes) == written
        answer.finish("stop")
        await eventually(lambda: store.states["a"] is RunState.ANSWERED)


async def test_what_cannot_wait_does_not_wait_for_all_the_others() -> None:
    store = ScriptedStore()
    async with copying(store, pace=NEVER) as copies:
        first = answer_in(copies, "first")
        await copies.accepted(first)
        first.append_token("nobody waits for this")
        await copies.accepted(answer_in(copies, "second"))
        assert store.texts == {"first": [], "second": []}
        first.finish("stop")
        await eventually(lambda: store.texts["first"] == ["nobody waits for this"])


async def test_an_answer_that_is_over_is_no_work_for_the_collector() -> None:
    """Collecting is seldom, and in between thousands of answers would pile up."""
    store = ScriptedStore()
    async with copying(store) as copies:
        answer = answer_in(copies)
        answer.append_token("text")
        answer.finish("stop")
        await eventually(lambda: store.states.get("a") is RunState.ANSWERED)
        copies.forget(answer)
        await eventually(lambda: not copies.replicas[0]._over)
        gone = weakref.ref(answer)
        gc.disable()
        try:
            del answer
            assert gone() is None
        finally:
            gc.enable()


async def test_what_presses_goes_before_the_rest_of_what_is_being_copied() -> None:
    store = ScriptedStore()
    count = 3 * module.PORTIONS_AT_ONCE
    async with copying(store) as copies:
        answers = [answer_in(copies, str(number)) for number in range(count)]
        await eventually(lambda: len(store.texts) == count)
        store.silent.clear()
        for answer in answers:
            answer.append_token("text")
        written = len(store.writes)
        await eventually(lambda: not copies.replicas[0]._dirty)  # all of it is on its way
        answer_in(copies, "new")
        store.silent.set()
        await eventually(lambda: "new" in store.texts)
        after_the_first_part = store.writes[written + 1]
        assert [portion.answer_id for portion in after_the_first_part] == ["new"]


async def test_a_store_is_not_asked_whether_it_is_there_after_what_pressed() -> None:
    store = ScriptedStore()
    async with copying(store, pace=dataclasses.replace(SOON, interval=0.02)) as copies:
        answer = answer_in(copies)
        await copies.accepted(answer)
        for _ in range(5):
            for _ in range(module.Pace.tokens):
                answer.append_token("x")
            await asyncio.sleep(0.03)  # a time at which all would be copied
        assert len(answer.texts) == len(store.texts["a"])
        assert store.pings == 0
