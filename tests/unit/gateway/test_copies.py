"""Copying: in batches, never in a token's way, all of it again after a failure, bounded."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import weakref

import pytest

from heyken_glue import errors
from heyken_glue.domain.copies import RunState
from heyken_glue.gateway import copies as module
from heyken_glue.gateway.copies import Copies
from tests.support.copies import NEVER, SOON, ScriptedStore, answer_in, copying
from tests.support.doors import eventually


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
