"""The store of answers: which are in the making, and the finished ones for a while.

These are bounded by age, number and size.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from heyken_glue import logs
from heyken_glue.domain.messages import State
from heyken_glue.gateway.answer import (
    CANCELLED,
    Answer,
    Asker,
    Observer,
    Producer,
    observer_of_nothing,
)

__all__ = ["Answer", "AnswerStore", "Asker", "Producer", "StoreLimits", "TooManyAnswersError"]
log = logs.get(__name__)


@dataclass(frozen=True)
class StoreLimits:
    """How much the store keeps, and how many answers may be in the making."""

    concurrent_max: int
    keep_seconds: float
    abandon_seconds: float = 10.0
    kept_max: int = 512
    kept_bytes_max: int = 32 * 1024 * 1024


class TooManyAnswersError(Exception):
    """As many answers as allowed are in the making."""


class AnswerStore:
    """All answers this process makes or remembers."""

    def __init__(
        self, limits: StoreLimits, *, clock: Callable[[], float], observer: Observer
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._observer = observer
        self._answers: dict[str, Answer] = {}
        # those that are over, the oldest first, and their size together
        self._finished: dict[Answer, None] = {}
        self._finished_bytes = 0
        self._running: dict[Answer, asyncio.Task[None]] = {}
        self._leaving = False
        self.forgotten: Observer = observer_of_nothing

    def start(
        self, producer: Producer, asker: Asker, *, answer_id: str | None = None, own: bool = True
    ) -> Answer:
        """Begin an answer; raises TooManyAnswersError when the limit is reached.

        An answer that is not our own, because another core makes it, does not count.
        """
        if own and self._in_the_making() >= self.limits.concurrent_max:
            raise TooManyAnswersError
        self._forget()
        answer_id = answer_id or secrets.token_hex(12)
        answer = Answer(answer_id, asker, clock=self._clock, observer=self._observer)
        answer.relayed = not own
        self._answers[answer.id] = answer
        answer.move(State.ACCEPTED)
        task = answer.run(producer)
        self._running[answer] = task
        task.add_done_callback(lambda ended: self._ended(answer, ended))
        return answer

    def drop(self, answer: Answer) -> None:
        """Forget an answer at once; somebody knows better."""
        self._let_go(answer)
        answer.cancel()

    def known(self, answer_id: str) -> Answer | None:
        """Return an answer, whoever owns it."""
        return self._answers.get(answer_id)

    def _in_the_making(self) -> int:
        return sum(1 for answer in self._running if not answer.relayed)

    def find(self, answer_id: str, *, owner: str) -> Answer | None:
        """Return the answer if it is still known and belongs to `owner`."""
        self._forget()
        answer = self._answers.get(answer_id)
        return answer if answer is not None and answer.asker.owner == owner else None

    def reading(
        self, answer: Answer, *, resumable: bool = True
    ) -> contextlib.AbstractContextManager[None]:
        """Count a reader of `answer` for as long as the context lasts.

        A reader that cannot come back takes the answer with it at once.
        """
        return answer.reading(grace_seconds=self.limits.abandon_seconds if resumable else 0.0)

    def load(self) -> dict[str, Any]:
        """Return how busy the model is: number, age of the oldest, time since the last token.

        prefill: whether some answer waits for its first token, so that silence is no hang.
        Questions that wait for their turn do not count: a model that has not got them is not slow.
        """
        now = self._clock()
        running = [
            answer
            for answer in self._running
            if not answer.relayed and answer.state is not State.ACCEPTED
        ]
        tokens = [answer.last_token_at for answer in running if answer.last_token_at is not None]
        oldest = min((answer.started_at for answer in running), default=now)
        return {
            "answers": len(running),
            "oldest_seconds": round(now - oldest, 3),
            "last_token_seconds": round(now - max(tokens), 3) if tokens else None,
            "prefill": any(answer.last_token_at is None for answer in running),
        }

    async def close(self, *, leaving: bool = False) -> None:
        """Cancel what is in the making and wait for it; leaving: another core goes on with it."""
        self._leaving = leaving
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, answer: Answer, task: asyncio.Task[None]) -> None:
        self._running.pop(answer, None)
        if not task.cancelled() and task.exception() is not None:
            log.error("answer_crashed", id=answer.id, exc_info=task.exception())
        if not answer.finished:
            if self._leaving:
                answer.leave()
            else:  # whatever happened, no reader may wait for ever
                answer.fail(CANCELLED)
        if self._answers.get(answer.id) is answer:
            self._finished[answer] = None
            self._finished_bytes += answer.size_bytes

    def _forget(self) -> None:
        """Drop finished answers that are too old, or the oldest of too many."""
        horizon, limits = self._clock() - self.limits.keep_seconds, self.limits
        while self._finished:
            answer = next(iter(self._finished))
            too_old = answer.finished_at is not None and answer.finished_at < horizon
            too_many = len(self._finished) > limits.kept_max
            if not (too_old or too_many or self._finished_bytes > limits.kept_bytes_max):
                return
            self._let_go(answer)
            self.forgotten(answer)

    def _let_go(self, answer: Answer) -> None:
        if self._answers.get(answer.id) is answer:
            del self._answers[answer.id]
        if answer in self._finished:
            del self._finished[answer]
            self._finished_bytes -= answer.size_bytes
