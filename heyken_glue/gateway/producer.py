"""Making an answer: pieces of text from the model become events, within deadlines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

from heyken_glue import errors
from heyken_glue.domain.messages import State
from heyken_glue.domain.turns import Turn, newest_within
from heyken_glue.gateway.answers import Answer, Producer
from heyken_glue.gateway.ports import ChatModel
from heyken_glue.gateway.problems import Failure
from heyken_glue.texts import Text
from heyken_glue.texts import text as _

Reason = Callable[[str], Awaitable[str | None]]
RETRY_SOON = {"Retry-After": "2"}


@dataclass(frozen=True)
class Deadlines:
    """How long an answer may take, in seconds: to its first piece, between pieces, in all."""

    first_token: float
    token_gap: float
    answer: float


@dataclass(frozen=True)
class Kitchen:
    """Everything an answer is made with; `reason` asks why this core's model cannot answer."""

    model: ChatModel
    core_id: int
    deadlines: Deadlines
    reason: Reason
    conversation_bytes_max: int

    def producer(self, turns: Sequence[Turn]) -> Producer:
        """Return the coroutine function that answers the last of `turns`."""
        fitting = newest_within(turns, self.conversation_bytes_max)

        async def produce(answer: Answer) -> None:
            data = {"id": answer.id, "core": self.core_id, "model": self.model.name}
            answer.move(State.ANSWERING)
            answer.append("start", data)
            try:
                await self._pour(answer, fitting)
            except errors.HeykenError:
                answer.fail(await self._unavailable(answer.asker.language))
            except TooSlowError as slow:
                answer.fail(Failure(504, slow.code, slow.text))

        return produce

    async def _pour(self, answer: Answer, turns: Sequence[Turn]) -> None:
        ends_at = asyncio.get_running_loop().time() + self.deadlines.answer
        # async generators close with their context, which stops the model at once
        pieces = cast("AsyncGenerator[str]", self.model.stream(turns))
        async with contextlib.aclosing(pieces):
            while (piece := await self._next(pieces, answer, ends_at)) is not None:
                if piece:
                    answer.append_token(piece)
        answer.finish("stop")

    async def _next(self, pieces: AsyncIterator[str], answer: Answer, ends_at: float) -> str | None:
        first = answer.tokens == 0
        patience = self.deadlines.first_token if first else self.deadlines.token_gap
        until = min(asyncio.get_running_loop().time() + patience, ends_at)
        try:
            async with asyncio.timeout_at(until) as deadline:
                return await anext(pieces, None)
        except TimeoutError:
            if not deadline.expired():
                raise
        if until == ends_at:
            raise TooSlowError("answer_too_long", _too_long(self.deadlines.answer))
        raise TooSlowError("model_too_slow", _too_slow(patience, first=first))

    async def _unavailable(self, language: str) -> Failure:
        reason: str | Text | None = await self.reason(language)
        text = _(
            "The model on core {core} cannot answer: {reason} Ask again in a few seconds; "
            "`heyken status` shows which core answers.",
            core=self.core_id,
            reason=reason or _("it broke off; its health is being looked at."),
        )
        return Failure(503, "model_unavailable", text, RETRY_SOON)


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
