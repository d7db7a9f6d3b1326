"""A request that stays silent is asked beside; the first good answer counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from heyken_glue import errors
from heyken_glue.runtime.hedge import hedged

SOON, NEVER = 0.01, 3600.0


def script(*answers: str | Exception | None) -> tuple[Callable[[], Awaitable[str]], list[str]]:
    """Return a call that answers in turn (None: never), and the list of what became of each."""
    left, seen = list(answers), list[str]()

    async def call() -> str:
        answer = left.pop(0)
        try:
            if answer is None:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("left")
            raise
        seen.append("answered")
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    return call, seen


async def test_a_prompt_answer_is_asked_for_once() -> None:
    call, seen = script("one")
    assert await hedged(call, after_seconds=NEVER) == "one"
    assert seen == ["answered"]


async def test_a_request_into_the_void_is_asked_again_and_left() -> None:
    call, seen = script(None, "two")
    assert await hedged(call, after_seconds=SOON) == "two"
    assert seen == ["answered", "left"]


async def test_a_slow_answer_still_counts_after_others_were_asked() -> None:
    slow: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    calls = 0

    async def call() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            return await slow
        if calls == 3:
            slow.set_result("slow")
        await asyncio.Event().wait()
        return "never"

    assert await asyncio.wait_for(hedged(call, after_seconds=SOON), 10) == "slow"


async def test_a_refusal_is_told_at_once() -> None:
    call, _seen = script(errors.PermanentError("no"))
    with pytest.raises(errors.PermanentError, match="no"):
        await asyncio.wait_for(hedged(call, after_seconds=NEVER), 10)


async def test_a_second_request_that_fails_does_not_spoil_the_first() -> None:
    slow: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    calls = 0

    async def call() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            return await slow
        asyncio.get_running_loop().call_soon(slow.set_result, "first")
        raise errors.TransientError("nobody there")

    assert await asyncio.wait_for(hedged(call, after_seconds=SOON, attempts=2), 10) == "first"


async def test_a_refusal_counts_though_another_request_still_waits() -> None:
    call, _seen = script(None, errors.PermanentError("no"))
    with pytest.raises(errors.PermanentError, match="no"):
        await asyncio.wait_for(hedged(call, after_seconds=SOON, attempts=2), 10)


async def test_when_all_fail_the_last_failure_is_told() -> None:
    ready = asyncio.Event()
    calls = 0

    async def call() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            await ready.wait()
            raise errors.TransientError("first")
        ready.set()
        raise errors.TransientError("second")

    with pytest.raises(errors.TransientError):
        await asyncio.wait_for(hedged(call, after_seconds=SOON, attempts=2), 10)
