"""Copying answers in the making to the cores' stores, without holding up a single token.

One loop for each store carries what is new of all answers when it is time, and what presses at
once. It keeps no queue: it knows how far the store has come with each answer, and takes the rest
from the answer itself. After a failure it knows nothing any more and begins again with each.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from heyken_glue import errors, logs
from heyken_glue.domain.copies import Copy, Portion, Question, RunName, RunState
from heyken_glue.gateway.answers import Answer
from heyken_glue.gateway.ports import CopyStore
from heyken_glue.gateway.readings import Reading, read_soon

log = logs.get(__name__)
PORTION_TOKENS_MAX = 2048
# packing what is new of many answers in one go would hold up the tokens of all
PORTIONS_AT_ONCE = 16
# what the loop's clock may be off by when it wakes somebody
CLOCK_SECONDS = 0.001
# finished answers that wait for a store that is away
FINISHED_WAITING_MAX = 64


@dataclass(frozen=True)
class Pace:
    """Seconds between two copies, tokens that do not wait so long, seconds for accepting.

    for_each: what each answer in the making adds: of many, less often, so that copying stays cheap.
    retry: seconds between two looks at a store that is away; farewell: for the last copies.
    read_own: seconds for the own store to say what it knows, with the whole pair's readers coming.
    """

    interval: float = 0.02
    for_each: float = 0.0005
    tokens: int = 16
    accept: float = 0.1
    retry: float = 0.2
    farewell: float = 0.5
    read_own: float = 2.0


@dataclass(frozen=True, eq=False)
class Tracked:
    """An answer that is copied, and as what."""

    answer: Answer
    question: Question
    run: RunName

    def portion(self, base: int) -> Portion:
        """Return what a store lacks that has `base` tokens."""
        texts = tuple(self.answer.texts[base : base + PORTION_TOKENS_MAX])
        complete = base + len(texts) == len(self.answer.texts)
        state = state_of(self.answer) if complete else RunState.RUNNING
        end = self.answer.end if state in (RunState.ANSWERED, RunState.FAILED) else {}
        return Portion(self.answer.id, self.run, self.question, base, texts, state, end)


def state_of(answer: Answer) -> RunState:
    """Return how a run stands for the other core."""
    if not answer.finished:
        return RunState.RUNNING
    if answer.left:
        return RunState.LEFT
    return RunState.FAILED if answer.failure is not None else RunState.ANSWERED


def _parts(items: Sequence[Tracked]) -> Iterator[Sequence[Tracked]]:
    for start in range(0, len(items), PORTIONS_AT_ONCE):
        yield items[start : start + PORTIONS_AT_ONCE]


class Replica:
    """The loop that keeps one store up to date; `away` while the store is known to be down."""

    def __init__(self, store: CopyStore, pace: Pace) -> None:
        self.store, self.away = store, False
        self.written = self.losses = 0
        self._pace = pace
        self._live: dict[str, Tracked] = {}
        self._dirty: dict[str, Tracked] = {}
        self._pressing: dict[str, Tracked] = {}
        self._all_at = 0.0
        self._has: dict[str, int] = {}
        self._over: list[tuple[str, RunName]] = []
        self._copying = False
        self._wake, self._urgent, self._moved = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def add(self, tracked: Tracked) -> None:
        """Begin to copy an answer, at once."""
        self._live[tracked.answer.id] = tracked
        self._has.pop(tracked.answer.id, None)
        self.mark(tracked, urgent=True)

    def mark(self, tracked: Tracked, *, urgent: bool) -> None:
        """There is something new of this answer."""
        answer = tracked.answer
        if self._live.get(answer.id) is not tracked:
            return
        self._dirty[answer.id] = tracked
        self._wake.set()
        if urgent or len(answer.texts) - self._has.get(answer.id, 0) >= self._pace.tokens:
            self._pressing[answer.id] = tracked
            self._urgent.set()

    def forget(self, answer_id: str, run: RunName) -> None:
        """The answer is not kept any longer."""
        self._over.append((answer_id, run))
        self._wake.set()

    async def knows(self, tracked: Tracked) -> None:
        """Return when the store has the question, or is known to be down."""
        while tracked.answer.id not in self._has and not self.away:
            if self._live.get(tracked.answer.id) is not tracked:
                return
            await self._moved.wait()

    def suspect(self, tracked: Tracked) -> None:
        """Take the store for down if it does not know of this answer yet."""
        if tracked.answer.id in self._has or self._live.get(tracked.answer.id) is not tracked:
            return
        self.set_away("it does not answer in time")

    async def settled(self) -> None:
        """Return when nothing is left to be copied, or the store is down."""
        while (self._dirty or self._copying) and not self.away:
            await self._moved.wait()

    async def run(self) -> None:
        """Copy until cancelled."""
        while True:
            await self._wake.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._all_at):
                    await self._urgent.wait()
            try:
                await self._copy()
            except errors.HeykenError as error:
                self._begin_again(str(error))
                await asyncio.sleep(self._pace.retry)
            except Exception as error:  # the top of a loop that must not end
                log.exception("copies_crashed", store=self.store.name)
                self._begin_again(type(error).__name__)
                await asyncio.sleep(self._pace.retry)

    def _due(self) -> tuple[Sequence[Tracked], Sequence[tuple[str, RunName]]]:
        """Return what is copied now and what is over: all when it is time, else what presses."""
        pressing = self._take_pressing()
        now = asyncio.get_running_loop().time()
        if now < self._all_at - CLOCK_SECONDS:
            if not (self._dirty or self._over):
                self._wake.clear()
            return tuple(pressing.values()), ()
        self._all_at = now + max(self._pace.interval, len(self._live) * self._pace.for_each)
        self._wake.clear()
        items, over = {**pressing, **self._dirty}, self._over
        self._dirty, self._over = {}, []
        return tuple(items.values()), over

    def _take_pressing(self) -> Mapping[str, Tracked]:
        self._urgent.clear()
        pressing, self._pressing = self._pressing, {}
        for answer_id in pressing:
            self._dirty.pop(answer_id, None)
        return pressing

    async def _copy(self) -> None:
        items, over = self._due()
        self._copying = True
        try:
            for part in _parts(items):
                await self._write(part)
                for pressing in _parts(tuple(self._take_pressing().values())):
                    await self._write(pressing)
            if not items and not over:
                await self.store.ping()
            if over:
                await self.store.forget(over)
        finally:
            self._copying = False
        if self.away:
            self.away = False
            log.info("copies_resumed", store=self.store.name)
        self._tell()

    async def _write(self, items: Sequence[Tracked]) -> None:
        items = [item for item in items if self._live.get(item.answer.id) is item]
        if not items:
            return
        portions = [item.portion(self._has.get(item.answer.id, 0)) for item in items]
        lengths = await self.store.write(portions)
        self.written += len(portions)
        for item, portion, length in zip(items, portions, lengths, strict=True):
            self._note(item, portion, length)
        self._tell()

    def _note(self, item: Tracked, portion: Portion, length: int) -> None:
        answer = item.answer
        if self._live.get(answer.id) is not item:
            return
        if length != portion.reach:  # the store was restarted, or somebody else writes there
            self._has.pop(answer.id, None)
            self.mark(item, urgent=True)
            return
        self._has[answer.id] = length
        if portion.state is not RunState.RUNNING:
            self._drop(item)
        elif length < len(answer.texts) or answer.finished:
            self.mark(item, urgent=answer.finished)

    def _drop(self, item: Tracked) -> None:
        for known in (self._live, self._dirty, self._pressing, self._has):
            known.pop(item.answer.id, None)

    def _begin_again(self, reason: str) -> None:
        self.set_away(reason)
        self._has.clear()
        self._all_at = 0.0  # nothing of it protects anybody before all of it is there again
        finished = [item for item in self._live.values() if item.answer.finished]
        for item in finished[: max(0, len(finished) - FINISHED_WAITING_MAX)]:
            self._drop(item)
        self._dirty.update(self._live)
        self._wake.set()

    def set_away(self, reason: str) -> None:
        """Take the store for down until it gives a sign of life, for which it is asked at once."""
        if not self.away:
            self.away = True
            self.losses += 1
            log.warning("copies_interrupted", store=self.store.name, reason=reason)
        self._wake.set()  # to see when it is back
        self._tell()

    def _tell(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


class Copies:
    """All stores of the deployment, the own one first; without any, answers are not copied."""

    def __init__(self, stores: Sequence[CopyStore] = (), pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self._replicas = [Replica(store, self._pace) for store in stores]
        self._tracked: dict[str, Tracked] = {}
        self._loops: list[asyncio.Task[None]] = []

    @property
    def replicas(self) -> Sequence[Replica]:
        """The loops that keep the stores up to date."""
        return tuple(self._replicas)

    @property
    def protecting(self) -> bool:
        """Whether some store has what is being answered."""
        return any(not replica.away for replica in self._replicas)

    def start(self) -> None:
        """Begin to copy; `close` ends it."""
        self._loops = [asyncio.create_task(replica.run()) for replica in self._replicas]

    async def close(self) -> None:
        """Copy what is left to be copied, within a moment, and end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace.farewell):
                await asyncio.gather(*(replica.settled() for replica in self._replicas))
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    def track(self, answer: Answer, question: Question, run: RunName) -> None:
        """Copy everything that this answer is and becomes."""
        if not self._replicas:
            return
        tracked = Tracked(answer, question, run)
        self._tracked[answer.id] = tracked

        def changed(_answer: Answer) -> None:
            for replica in self._replicas:
                replica.mark(tracked, urgent=answer.finished)

        answer.listener = changed
        for replica in self._replicas:
            replica.add(tracked)

    async def accepted(self, answer: Answer) -> None:
        """Return when every store has the question or is known to be down; soon in any case."""
        tracked = self._tracked.get(answer.id)
        if tracked is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._pace.accept):
                for replica in self._replicas:
                    await replica.knows(tracked)
        for replica in self._replicas:
            replica.suspect(tracked)

    def forget(self, answer: Answer) -> None:
        """Let go of an answer that is not kept any longer."""
        tracked = self._tracked.pop(answer.id, None)
        if tracked is not None and tracked.answer is answer:
            for replica in self._replicas:
                replica.forget(answer.id, tracked.run)

    async def read(self, answer_id: str) -> Copy | None:
        """Return what the stores know of an answer: the latest run, of that the longer text.

        Raises TransientError when none could be asked, though one is not known to be down: that
        an answer is unknown and that nobody could say so are two things.
        """
        async with self.reading(answer_id) as reading:
            return await reading.best()

    @contextlib.asynccontextmanager
    async def reading(self, answer_id: str) -> AsyncIterator[Reading]:
        """Ask all stores at once, for who cannot wait for the slowest to say something.

        Another core's store that is known to be down is not asked: it would only cost its silence.
        """
        own, others = self._replicas[:1], [one for one in self._replicas[1:] if not one.away]
        reading = Reading(answer_id, trusted=self.protecting)
        for replica in own:
            reading.ask(replica.store, self._pace.read_own)
        for replica in others:
            reading.ask(replica.store, self._pace.accept)
        try:
            yield reading
        finally:
            silent = reading.close()
            for replica in others:
                if replica.store in silent:
                    replica.set_away("it does not answer a reader in time")

    async def read_own(self, answer_id: str) -> Copy | None:
        """Return what the own store knows, if it says so soon."""
        for own in self._replicas[:1]:
            with contextlib.suppress(errors.HeykenError):
                return await read_soon(own.store, answer_id, self._pace.accept)
        return None
