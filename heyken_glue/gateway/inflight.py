"""Answers that outlive their core: begun, found again here or in the copies, and gone on with."""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from heyken_glue import errors, logs
from heyken_glue.domain.continuing import Resume, Resumed
from heyken_glue.domain.copies import (
    Copy,
    Question,
    RunName,
    RunState,
    answer_id,
    digest_of,
)
from heyken_glue.domain.delivered import Delivered
from heyken_glue.domain.messages import State
from heyken_glue.domain.turns import Turn
from heyken_glue.gateway.admission import Admission
from heyken_glue.gateway.answers import Answer, AnswerStore, Asker, Producer
from heyken_glue.gateway.copies import Copies
from heyken_glue.gateway.handover import Following, PeerAnswers, PeerEvent
from heyken_glue.gateway.problems import Failure, Problem
from heyken_glue.gateway.producer import Kitchen
from heyken_glue.gateway.search import Found, Search
from heyken_glue.gateway.streams import whole
from heyken_glue.texts import Text
from heyken_glue.texts import text as _

log = logs.get(__name__)
KEY_REUSED = _(
    "This Idempotency-Key was used for another question. Take a new key for a new question."
)
UNREADABLE = _(
    "What this core knows of answers cannot be read at the moment. Come back in a second with the "
    "same “Last-Event-ID”."
)


