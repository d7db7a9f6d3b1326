"""When copies are made: in batches, what presses first, and never in a token's way."""

from __future__ import annotations

import asyncio
import dataclasses

from heyken_glue.domain.copies import RunState
from heyken_glue.gateway import copies as module
from tests.support.copies import NEVER, SOON, ScriptedStore, answer_in, copying
from tests.support.doors import eventually


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
