"""Making an answer: pieces of text from the model become events, within deadlines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

from heyken_glue import errors, logs
from heyken_glue.domain import continuing
from heyken_glue.domain.continuing import DivergedError, Plan, Resume, Resumed
from heyken_glue.domain.messages import State
from heyken_glue.domain.turns import Turn, newest_within
from heyken_glue.gateway.answers import Answer, Producer
from heyken_glue.gateway.ports import ChatModel
from heyken_glue.gateway.problems import QUESTION_TOO_LONG, Failure
from heyken_glue.runtime.moving_timeout import MovingTimeout
from heyken_glue.texts import Text
from heyken_glue.texts import text as _

log = logs.get(__name__)
Reason = Callable[[str], Awaitable[str | None]]
Opening = Callable[[Answer], Awaitable[None]]
RETRY_SOON = {"Retry-After": "2"}
# how often one answer goes on after its model failed in the middle of it
RESUMES_MAX = 3
# and how soon it is asked again after it said nothing at all
AGAIN_SECONDS = 0.1


async def _nothing(_answer: Answer) -> None:
    """Wait for nothing before an answer begins."""


@dataclass(frozen=True)
class Deadlines:
    """How long an answer may take, in seconds: to its first piece, between pieces, in all."""

    first_token: float
    token_gap: float
    answer: float


@dataclass(frozen=True)
class Kitchen:
    """Everything an answer is made with; `reason` asks why this core's model cannot answer.

    answer_tokens_max: the model's own limit of an answer, 0 for none. A model that goes on counts
    anew, so what was there before has to be counted for it.
    """

    model: ChatModel
    core_id: int
    deadlines: Deadlines
    reason: Reason
    conversation_bytes_max: int
    resume: Resume = Resume.CONTINUE
    answer_tokens_max: int = 0

    def fitting(self, turns: Sequence[Turn]) -> tuple[Turn, ...]:
        """Return as much of a conversation as the model can hold."""
        return newest_within(turns, self.conversation_bytes_max)

    def producer(self, turns: Sequence[Turn], opening: Opening = _nothing) -> Producer:
        """Return the coroutine function that answers the last of `turns`.

        Nothing reaches a reader before `opening` is over; the model begins meanwhile.
        """
        fitting = self.fitting(turns)

        async def produce(answer: Answer) -> None:
            answer.move(State.ANSWERING)
            await self.cook(answer, fitting, opening, exact=self.resume is Resume.EXACT)

        return produce

    async def cook(
        self, answer: Answer, turns: Sequence[Turn], opening: Opening, *, exact: bool
    ) -> None:
        """Make the rest of an answer, whatever of it is there already."""
        opened = asyncio.create_task(self._open(answer, opening))
        try:
            await self._go_on(answer, turns, opened, exact=exact)
        except errors.TooLongError:
            await opened
            answer.fail(QUESTION_TOO_LONG)
        except errors.HeykenError:
            await opened
            answer.fail(await self._unavailable(answer.asker.language))
        except TooSlowError as slow:
            await opened
            answer.fail(Failure(504, slow.code, slow.text))
        finally:
            opened.cancel()

    async def _open(self, answer: Answer, opening: Opening) -> None:
        await opening(answer)
        if not answer.events:
            answer.append("start", self.start_of(answer))

    def start_of(self, answer: Answer) -> dict[str, object]:
        """Return the data of an answer's first event."""
        data = {"id": answer.id, "core": self.core_id, "model": self.model.name}
        return {**data, **answer.provenance}

    async def _go_on(
        self, answer: Answer, turns: Sequence[Turn], opened: asyncio.Task[None], *, exact: bool
    ) -> None:
        """Ask the model, and where it breaks off in the middle, ask it for the rest.

        What readers have a part of is not given up at once: a core that has just taken over may
        still be loading its model. It may pause as long as a model may between two tokens.
        """
        loop = asyncio.get_running_loop()
        ends_at, failures = loop.time() + self.deadlines.answer, 0
        patient_until = loop.time() + self.deadlines.token_gap
        while True:
            plan = continuing.plan(turns, answer.text, exact=exact)
            answer.resumed = plan.resumed or answer.resumed
            before = answer.tokens
            try:
                if not self._is_full(answer, plan):
                    await self._pour(answer, plan, ends_at, opened)
                break
            except DivergedError:
                log.warning("answer_diverged", id=answer.id, tokens=before)
                exact = False
            except errors.TransientError as error:
                now = loop.time()
                if answer.tokens > before:
                    failures, patient_until = failures + 1, now + self.deadlines.token_gap
                if not answer.tokens or failures > RESUMES_MAX or now >= patient_until:
                    raise
                log.warning("answer_goes_on", id=answer.id, tokens=before, reason=str(error))
                if answer.tokens == before:
                    await asyncio.sleep(AGAIN_SECONDS)
        await opened
        answer.finish("stop")

    async def _pour(
        self, answer: Answer, plan: Plan, ends_at: float, opened: asyncio.Task[None]
    ) -> None:
        # async generators close with their context, which stops the model at once
        pieces = cast("AsyncGenerator[str]", self.model.stream(plan.turns))
        first = True
        with MovingTimeout() as timeout:
            source = _Source(pieces, timeout, self.deadlines, ends_at)
            async with contextlib.aclosing(pieces):
                while (piece := await source.next(first=first)) is not None:
                    first = False
                    if new := plan.sieve.new(piece):
                        await opened
                        answer.append_token(new)
                        if self._is_full(answer, plan):
                            return
        plan.sieve.close()

    def _is_full(self, answer: Answer, plan: Plan) -> bool:
        """Tell whether an undisturbed model would have come to the end of what it may say."""
        goes_on = plan.resumed is Resumed.CONTINUED
        return goes_on and 0 < self.answer_tokens_max <= answer.tokens

    async def _unavailable(self, language: str) -> Failure:
        reason: str | Text | None = await self.reason(language)
        text = _(
            "The model on core {core} cannot answer: {reason} Ask again in a few seconds; "
            "`heyken status` shows which core answers.",
            core=self.core_id,
            reason=reason or _("it broke off; its health is being looked at."),
        )
        return Failure(503, "model_unavailable", text, RETRY_SOON)


