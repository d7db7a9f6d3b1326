"""Back ends: the model of this core first, then the other core's, behind a circuit breaker each.

A question goes on to the next back end only while no piece of text came: what a client has read is
never taken back. A core whose health unit says that it cannot answer is not asked at all, and left
at once when it says so while we wait for a piece: that is how a hung model is found. Whoever has a
part of the answer by then asks for the rest of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

from heyken_glue import errors, logs
from heyken_glue.domain.turns import Turn
from heyken_glue.gateway.metrics import CircuitState, Metrics
from heyken_glue.gateway.ports import ChatModel
from heyken_glue.runtime.moving_timeout import MovingTimeout

log = logs.get(__name__)
WATCH_SECONDS = 0.25
_BAD_REQUEST = 400
WhyNot = Callable[[], Awaitable[str | None]]


@dataclass(frozen=True)
class CircuitLimits:
    """So many failures in a row open a circuit, for so many seconds."""

    failures_max: int
    cooldown_seconds: float


class Circuit:
    """Closed: asked. Open: not asked until the cool-down is over. Half-open: one may try."""

    def __init__(
        self,
        limits: CircuitLimits,
        *,
        clock: Callable[[], float],
        changed: Callable[[CircuitState], None],
    ) -> None:
        self._limits, self._clock, self._changed = limits, clock, changed
        self._failures = 0
        self._opened_at = 0.0
        self.state = CircuitState.CLOSED
        changed(self.state)

    def admits(self) -> bool:
        """Tell whether the back end may be asked now; a True after the cool-down is the trial."""
        if self.state is CircuitState.OPEN:
            if self._clock() - self._opened_at < self._limits.cooldown_seconds:
                return False
            self._move(CircuitState.HALF_OPEN)
            return True
        return self.state is CircuitState.CLOSED

    def succeeded(self) -> None:
        """Note that the back end answered."""
        self._failures = 0
        self._move(CircuitState.CLOSED)

    def failed(self) -> None:
        """Note that it did not."""
        self._failures += 1
        if self.state is CircuitState.HALF_OPEN or self._failures >= self._limits.failures_max:
            self._opened_at = self._clock()
            self._move(CircuitState.OPEN)

    def abandoned(self) -> None:
        """Note that a trial is over; without an outcome the next one may try again."""
        if self.state is CircuitState.HALF_OPEN:
            self._move(CircuitState.OPEN)

    def _move(self, state: CircuitState) -> None:
        if state is not self.state:
            self.state = state
            self._changed(state)


async def no_objection() -> None:
    """Say that nothing is known against a back end."""


@dataclass(frozen=True)
class BackEnd:
    """One that may answer; `why_not` returns a reason not to ask it."""

    name: str
    model: ChatModel
    circuit: Circuit
    why_not: WhyNot = no_objection


class BackEnds:
    """A `ChatModel` that is as many as there are back ends, in the order of preference."""

    def __init__(
        self,
        back_ends: Sequence[BackEnd],
        *,
        metrics: Metrics,
        clock: Callable[[], float],
        watch_seconds: float = WATCH_SECONDS,
    ) -> None:
        self._back_ends = tuple(back_ends)
        self._metrics, self._clock, self._watch_seconds = metrics, clock, watch_seconds

    @property
    def name(self) -> str:
        """The name of the preferred one's model."""
        return self._back_ends[0].model.name

    async def stream(self, turns: Sequence[Turn]) -> AsyncGenerator[str]:
        """Answer piece by piece, from the first back end that gives a piece.

        Raises what the last one that was asked raised, TransientError when none could be asked.
        """
        failure: errors.HeykenError = errors.TransientError("No back end can be asked now")
        tried = False
        async with contextlib.aclosing(self._candidates()) as candidates:
            async for back_end in candidates:
                if tried:
                    self._metrics.retried(back_end.name)
                tried = True
                attempt = _Attempt(back_end, self._metrics, self._clock, self._watch_seconds)
                try:
                    async with contextlib.aclosing(attempt.pieces(turns)) as pieces:
                        async for piece in pieces:
                            yield piece
                except errors.HeykenError as error:
                    if attempt.began or _is_the_requests_fault(error):
                        raise
                    failure = error
                    log.warning("backend_failed", backend=back_end.name, error=str(error))
                else:
                    return
        raise failure

    async def _candidates(self) -> AsyncGenerator[BackEnd]:
        """Yield who may be asked, last of all who is being tried just now: that beats a refusal."""
        on_trial = []
        for back_end in self._back_ends:
            if await back_end.why_not() is not None:
                continue
            if back_end.circuit.admits():
                yield back_end
            elif back_end.circuit.state is CircuitState.HALF_OPEN:
                on_trial.append(back_end)
        for back_end in on_trial:
            if back_end.circuit.state is not CircuitState.OPEN:
                yield back_end


