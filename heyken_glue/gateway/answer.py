"""An answer in the making: its events, and the readers that follow them.

It is produced by a task of its own, independent of whoever reads it, so a reader may leave and come
back. When nobody has read for the grace period the producer is cancelled, which stops the model.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from heyken_glue.domain.continuing import Resumed
from heyken_glue.domain.messages import State, step
from heyken_glue.gateway.problems import Failure
from heyken_glue.texts import text as _

CANCELLED = Failure(
    503,
    "cancelled",
    _(
        "The answer was stopped before its end, because nobody read it or this core is going "
        "down. Ask again."
    ),
    {"Retry-After": "1"},
)
Producer = Callable[["Answer"], Coroutine[Any, Any, None]]
Observer = Callable[["Answer"], None]
# a resume point may be so far ahead of an answer that another core began
AHEAD_MAX = 4096
# made once: `json.dumps` makes a new one for each token
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Event:
    """One event of an answer and its frame on the wire, encoded once for all readers."""

    number: int
    name: str
    data: Mapping[str, Any]
    frame: bytes


@dataclass(frozen=True)
class Asker:
    """Who asked: a name for the records, the token's digest that owns the answer, a language."""

    name: str
    owner: str
    language: str


class Answer:
    """The growing list of an answer's events, and whoever waits for the next one."""

    def __init__(
        self,
        answer_id: str,
        asker: Asker,
        *,
        clock: Callable[[], float],
        observer: Observer,
    ) -> None:
        self.id = answer_id
        self.asker = asker
        self.state = State.RECEIVED
        self.started_at = clock()
        self.last_token_at: float | None = None
        self.finished_at: float | None = None
        self.failure: Failure | None = None
        self.events: list[Event] = []
        self.texts: list[str] = []
        self.end: Mapping[str, Any] = {}
        self.size_bytes = 0
        self.text_length = 0
        self.readers = 0
        self.question_digest = ""
        self.generation = 0  # grows with each core that takes the answer over
        self.resumed: Resumed | None = None
        self.relayed = False  # the other core makes it, this one passes it on
        self.catching_up = False  # readers may know more of it than this core does yet
        self.left = False  # it goes on at another core
        self.listener: Observer = observer_of_nothing
        self._clock = clock
        self._observer = observer
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._abandonment: asyncio.TimerHandle | None = None

    def move(self, state: State) -> None:
        """Go on to the next state of a message's life, and let the observer know."""
        self.state = step(self.state, state)
        if state is State.ANSWERING:
            self.started_at = self._clock()  # what waited for its turn did not work yet
        self._observer(self)

    def delivered(self) -> None:
        """Note that a reader got all of it; later readers change nothing."""
        if self.state is State.ANSWERED:
            self.move(State.DELIVERED)

    @property
    def finished(self) -> bool:
        """Whether no further event will come."""
        return self.finished_at is not None

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.texts)

    @property
    def tokens(self) -> int:
        """How many pieces of text there are."""
        return len(self.texts)

    def append(self, name: str, data: Mapping[str, Any]) -> None:
        """Add an event and wake the readers."""
        number = len(self.events)
        payload = ENCODER.encode(data)
        frame = f"id: {self.id}:{number}\nevent: {name}\ndata: {payload}\n\n".encode(
            errors="replace"
        )
        self.events.append(Event(number, name, data, frame))
        self.size_bytes += len(frame)
        self._wake()

    def append_token(self, text: str) -> None:
        """Add a piece of the answer's text."""
        self.last_token_at = self._clock()
        self.texts.append(text)
        self.text_length += len(text)
        self.append("token", {"text": text})

    def finish(self, reason: str) -> None:
        """End the answer well."""
        duration = round(self._clock() - self.started_at, 3)
        end = {"tokens": self.tokens, "duration_seconds": duration, "reason": reason}
        self.conclude({"text_length": self.text_length, **end, **self.provenance})

    @property
    def provenance(self) -> dict[str, Any]:
        """How the answer went on, if it had to."""
        return {} if self.resumed is None else {"resumed": self.resumed.value}

    def conclude(self, end: Mapping[str, Any]) -> None:
        """End the answer well, with this as its last event."""
        self.finished_at = self._clock()
        self.end = end
        self.move(State.ANSWERED)
        self.append("done", end)

    def fail(self, failure: Failure) -> None:
        """End the answer with an error."""
        self.failure = failure
        self.finished_at = self._clock()
        self.move(State.FAILED)
        text = failure.text.render(self.asker.language)
        self.end = {"error": text, "code": failure.code, "status": failure.status}
        self.append("error", {"error": text, "code": failure.code})

    def leave(self) -> None:
        """Stop here without a word to stream readers: another core goes on."""
        self.left = True
        self.failure = CANCELLED
        self.finished_at = self._clock()
        self.move(State.FAILED)
        self._wake()

    async def wait_beyond(self, number: int) -> None:
        """Return as soon as there are more than `number` events, or there will be no more."""
        while len(self.events) <= number and not self.finished:
            await self._changed.wait()

    def run(self, producer: Producer) -> asyncio.Task[None]:
        """Start the task that makes the events."""
        self._task = task = asyncio.create_task(producer(self), name=f"answer-{self.id}")
        task.add_done_callback(self._made)
        return task

    def _made(self, _task: asyncio.Task[None]) -> None:
        self._task = None

    def cancel(self) -> None:
        """Stop the producer, and with it the model's work."""
        if self._task is not None:
            self._task.cancel()

    @contextlib.contextmanager
    def reading(self, *, grace_seconds: float) -> Iterator[None]:
        """Count a reader; the last one to leave starts the grace period after which it is over."""
        self.readers += 1
        if self._abandonment is not None:
            self._abandonment.cancel()
            self._abandonment = None
        try:
            yield
        finally:
            self.readers -= 1
            if self.readers == 0 and not self.finished:
                loop = asyncio.get_running_loop()
                self._abandonment = loop.call_later(grace_seconds, self.cancel)

    def _wake(self) -> None:
        self.listener(self)
        self._changed.set()
        if not self.finished:
            self._changed = asyncio.Event()
        else:  # who listens knows this answer too: only the collector would part them
            self.listener = observer_of_nothing


def observer_of_nothing(_answer: Answer) -> None:
    """Do nothing."""
