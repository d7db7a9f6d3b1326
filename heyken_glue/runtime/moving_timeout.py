"""Limits for the many short waits of one task, with one timer for all of them.

`asyncio.timeout` makes and drops a timer for each wait. Where every token of every stream is waited
for several times that is an eighth of the work. Here the timer runs on: when it rings it looks how
long the present wait may still last, and is set anew for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
# uvloop counts milliseconds: it may ring a little too early, and ask for no time at all
RESOLUTION_SECONDS = 0.001


class MovingTimeout:
    """Ends waits that last too long, one wait at a time; a context that drops the timer."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # the time is kept here: where none is left uvloop's timer does not know it
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._task: asyncio.Task[object] | None = None
        self._until: float | None = None
        self._over = False

    def __enter__(self) -> Self:
        """Begin; no timer runs before the first wait."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    async def wait(self, coming: Awaitable[T], *, until: float | None = None) -> T:
        """Return what `coming` brings; raise TimeoutError at `until`, in the loop's seconds."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        cancelling, self._task, self._until, self._over = task.cancelling(), task, until, False
        if until is not None and (self._timer is None or self._rings_at > until):
            self._set(until)
        try:
            return await coming
        except asyncio.CancelledError:
            if self._over and task.cancelling() <= cancelling + 1:
                raise TimeoutError from None
            raise
        finally:
            self._task = None
            if self._over:
                task.uncancel()

    @property
    def expired(self) -> bool:
        """Whether the last wait was ended because it lasted too long."""
        return self._over

    def expire(self) -> None:
        """End the present wait now, as if its time were over; without one nothing happens."""
        if self._task is not None and not self._over:
            self._over = True
            self._task.cancel()

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = at
        self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._task is None or self._until is None:
            return  # the next wait sets it again
        if self._loop.time() < self._until - RESOLUTION_SECONDS:
            self._set(self._until)
        else:
            self.expire()
