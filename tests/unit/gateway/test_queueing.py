"""Turns at the model: fair, bounded, and refused at once when there is no hope."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heyken_glue.gateway.answers import StoreLimits
from heyken_glue.gateway.metrics import Metrics
from heyken_glue.gateway.queueing import FairQueue, QueueLimits, QueueRefusedError
from tests.support.doors import (
    PATIENCE_SECONDS,
    TOKENS,
    USUAL_QUEUE,
    House,
    Plan,
    ScriptedModel,
    eventually,
    sse_events,
)
from tests.unit.gateway.conftest import OpenHouse

ASK = {"message": "What is the capital of Poland?"}
STREAM = {"Accept": "text/event-stream"}
ONE = QueueLimits(at_once=1, at_once_per_owner=1, length=8, length_per_owner=8, wait_seconds=5)


class Stand:
    """A queue, a clock that is moved by hand, and visitors that hold turns until told."""

    def __init__(self, limits: QueueLimits = ONE) -> None:
        self.now = 1000.0
        self.metrics = Metrics()
        self.queue = FairQueue(limits, clock=lambda: self.now, metrics=self.metrics)
        self.order: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}

    def come(self, name: str) -> asyncio.Task[None]:
        """Let a visitor come; the owner is the name without its last character."""
        self._leave[name] = asyncio.Event()

        async def visit() -> None:
            async with self.queue.turn(name[:-1]):
                self.order.append(name)
                await self._leave[name].wait()

        return asyncio.create_task(visit())

    async def go(self, name: str) -> None:
        """Let a visitor give its turn back."""
        self._leave[name].set()
        await settle()

    def sample(self, name: str) -> float | None:
        """Return a figure."""
        return self.metrics.registry.get_sample_value(f"heyken_gateway_{name}")


async def settle() -> None:
    """Let everything happen that can happen now."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_owners_take_turns_and_each_ones_questions_stay_in_order() -> None:
    stand = Stand()
    names = ["a1", "a2", "a3", "a4", "b1", "b2", "c1"]
    tasks = [stand.come(name) for name in names]
    await settle()
    for _ in names:
        await stand.go(stand.order[-1])
    await asyncio.gather(*tasks)
    assert stand.order == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]


async def test_nobody_has_more_turns_than_its_share_while_others_wait_or_not() -> None:
    stand = Stand(replace(ONE, at_once=3, at_once_per_owner=2))
    tasks = [stand.come(name) for name in ("a1", "a2", "a3", "b1")]
    await settle()
    assert stand.order == ["a1", "a2", "b1"]
    assert (stand.queue.running, stand.queue.waiting) == (3, 1)
    for name in ("b1", "a1", "a2", "a3"):
        await stand.go(name)
    await asyncio.gather(*tasks)


async def test_a_token_may_have_a_share_of_its_own() -> None:
    stand = Stand(replace(ONE, at_once=4, at_once_of={"a": 3}))
    tasks = [stand.come(name) for name in ("a1", "a2", "a3", "a4", "b1", "b2")]
    await settle()
    assert stand.order == ["a1", "a2", "a3", "b1"]
    for name in ("a1", "a2", "a3", "b1", "a4", "b2"):
        await stand.go(name)
    await asyncio.gather(*tasks)


@pytest.mark.parametrize(
    "limits", [replace(ONE, length=2), replace(ONE, length_per_owner=2)], ids=["all", "owner"]
)
async def test_a_full_queue_refuses_at_once_with_a_time_to_come_back(limits: QueueLimits) -> None:
    stand = Stand(limits)
    tasks = [stand.come(name) for name in ("a1", "a2", "a3")]
    await settle()
    with pytest.raises(QueueRefusedError) as refused:
        stand.queue.refuse_if_hopeless("a")
    failure = refused.value.failure
    assert (failure.status, failure.code) == (429, "too_many_answers")
    assert int(failure.headers["Retry-After"]) >= 1
    late = stand.come("a4")
    await settle()
    assert isinstance(late.exception(), QueueRefusedError)
    for name in ("a1", "a2", "a3"):
        await stand.go(name)
    await asyncio.gather(*tasks)


