"""From a question to the model's words: the conversation, the stream, and trying again."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from heyken_glue.domain.chat import Message, User
from heyken_glue.domain.conversation import conversation, reply_id
from heyken_glue.domain.turns import Turn
from heyken_glue.runtime.clock import Clock
from heyken_glue.runtime.http import RetryPolicy
from heyken_glue.services.assistant_draft import Draft
from heyken_glue.services.assistant_gateway import TOO_LARGE
from heyken_glue.services.assistant_jobs import Job
from heyken_glue.services.assistant_ports import AnswerFailedError, Chat, Model
from heyken_glue.services.assistant_sheet import Patience

ATTEMPTS_MAX = 5
BUSY_SECONDS = 120.0
TEXT_MAX = 200_000
_BUSY = frozenset({"too_many_answers", "http-429"})
# the answer itself may be well, or was not begun: asked for again under the same key it goes on
_SAME = _BUSY | {"cut", "silent"}
# what was asked under it was not the same after all
_REUSED = "key_reused"
_AGAIN = RetryPolicy(base_seconds=1.0, cap_seconds=8.0)
# no jitter: several cores never ask the same gateway
_ROLL = 1.0


class QuestionGoneError(Exception):
    """The question was deleted before it was answered."""


def _key(job: Job, turns: tuple[Turn, ...], anew: int) -> str:
    """Return the key of an answer: the same on both cores for the same question and words."""
    said = "\0".join(f"{turn.role}\0{turn.content}" for turn in turns)
    digest = hashlib.sha256(said.encode(errors="replace")).hexdigest()[:16]
    return f"{reply_id(job.id)}-{digest}-{anew}"


@dataclass(frozen=True)
class Pourer:
    """Fills drafts with what the model says."""

    chat: Chat
    model: Model
    patience: Patience
    own: User
    clock: Clock
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def pour(self, job: Job, draft: Draft) -> AnswerFailedError | None:
        """Try until there is an answer; returns why there is none in the end."""
        turns = await self._turns(job)
        busy_until = self.clock.monotonic() + BUSY_SECONDS
        anew = 0
        while True:
            job.attempts += 1
            draft.restart()
            try:
                await self._try(turns, job, draft, anew=anew)
            except AnswerFailedError as failure:
                anew += failure.code not in _SAME
                if failure.code == TOO_LARGE and len(turns) > 1:
                    turns = turns[-1:]  # the question alone may still fit
                    continue
                if failure.code in _BUSY and self.clock.monotonic() < busy_until:
                    job.attempts -= 1  # nobody tried
                elif (failure.is_final and failure.code != _REUSED) or job.attempts >= ATTEMPTS_MAX:
                    return failure
                wait = _AGAIN.delay(max(1, job.attempts), roll=_ROLL)
                await self.pause(max(wait, min(failure.retry_after or 0.0, BUSY_SECONDS)))
            else:
                return None

    async def give_up(self, job: Job) -> None:
        """Stop the model at once: nobody wants the answer any more, on this core or another."""
        if job.key:
            await self.model.cancel(owner=job.owner, key=job.key)

    async def _try(self, turns: tuple[Turn, ...], job: Job, draft: Draft, *, anew: int) -> None:
        job.key = _key(job, turns, anew)
        stream = self.model.stream(
            turns, asker=job.asker, owner=job.owner, language=job.language, key=job.key
        )
        async with contextlib.aclosing(stream) as pieces:
            async for piece in pieces:
                draft.add(piece)
                if draft.length >= TEXT_MAX:
                    return

    async def _turns(self, job: Job) -> tuple[Turn, ...]:
        """Read the thread as it is now; an edited question is asked in its newest words."""
        thread = await self.patience.until_read(lambda: self._thread(job))
        question = next((message for message in thread if message.id == job.id), None)
        if question is None or question.system_type:
            raise QuestionGoneError
        return conversation(thread, question, own=self.own)

    async def _thread(self, job: Job) -> tuple[Message, ...]:
        known: tuple[Message, ...] = ()
        if job.question.thread_id is not None:
            known = await self.chat.thread(job.question.thread_id)
        if any(message.id == job.id for message in known):
            return known
        question = await self.chat.message(job.id)
        return known if question is None else (*known, question)
