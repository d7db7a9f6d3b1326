"""Waits that last too long end, the others are left alone, and no cancellation is swallowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvloop

from heyken_glue.runtime.moving_timeout import MovingTimeout


@pytest.fixture
async def limit() -> AsyncIterator[MovingTimeout]:
    with MovingTimeout() as made:
        yield made


def soon(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def bring(value: str, *, after: float) -> str:
    await asyncio.sleep(after)
    return value


async def here(value: str) -> str:
    return value


async def test_what_comes_in_time_is_returned(limit: MovingTimeout) -> None:
    assert await limit.wait(bring("a", after=0.01), until=soon(5)) == "a"
    assert await limit.wait(bring("b", after=0)) == "b"
    assert not limit.expired


async def test_a_wait_that_lasts_too_long_ends(limit: MovingTimeout) -> None:
    with pytest.raises(TimeoutError):
        await limit.wait(bring("never", after=5), until=soon(0.02))
    assert limit.expired
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_each_wait_has_its_own_limit(limit: MovingTimeout) -> None:
    """The timer of a wait that is over does not end a later one before its time."""
    await limit.wait(bring("short", after=0), until=soon(0.03))
    assert await limit.wait(bring("long", after=0.1), until=soon(5)) == "long"
    with pytest.raises(TimeoutError):  # earlier than the timer that runs
        await limit.wait(bring("never", after=5), until=soon(0.02))
    await limit.wait(bring("again", after=0.05), until=soon(5))
    assert not limit.expired


async def test_many_waits_share_a_timer(
    limit: MovingTimeout, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, made = asyncio.get_running_loop(), list[float]()
    call_at = loop.call_at

    def counted(when: float, *rest: Any) -> asyncio.TimerHandle:
        made.append(when)
        return call_at(when, *rest)

    monkeypatch.setattr(loop, "call_at", counted)
    for _ in range(50):
        await limit.wait(asyncio.sleep(0), until=soon(5))
    assert len(made) == 1


async def test_a_cancellation_from_elsewhere_is_none_of_ours() -> None:
    async def waits() -> None:
        with MovingTimeout() as own:
            await own.wait(bring("never", after=5), until=soon(5))

    task = asyncio.create_task(waits())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_beside_an_end_wins() -> None:
    own: list[MovingTimeout] = []

    async def waits() -> None:
        with MovingTimeout() as made:
            own.append(made)
            await made.wait(bring("never", after=5))

    task = asyncio.create_task(waits())
    await asyncio.sleep(0.01)
    own[0].expire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_within_is_told_from_ours(limit: MovingTimeout) -> None:
    async def fails() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await limit.wait(fails(), until=soon(5))
    assert not limit.expired


async def test_nothing_is_ended_while_nobody_waits(limit: MovingTimeout) -> None:
    limit.expire()
    await limit.wait(asyncio.sleep(0), until=soon(0.01))
    await asyncio.sleep(0.03)  # its timer rings now
    assert await limit.wait(bring("a", after=0), until=soon(5)) == "a"


class Counting(MovingTimeout):
    """Counts how often its timer rings."""

    rings = 0

    def _ring(self) -> None:
        self.rings += 1
        super()._ring()


def test_the_loop_of_the_units_counts_milliseconds() -> None:
    """Its timer does not know its time where none is left, and may ring before it."""

    async def waits() -> None:
        with Counting() as own:
            for _ in range(3):
                assert await own.wait(here("a"), until=soon(-1)) == "a"
            for part in range(20):
                with pytest.raises(TimeoutError):
                    await own.wait(bring("never", after=5), until=soon(0.004 + part / 1e6 + 1e-12))
                assert await own.wait(here("b"), until=soon(0)) == "b"
            assert own.rings <= 60, "it rings again and again within a millisecond"

    uvloop.run(waits())
