"""Whether a question is taken on: not while the gateway drains, and only with a turn in sight."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from heyken_glue import logs
from heyken_glue.gateway.answers import Answer, Producer
from heyken_glue.gateway.metrics import Metrics, Refused
from heyken_glue.gateway.problems import Failure, Problem
from heyken_glue.gateway.queueing import FairQueue, QueueRefusedError
from heyken_glue.texts import text as _

log = logs.get(__name__)
DRAINING = Failure(
    503,
    "draining",
    _("This core's gateway is going down and takes no new questions; what it began it finishes. "
      "Ask again in a moment."),
    {"Retry-After": "1", "Connection": "close"},
)  # fmt: skip


class Admission:
    """The one place that every question passes, whoever asks it."""

    def __init__(self, queue: FairQueue, metrics: Metrics) -> None:
        self.queue = queue
        self._metrics = metrics
        self.draining = False

    def admit(self, owner: str, producer: Producer) -> Producer:
        """Return `producer` made to wait for its turn; Problem (429, 503) when there is none.

        What is refused here costs nothing more. The answer of a turn that does not come in time
        fails with 429.
        """
        self._refuse_if_hopeless(owner)

        async def in_turn(answer: Answer) -> None:
            try:
                async with self.queue.turn(owner):
                    await producer(answer)
            except QueueRefusedError as refused:
                answer.fail(refused.failure)

        return in_turn

    @contextlib.asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[None]:
        """Hold a turn for something that is no answer of ours; Problem when there is none."""
        self._refuse_if_hopeless(owner)
        try:
            async with self.queue.turn(owner):
                yield
        except QueueRefusedError as refused:
            raise Problem.of(refused.failure) from None

    def turn_kept(self, owner: str) -> contextlib.AbstractContextManager[None]:
        """Hold a turn beyond all limits, for an answer that a lost core had taken on."""
        return self.queue.turn_kept(owner)

    async def drain(self, *, seconds: float) -> None:
        """Take no new questions, and wait until those taken on are answered, or `seconds`."""
        self.draining = True
        log.info("drain_began", running=self.queue.running, waiting=self.queue.waiting)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.queue.empty()
        log.info("drain_ended", running=self.queue.running, waiting=self.queue.waiting)

    def _refuse_if_hopeless(self, owner: str) -> None:
        if self.draining:
            self._metrics.refused(Refused.DRAINING)
            raise Problem.of(DRAINING)
        try:
            self.queue.refuse_if_hopeless(owner)
        except QueueRefusedError as refused:
            raise Problem.of(refused.failure) from None
