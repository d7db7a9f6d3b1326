"""A question in hand, what becomes of it, and what all that work on questions share."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import TypeVar

from heyken_glue import logs
from heyken_glue.domain.chat import Message, User
from heyken_glue.domain.conversation import order, thread_of
from heyken_glue.domain.events import Event, Kind, Outcome
from heyken_glue.domain.messages import State, is_final, step
from heyken_glue.runtime.clock import Clock
from heyken_glue.runtime.spool import Spool
from heyken_glue.services.assistant_ports import AnswerFailedError

UNIT = "assistant"
_log = logs.get(__name__)
V = TypeVar("V")


class Recent(MutableMapping[str, V]):
    """The newest entries of a mapping; older ones are forgotten."""

    def __init__(self, limit: int) -> None:
        self._limit, self._entries = limit, OrderedDict[str, V]()

    def __getitem__(self, key: str) -> V:
        value = self._entries[key]
        self._entries.move_to_end(key)
        return value

    def __setitem__(self, key: str, value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def __delitem__(self, key: str) -> None:
        del self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries


@dataclass(frozen=True)
class Ending:
    """How a question ended, and why in a word; what is `quiet` worries nobody."""

    outcome: str
    reason: str = ""
    quiet: bool = False


DELIVERED = Ending("delivered", quiet=True)
ABANDONED = Ending("abandoned", "this core is not the holder any more", quiet=True)
_CHAIN = (State.ACCEPTED, State.ANSWERING, State.ANSWERED, State.DELIVERED)


@dataclass(eq=False, kw_only=True)
class Job:
    """One question; `begun` is the text of an unfinished reply that somebody left behind.

    `final` and `ending` are set when the whole text is known and only has to be shown. `key` is
    what the model was asked under last.
    """

    question: Message
    language: str
    received: float
    begun: str = ""
    final: str = ""
    ending: Ending = DELIVERED
    ready: bool = False
    state: State = State.RECEIVED
    attempts: int = 0
    key: str = ""
    settled: bool = False
    gone: bool = False
    granted: asyncio.Event = field(default_factory=asyncio.Event)
    pour: asyncio.Task[AnswerFailedError | None] | None = None
    task: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        """The question's id."""
        return self.question.id

    @property
    def room_id(self) -> str:
        """Where it was asked."""
        return self.question.room_id

    @property
    def user_id(self) -> str:
        """Who asked."""
        return self.question.author.id

    @property
    def thread_id(self) -> str:
        """The thread it is answered in."""
        return thread_of(self.question)

    @property
    def order(self) -> tuple[float, str]:
        """Its place among the questions, by the server's time."""
        return order(self.question)

    @property
    def asker(self) -> str:
        """How other units are told who asked."""
        return f"rocketchat:{self.question.author.username}"

    @property
    def owner(self) -> str:
        """Who has the turns at the model: a digest, as a name may change and an id is not ours."""
        return hashlib.sha256(f"rocketchat\0{self.user_id}".encode()).hexdigest()[:32]


class Ledger:
    """Which questions are in hand here and which are done with; each step goes to the spool."""

    def __init__(
        self,
        spool: Spool,
        clock: Clock,
        *,
        host: str,
        own: User,
        again: Callable[[str], None],
    ) -> None:
        self._spool, self._clock, self._host, self.own = spool, clock, host, own
        self._again = again
        self.claims: set[str] = set()
        self.closed: Recent[bool] = Recent(4096)
        self.finals: Recent[str] = Recent(64)

    def reach(self, job: Job, state: State, reason: str = "question") -> None:
        """Go on to a state of a message's life, through all that lie between."""
        if state is State.FAILED:
            self._move(job, state, reason)
            return
        for following in _CHAIN[: _CHAIN.index(state) + 1]:
            if job.state is State.RECEIVED or job.state in _CHAIN[: _CHAIN.index(following)]:
                self._move(job, following, reason)

    def close(self, job: Job, ending: Ending) -> None:
        """Write the one closing line of a question; what was abandoned may be taken up again."""
        if job.settled:
            return
        job.settled = True
        self.claims.discard(job.id)
        if ending is ABANDONED:
            self._again(job.room_id)
        else:
            self.closed[job.id] = True
        state = State.DELIVERED if ending == DELIVERED else State.FAILED
        self.reach(job, state, f"{ending.outcome}: {ending.reason}" if ending.reason else "answer")
        (_log.info if ending.quiet else _log.warning)(
            "question_closed",
            event_id=job.id,
            room=job.room_id,
            outcome=ending.outcome,
            reason=ending.reason,
            attempts=job.attempts,
            duration_seconds=round(self._clock.monotonic() - job.received, 3),
        )

    def _move(self, job: Job, state: State, reason: str) -> None:
        """Record a step; never a word of the message's text is kept."""
        if is_final(job.state):
            return
        job.state = step(job.state, state)
        self._spool.append(
            Event(
                id=uuid.uuid4().hex,
                time=self._clock.now(),
                host=self._host,
                actor=job.asker,
                kind=Kind.MESSAGE,
                subject=job.id,
                cause=reason,
                outcome=Outcome.FAILED if state is State.FAILED else Outcome.OK,
                payload={"state": state, "room": job.room_id, "attempts": job.attempts},
            )
        )


class Tasks:
    """Background tasks that are bounded in number and end with their owner."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        """Keep a task until it is done."""
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def cancel(self) -> None:
        """Cancel them all."""
        for task in tuple(self._tasks):
            task.cancel()

    async def close(self) -> None:
        """Cancel them all, and wait until they are done."""
        while self._tasks:
            self.cancel()
            await asyncio.wait(tuple(self._tasks))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("assistant_task_failed", task=task.get_name(), exc_info=error)