@dataclass(frozen=True)
class _Source:
    """The pieces of an answer, each of which has to come in time."""

    pieces: AsyncIterator[str]
    timeout: MovingTimeout
    deadlines: Deadlines
    ends_at: float

    async def next(self, *, first: bool) -> str | None:
        """Return the next piece, None at the end; raises TooSlowError when it is late."""
        seconds = self.deadlines.first_token if first else self.deadlines.token_gap
        until = min(asyncio.get_running_loop().time() + seconds, self.ends_at)
        try:
            return await self.timeout.wait(anext(self.pieces, None), until=until)
        except TimeoutError:
            if not self.timeout.expired:
                raise
        if until == self.ends_at:
            raise TooSlowError("answer_too_long", _too_long(self.deadlines.answer))
        raise TooSlowError("model_too_slow", _too_slow(seconds, first=first))


class TooSlowError(Exception):
    """A deadline of the answer passed."""

    def __init__(self, code: str, text: Text) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


def _too_long(seconds: float) -> Text:
    return _(
        "The answer was not complete after {seconds:g} s, the limit for one answer. "
        "Ask for less at once.",
        seconds=seconds,
    )


def _too_slow(seconds: float, *, first: bool) -> Text:
    if first:
        return _(
            "The model did not begin to answer within {seconds:g} s. It is overloaded or the "
            "question is very long: ask again in a minute, or shorter.",
            seconds=seconds,
        )
    return _(
        "The model stopped in the middle of the answer: nothing came for {seconds:g} s. Ask again.",
        seconds=seconds,
    )