class _Attempt:
    """One question at one back end, with what is learnt from it."""

    def __init__(
        self,
        back_end: BackEnd,
        metrics: Metrics,
        clock: Callable[[], float],
        watch_seconds: float,
    ) -> None:
        self._back_end, self._metrics, self._clock = back_end, metrics, clock
        self._watch_seconds = watch_seconds
        self._asked_at = clock()
        self._first_at: float | None = None
        self._count = self._waits = 0
        self._timeout = MovingTimeout()
        self._why: str | None = None

    @property
    def began(self) -> bool:
        """Whether a piece of text came."""
        return self._first_at is not None

    async def pieces(self, turns: Sequence[Turn]) -> AsyncGenerator[str]:
        """Yield the pieces; the circuit learns how it went."""
        circuit, outcome = self._back_end.circuit, "left"
        source = cast("AsyncGenerator[str]", self._back_end.model.stream(turns))
        listening = asyncio.create_task(self._listen())
        try:
            async with contextlib.aclosing(source):
                piece = await self._heard(_first_text(source))
                if circuit.state is CircuitState.HALF_OPEN:
                    circuit.succeeded()  # the others need not wait for the end of the trial
                while piece is not None:
                    self._note(piece)
                    yield piece
                    piece = await self._heard(anext(source, None))
            outcome = "ok"
            circuit.succeeded()
        except errors.HeykenError as error:
            outcome = "refused" if _is_the_requests_fault(error) else "failed"
            (circuit.succeeded if outcome == "refused" else circuit.failed)()
            raise
        finally:
            listening.cancel()
            circuit.abandoned()
            self._close(outcome)

    async def _heard(self, coming: Awaitable[str | None]) -> str | None:
        """Wait for a piece, until health says that it will not come."""
        self._waits += 1
        try:
            return await self._timeout.wait(coming)
        except TimeoutError:
            if not self._timeout.expired:
                raise
            raise errors.TransientError(
                f"No text came, and its core cannot answer: {self._why}",
                against=self._back_end.name,
            ) from None

    async def _listen(self) -> None:
        """Listen to health while a piece keeps everybody waiting."""
        while True:
            waits = self._waits
            await asyncio.sleep(self._watch_seconds / 2)  # of which a wait sees one whole
            if self._waits != waits:
                continue  # pieces come
            try:
                self._why = await self._back_end.why_not()
            except Exception:  # the top of a loop that must not end
                log.exception("backend_watch_crashed", backend=self._back_end.name)
                continue
            if self._why is not None and self._waits == waits:
                self._timeout.expire()

    def _note(self, piece: str) -> None:
        if self._first_at is None:
            self._first_at = self._clock()
            self._metrics.first_token_seconds.observe(self._first_at - self._asked_at)
        if piece:
            self._count += 1
            self._metrics.tokens.inc()

    def _close(self, outcome: str) -> None:
        self._metrics.asked(self._back_end.name, outcome=outcome)
        if self._first_at is None or outcome != "ok":
            return
        lasted = self._clock() - self._first_at
        if self._count > 1 and lasted > 0:
            self._metrics.tokens_per_second.observe((self._count - 1) / lasted)


async def _first_text(source: AsyncGenerator[str]) -> str | None:
    while (piece := await anext(source, None)) is not None:
        if piece:
            return piece
    return None


def _is_the_requests_fault(error: errors.HeykenError) -> bool:
    """Tell whether any back end would refuse this: no reason to doubt the one that did."""
    refused = isinstance(error, errors.PermanentError) and error.status == _BAD_REQUEST
    return refused or isinstance(error, errors.TooLongError)