async def test_a_full_share_of_one_leaves_places_for_others() -> None:
    stand = Stand(replace(ONE, length=4, length_per_owner=2))
    tasks = [stand.come(name) for name in ("a1", "a2", "a3")]
    await settle()
    stand.queue.refuse_if_hopeless("b")
    for name in ("a1", "a2", "a3"):
        await stand.go(name)
    await asyncio.gather(*tasks)


async def test_who_would_wait_too_long_is_told_so_at_once() -> None:
    stand = Stand(replace(ONE, wait_seconds=25))
    first = stand.come("a1")
    await settle()
    stand.now += 10  # turns take 10 s, as far as is known
    await stand.go("a1")
    await first
    tasks = [stand.come(name) for name in ("a2", "a3", "a4")]
    await settle()
    with pytest.raises(QueueRefusedError) as refused:
        stand.queue.refuse_if_hopeless("a")
    assert refused.value.failure.headers["Retry-After"] == "5"
    stand.queue.refuse_if_hopeless("b")  # its turn would come after a3, in 20 s
    for name in ("a2", "a3", "a4"):
        await stand.go(name)
    await asyncio.gather(*tasks)


async def test_a_turn_that_does_not_come_in_time_is_a_429_too() -> None:
    stand = Stand(replace(ONE, wait_seconds=0.01))
    first, second = stand.come("a1"), stand.come("b1")
    with pytest.raises(QueueRefusedError):
        await second
    assert stand.queue.waiting == 0
    await stand.go("a1")
    await first


async def test_who_leaves_while_waiting_leaves_no_gap() -> None:
    stand = Stand()
    tasks = [stand.come(name) for name in ("a1", "b1", "c1")]
    await settle()
    tasks[1].cancel()
    await settle()
    assert stand.queue.waiting == 1
    await stand.go("a1")
    assert stand.order == ["a1", "c1"]
    await stand.go("c1")
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (stand.queue.running, stand.queue.waiting) == (0, 0)


async def test_a_turn_that_comes_as_its_owner_leaves_goes_to_the_next() -> None:
    stand = Stand()
    tasks = [stand.come(name) for name in ("a1", "b1", "c1")]
    await settle()
    stand._leave["a1"].set()
    await asyncio.sleep(0)  # a1 gives its turn to b1, which has not run since
    tasks[1].cancel()
    await settle()
    assert stand.order == ["a1", "c1"]
    await stand.go("c1")
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_turn_that_is_kept_goes_beyond_the_limit_and_counts() -> None:
    stand = Stand(replace(ONE, length=0))
    first = stand.come("a1")
    await settle()
    with stand.queue.turn_kept("b"):
        assert stand.queue.running == 2
        await stand.go("a1")
        await first
        with pytest.raises(QueueRefusedError):
            stand.queue.refuse_if_hopeless("a")
    stand.queue.refuse_if_hopeless("a")
    assert stand.queue.running == 0


async def test_one_that_leaves_as_a_turn_becomes_free_is_passed_over() -> None:
    stand = Stand()
    tasks = [stand.come(name) for name in ("a1", "b1", "c1")]
    await settle()
    stand._leave["a1"].set()
    tasks[1].cancel()  # before a1 has given its turn back
    await settle()
    assert stand.order == ["a1", "c1"]
    await stand.go("c1")
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [type(None), asyncio.CancelledError, type(None)]
    assert (stand.queue.running, stand.queue.waiting) == (0, 0)


async def test_empty_waits_for_those_that_run_and_those_that_wait() -> None:
    stand = Stand()
    await stand.queue.empty()
    tasks = [stand.come("a1"), stand.come("b1")]
    await settle()
    waiting = asyncio.create_task(stand.queue.empty())
    await stand.go("a1")
    assert not waiting.done()
    await stand.go("b1")
    await asyncio.wait_for(waiting, PATIENCE_SECONDS)
    await asyncio.gather(*tasks)


