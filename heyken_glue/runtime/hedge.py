"""Asking once more beside a request that stays silent, for what may be asked twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from heyken_glue import errors

T = TypeVar("T")


async def hedged(call: Callable[[], Awaitable[T]], *, after_seconds: float, attempts: int = 3) -> T:
    """Return the first answer; each time `after_seconds` pass without one, ask beside.

    A host that is lost closes no connection: whoever had just asked it would wait until the last
    timeout, while one that is only slow may still answer the first request. A refusal is an answer
    too, and raised; TransientError only when all requests failed so. The rest are cancelled.
    """
    asked: set[asyncio.Future[T]] = set()
    try:
        for left in reversed(range(attempts)):
            asked.add(asyncio.ensure_future(call()))
            deadline = asyncio.get_running_loop().time() + after_seconds if left else None
            told = await _first_told(asked, deadline)
            if told is not None:
                return told.result()
        raise AssertionError("the last round ends with an answer or an error")  # pragma: no cover
    finally:
        for request in asked:
            request.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


async def _first_told(
    asked: set[asyncio.Future[T]], deadline: float | None
) -> asyncio.Future[T] | None:
    """Wait for an answer or a refusal, or the last of the failures; None when it is too late."""
    loop, pending = asyncio.get_running_loop(), {one for one in asked if not one.done()}
    while pending:
        patience = None if deadline is None else max(0.0, deadline - loop.time())
        done, pending = await asyncio.wait(
            pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
        told = [one for one in done if not isinstance(one.exception(), errors.TransientError)]
        if told or (done and not pending):
            return (told or list(done))[0]
        if not done:
            return None
    return None
