"""Turns at the model: so many questions at once, the others wait, each owner in turn.

The queue is bounded twice: in length, and by the time a newcomer would probably wait. Who does not
fit is told so at once, with a time to come back, and not after having waited in vain.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from heyken_glue.gateway.limits import retry_after
from heyken_glue.gateway.metrics import Metrics, Refused
from heyken_glue.gateway.problems import Failure
from heyken_glue.texts import text as _

# how much the newest turn changes the mean duration by which waiting times are foretold
WEIGHT_OF_NEWEST = 0.2


@dataclass(frozen=True)
class QueueLimits:
    """Turns at once (in all, for one owner), places to wait (likewise), and seconds to wait."""

    at_once: int
    at_once_per_owner: int
    length: int
    length_per_owner: int
    wait_seconds: float
    # owners with a number of turns of their own
    at_once_of: Mapping[str, int] = field(default_factory=dict)


class QueueRefusedError(Exception):
    """There is no place, or the turn did not come in time; `failure` is what the client gets."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


class FairQueue:
    """Gives turns; owners that wait are served round robin, each one's questions in order."""

    def __init__(
        self, limits: QueueLimits, *, clock: Callable[[], float], metrics: Metrics
    ) -> None:
        self.limits = limits
        self._clock, self._metrics = clock, metrics
        self._running: Counter[str] = Counter()
        # the order of the keys is the order in which owners get their next turn
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._mean_seconds = 0.0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def running(self) -> int:
        """How many have their turn now."""
        return self._running.total()

    @property
    def waiting(self) -> int:
        """How many wait for it."""
        return sum(map(len, self._waiting.values()))

    async def empty(self) -> None:
        """Return when nobody has a turn and nobody waits."""
        await self._empty.wait()

    def refuse_if_hopeless(self, owner: str) -> None:
        """Raise QueueRefusedError when a question of `owner` would not get a turn in time."""
        if self._free_for(owner) and not self._waiting:
            return
        own, limits = len(self._waiting.get(owner, ())), self.limits
        if self.waiting >= limits.length or own >= limits.length_per_owner:
            raise self._refusal(Refused.QUEUE_FULL, self._mean_seconds / limits.at_once)
        expected = self._expected_wait(owner)
        if expected > limits.wait_seconds:
            raise self._refusal(Refused.QUEUE_WAIT, expected - limits.wait_seconds)

    @contextlib.asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[None]:
        """Wait for a turn and hold it for as long as the context lasts.

        Raises QueueRefusedError at once when there is no place, or after `wait_seconds`.
        """
        self.refuse_if_hopeless(owner)
        arrived = self._clock()
        await self._wait(owner)
        began = self._clock()
        self._metrics.queue_wait_seconds.observe(began - arrived)
        try:
            yield
        finally:
            self._release(owner, lasted=self._clock() - began)

    @contextlib.contextmanager
    def turn_kept(self, owner: str) -> Iterator[None]:
        """Hold a turn beyond all limits: for what had its turn already, at a core that was lost."""
        self._running[owner] += 1
        self._show()
        try:
            yield
        finally:
            self._release(owner, lasted=None)

    async def _wait(self, owner: str) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(place)
        self._grant()
        self._show()
        try:
            async with asyncio.timeout(self.limits.wait_seconds):
                await place
        except BaseException as error:
            self._leave(owner, place)
            if isinstance(error, TimeoutError):
                raise self._refusal(Refused.QUEUE_WAIT, self._mean_seconds) from None
            raise

    def _leave(self, owner: str, place: asyncio.Future[None]) -> None:
        """Take back a place; its turn may have come in the very moment its owner gave up."""
        if place.done() and not place.cancelled():
            self._release(owner, lasted=None)
            return
        places = self._waiting.get(owner, deque())
        with contextlib.suppress(ValueError):  # passed over already, as it was given up
            places.remove(place)
        if not places:
            self._waiting.pop(owner, None)
        self._show()

    def _release(self, owner: str, *, lasted: float | None) -> None:
        self._running[owner] -= 1
        if not self._running[owner]:
            del self._running[owner]
        if lasted is not None:
            share = WEIGHT_OF_NEWEST if self._mean_seconds else 1.0
            self._mean_seconds += share * (lasted - self._mean_seconds)
        self._grant()
        self._show()

    def _grant(self) -> None:
        """Give free turns to those who wait, one owner after the other."""
        while self.running < self.limits.at_once:
            owner = next((name for name in self._waiting if self._free_for(name)), None)
            if owner is None:
                return
            places = self._waiting.pop(owner)
            place = places.popleft()
            if not place.done():  # else its owner was cancelled in this very moment
                place.set_result(None)
                self._running[owner] += 1
            if places:  # back to the end: the others come first
                self._waiting[owner] = places

    def _free_for(self, owner: str) -> bool:
        all_taken = self.running >= self.limits.at_once
        return not all_taken and self._running[owner] < self._at_once(owner)

    def _at_once(self, owner: str) -> int:
        own = self.limits.at_once_of.get(owner, self.limits.at_once_per_owner)
        return min(own, self.limits.at_once)

    def _expected_wait(self, owner: str) -> float:
        """Foretell a newcomer's waiting time in seconds, from how long turns took lately."""
        own = len(self._waiting.get(owner, ()))
        others = sum(
            min(len(places), own + 1) for name, places in self._waiting.items() if name != owner
        )
        for_all = (own + others + 1) / self.limits.at_once
        for_own = (own + 1) / self._at_once(owner)
        return self._mean_seconds * max(for_all, for_own)

    def _refusal(self, reason: Refused, seconds: float) -> QueueRefusedError:
        self._metrics.refused(reason)
        after = retry_after(seconds)
        text = _(
            "This core is making {running} answers and {waiting} questions wait, so yours would "
            "wait too long. Ask again in {seconds} s.",
            running=self.running,
            waiting=self.waiting,
            seconds=after,
        )
        return QueueRefusedError(Failure(429, "too_many_answers", text, {"Retry-After": after}))

    def _show(self) -> None:
        self._metrics.answers_running.set(self.running)
        self._metrics.queue_length.set(self.waiting)
        if self._running or self._waiting:
            self._empty.clear()
        else:
            self._empty.set()