async def test_the_figures_follow_the_queue() -> None:
    stand = Stand(replace(ONE, length=1))
    tasks = [stand.come(name) for name in ("a1", "a2")]
    await settle()
    assert (stand.sample("answers_running"), stand.sample("queue_length")) == (1, 1)
    with pytest.raises(QueueRefusedError):
        stand.queue.refuse_if_hopeless("b")
    stand.now += 3
    for name in ("a1", "a2"):
        await stand.go(name)
    await asyncio.gather(*tasks)
    assert (stand.sample("answers_running"), stand.sample("queue_length")) == (0, 0)
    assert stand.sample("queue_wait_seconds_count") == 2
    assert stand.sample("queue_wait_seconds_sum") == 3
    refused = {"reason": "queue_full"}
    name = "heyken_gateway_refused_requests_total"
    assert stand.metrics.registry.get_sample_value(name, refused) == 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["come", "go", "cancel"]), st.integers(0, 30)), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_whatever_happens_turns_are_neither_lost_nor_given_twice(
    steps: list[tuple[str, int]],
) -> None:
    asyncio.run(_happen(steps))


async def _happen(steps: list[tuple[str, int]]) -> None:
    limits = QueueLimits(
        at_once=2, at_once_per_owner=1, length=6, length_per_owner=4, wait_seconds=99
    )
    stand, tasks, count = Stand(limits), {}, 0
    for action, number in steps:
        if action == "come":
            count += 1
            name = "abc"[number % 3] + chr(0x4E00 + count)
            tasks[name] = stand.come(name)
        elif tasks:
            name = sorted(tasks)[number % len(tasks)]
            if action == "go":
                stand._leave[name].set()
            else:
                tasks[name].cancel()
        if number % 2:
            await settle()
        assert stand.queue.running <= 2
        assert stand.queue.waiting <= 6
    for name in tasks:
        stand._leave[name].set()
    ends = await asyncio.wait_for(asyncio.gather(*tasks.values(), return_exceptions=True), 5)
    usual = (type(None), asyncio.CancelledError, QueueRefusedError)
    assert [end for end in ends if not isinstance(end, usual)] == []
    assert (stand.queue.running, stand.queue.waiting) == (0, 0)


@contextlib.asynccontextmanager
async def busy_house(
    open_with: OpenHouse, limits: QueueLimits
) -> AsyncIterator[tuple[House, asyncio.Event]]:
    """A house whose one turn is taken until the event is set."""
    busy = asyncio.Event()
    store = StoreLimits(concurrent_max=9, keep_seconds=600, abandon_seconds=0.01)
    house = await open_with(ScriptedModel("one", busy), Plan(queue=limits, store=store))
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as first:
        yield house, busy
        busy.set()
        await first.read()


async def test_a_question_waits_for_its_turn_instead_of_being_refused(
    open_with: OpenHouse,
) -> None:
    async with busy_house(open_with, ONE) as (house, busy):
        client = await house.client()
        async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as second:
            stream = sse_events(second)
            names = [(await anext(stream)).name for _ in range(3)]
            busy.set()
            rest = [event.name async for event in stream if event.name != ":"]
    assert names == [":"] * 3, "heartbeats come while the question waits"
    assert rest == ["start", "token", "done"]


async def test_the_refusal_of_a_full_queue_takes_milliseconds(open_with: OpenHouse) -> None:
    async with busy_house(open_with, replace(ONE, length=0)) as (house, _busy):
        client = await house.client()
        began = time.monotonic()
        for _ in range(20):
            async with client.post("/api/v1/chat", json=ASK) as refused:
                assert refused.status == 429
                assert int(refused.headers["Retry-After"]) >= 1
                assert (await refused.json())["code"] == "too_many_answers"
        assert time.monotonic() - began < 2, "a refusal waits for nothing"
        assert len(house.model.questions) == 1


@pytest.mark.parametrize("headers", [{}, STREAM])
async def test_who_leaves_gives_its_place_back(
    open_with: OpenHouse, headers: dict[str, str]
) -> None:
    limits = replace(USUAL_QUEUE, at_once=1)
    async with busy_house(open_with, limits) as (house, _busy):
        client = await house.client(TOKENS["other"][0])
        queue = house.doors.admission.queue
        asking = asyncio.create_task(client.post("/api/v1/chat", json=ASK, headers=headers))
        await eventually(lambda: queue.waiting == 1)
        if headers:
            (await asking).close()
        asking.cancel()
        await eventually(lambda: queue.waiting == 0)
