"""A scripted store for copies of answers, and answers that are copied to it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Sequence

from heyken_glue import errors
from heyken_glue.domain.copies import Copy, Portion, Question, RunName, RunState
from heyken_glue.domain.messages import State
from heyken_glue.gateway.answers import Answer, Asker
from heyken_glue.gateway.copies import Copies, Pace

RUN = RunName(0, 1)
QUESTION = Question("digest", "operator", "en", (), "d", "m@1", 1.0)
SOON = Pace(interval=0.001, accept=0.05, retry=0.001, farewell=0.05, read_own=0.05)
NEVER = dataclasses.replace(SOON, interval=3600)


class ScriptedStore:
    """Keeps tokens by answer; is away or silent when told to be."""

    def __init__(self, name: str = "store") -> None:
        self.name = name
        self.away = False
        self.bug: Exception | None = None
        self.silent = asyncio.Event()
        self.silent.set()
        self.writes: list[list[Portion]] = []
        self.texts: dict[str, list[str]] = {}
        self.states: dict[str, RunState] = {}
        self.pings = 0

    async def ping(self) -> None:
        await self.silent.wait()
        self._demand()
        self.pings += 1

    async def write(self, portions: Sequence[Portion]) -> Sequence[int]:
        await self.silent.wait()
        self._demand()
        self.writes.append(list(portions))
        for portion in portions:
            if not portion.base:
                self.texts[portion.answer_id] = []
            if portion.answer_id in self.texts:
                self.texts[portion.answer_id] += portion.texts
            self.states[portion.answer_id] = portion.state
        return [len(self.texts.get(portion.answer_id, [])) for portion in portions]

    async def read(self, answer_id: str) -> Copy | None:
        del answer_id
        await self.silent.wait()
        self._demand()
        return None

    async def forget(self, runs: Sequence[tuple[str, RunName]]) -> None:
        for id_, _run in runs:
            self.texts.pop(id_, None)

    def _demand(self) -> None:
        if self.bug is not None:
            raise self.bug
        if self.away:
            raise errors.TransientError("away")


@contextlib.asynccontextmanager
async def copying(*stores: ScriptedStore, pace: Pace = SOON) -> AsyncIterator[Copies]:
    copies = Copies(stores, pace)
    copies.start()
    yield copies
    await copies.close()


def answer_in(copies: Copies, id_: str = "a") -> Answer:
    answer = Answer(
        id_,
        Asker("operator", "digest", "en"),
        clock=asyncio.get_running_loop().time,
        observer=lambda _: None,
    )
    answer.move(State.ACCEPTED)
    answer.move(State.ANSWERING)
    copies.track(answer, QUESTION, RUN)
    return answer