@dataclass(frozen=True)
class InFlight:
    """The store of answers, what makes them, and what both cores know of them.

    peers: the other cores' gateways by core number. model_id: name and digest of the model, as
    exact repetition needs the same one.
    """

    store: AnswerStore
    kitchen: Kitchen
    admission: Admission
    copies: Copies
    peers: Mapping[int, PeerAnswers]
    model_id: str
    wall_clock: Callable[[], float] = time.time
    _locks: weakref.WeakValueDictionary[str, asyncio.Lock] = field(
        default_factory=weakref.WeakValueDictionary
    )

    def begin(
        self, turns: Sequence[Turn], asker: Asker, *, id_: str | None = None, generation: int = 0
    ) -> Answer:
        """Start an answer; Problem (429, 503) when there is no turn in sight."""
        question = Question(
            owner=asker.owner,
            asker=asker.name,
            language=asker.language,
            turns=self.kitchen.fitting(turns),
            digest=digest_of(turns),
            model=self.model_id,
            started=self.wall_clock(),
        )
        cooking = self.kitchen.producer(turns, self.copies.accepted)
        producer = self.admission.admit(asker.owner, cooking)
        answer = self.store.start(producer, asker, answer_id=id_)
        self._own(answer, question, generation)
        return answer

    async def obtain(self, turns: Sequence[Turn], asker: Asker, key: str | None) -> Answer:
        """Return the answer to what was asked under `key`: a new one, the running or finished one.

        A failure is no answer: the question is asked again. Problem 409 for another question.
        """
        if key is None:
            return self.begin(turns, asker)
        id_ = answer_id(asker.owner, key)
        async with self._lock(id_):
            answer = None
            with contextlib.suppress(errors.TransientError):  # better asked twice than not at all
                answer = await self._find(id_, asker.owner)
            if answer is None:
                return self.begin(turns, asker, id_=id_)
            if answer.question_digest != digest_of(turns):
                raise Problem(409, "key_reused", KEY_REUSED)
            if answer.failure is None:
                return answer
            self.store.drop(answer)
            return self.begin(turns, asker, id_=id_, generation=answer.generation + 1)

    async def find(self, id_: str, owner: str, delivered: Delivered | None = None) -> Answer | None:
        """Return an answer of `owner`, or None; Problem 503 if nobody can tell.

        delivered: what a reader has of it; if it has to go on here, it goes on behind that.
        """
        async with self._lock(id_):
            try:
                return await self._find(id_, owner, delivered)
            except errors.TransientError:
                headers = {"Retry-After": "1"}
                raise Problem(503, "copies_unreadable", UNREADABLE, headers=headers) from None

    async def cancel(self, id_: str, owner: str) -> bool:
        """Stop an answer of `owner` at once, here or where it is made; False if none is made."""
        answer = self.store.find(id_, owner=owner)
        if answer is None or answer.finished:
            return False
        answer.cancel()
        if answer.relayed:
            await asyncio.gather(*(peer.cancel(id_) for peer in self.peers.values()))
        return True

    async def close(self) -> None:
        """Stop all answers; where copies protect them, readers find them at the other core."""
        await self.store.close(leaving=self.copies.protecting)
        await self.copies.close()

    @property
    def _search(self) -> Search:
        return Search(self.copies, self.peers)

    def _lock(self, id_: str) -> asyncio.Lock:
        return self._locks.setdefault(id_, asyncio.Lock())

    async def _find(
        self, id_: str, owner: str, delivered: Delivered | None = None
    ) -> Answer | None:
        answer = self.store.find(id_, owner=owner)
        if answer is not None:
            own = await self.copies.read_own(id_)
            if own is None or own.run.name.generation <= answer.generation:
                return answer
            # this core was away, and the other one went on with the answer meanwhile
            log.warning("answer_superseded", id=id_, generation=own.run.name.generation)
            self.store.drop(answer)
        found = await self._search.find(id_, owner)
        return None if found is None else await self._restore(id_, found, delivered)

    async def _restore(self, id_: str, found: Found, delivered: Delivered | None) -> Answer:
        copy, following = found.copy, found.following
        question = copy.question
        asker = Asker(question.asker, question.owner, question.language)
        is_over = copy.run.is_over
        own = following is None and not is_over
        producer = self._taking_over(found, delivered)
        answer = self.store.start(producer, asker, answer_id=id_, own=own)
        answer.question_digest = question.digest
        answer.generation = copy.run.name.generation
        answer.catching_up = not is_over
        if is_over:
            await whole(answer)
        log.info(
            "answer_found",
            id=id_,
            state=copy.run.state,
            made_by=copy.run.name.core,
            tokens=len(copy.run.texts),
            followed=following is not None,
        )
        return answer

    def _taking_over(self, found: Found, delivered: Delivered | None) -> Producer:
        """Return what follows the other core as long as it makes the answer, and then goes on.

        What is over is only played back.
        """

        async def produce(answer: Answer) -> None:
            answer.move(State.ANSWERING)
            latest = found.copy
            if found.following is not None:
                if await _relay(answer, found.following):
                    return
                latest = await self._search.latest(answer.id, latest)
            if not latest.run.is_over:
                await self._adopt(answer, latest, delivered)
                return
            self._replay(answer, latest)
            if latest.run.state is RunState.ANSWERED:
                answer.conclude(latest.run.end)
            else:
                answer.fail(_failure(latest.run.end))

        return produce

    async def _adopt(self, answer: Answer, copy: Copy, delivered: Delivered | None) -> None:
        question = copy.question
        exact = self.kitchen.resume is Resume.EXACT and question.model == self.model_id
        known = (*answer.texts, *copy.run.texts[answer.tokens :])
        # copying holds up no token, so a reader may have some that no store has
        ahead = delivered.beyond(known) if delivered is not None and not exact else ()
        if not answer.resumed:  # without any text of it the question is asked once more
            continues = not exact and (known or ahead)
            answer.resumed = Resumed.CONTINUED if continues else Resumed.REGENERATED
        answer.relayed = False
        self._replay(answer, copy)
        for text in ahead:
            answer.append_token(text)
        self._own(answer, question, copy.run.name.generation + 1)
        log.info(
            "answer_adopted", id=answer.id, tokens=answer.tokens, ahead=len(ahead), exact=exact
        )
        with self.admission.turn_kept(question.owner):
            await self.kitchen.cook(answer, question.turns, self.copies.accepted, exact=exact)

    def _replay(self, answer: Answer, copy: Copy) -> None:
        """Add the tokens that this core does not have yet."""
        if not answer.events:
            answer.append("start", self.kitchen.start_of(answer))
        for text in copy.run.texts[answer.tokens :]:
            answer.append_token(text)

    def _own(self, answer: Answer, question: Question, generation: int) -> None:
        answer.question_digest = question.digest
        answer.generation = generation
        self.copies.track(answer, question, RunName(generation, self.kitchen.core_id))


async def _relay(answer: Answer, following: Following) -> bool:
    """Pass another core's events on; False when they broke off before their end."""
    with contextlib.suppress(errors.TransientError), contextlib.closing(following):
        async with contextlib.aclosing(following.events()) as events:
            async for event in events:
                _take(answer, event)
                if answer.finished:
                    return True
    log.warning("answer_relay_broke", id=answer.id, tokens=answer.tokens)
    return False


def _take(answer: Answer, event: PeerEvent) -> None:
    if event.name == "start" and not answer.events:
        answer.append("start", event.data)
    elif event.name == "token":
        answer.append_token(str(event.data.get("text", "")))
    elif event.name == "resumed":
        with contextlib.suppress(ValueError):
            answer.resumed = Resumed(str(event.data.get("resumed")))
    elif event.name == "done":
        answer.conclude(event.data)
    elif event.name == "error":
        answer.fail(_failure(event.data))


def _failure(end: Mapping[str, object]) -> Failure:
    """Return the failure that another core told, in the words it found."""
    status = end.get("status")
    return Failure(
        status if isinstance(status, int) else 503,
        str(end.get("code") or "cancelled"),
        Text("{error}", {"error": str(end.get("error") or "")}),
        {"Retry-After": "1"},
    )
