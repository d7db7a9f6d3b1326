"""Questions in hand: admitted, waiting for the model's turn, answered, stopped, left to others."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from heyken_glue import errors, logs
from heyken_glue.domain.messages import State
from heyken_glue.services import assistant_texts as say
from heyken_glue.services.assistant_jobs import ABANDONED, Ending, Job, Ledger, Tasks
from heyken_glue.services.assistant_pen import Pen
from heyken_glue.services.assistant_ports import Feed
from heyken_glue.services.assistant_pour import QuestionGoneError
from heyken_glue.services.assistant_queue import FairQueue
from heyken_glue.services.assistant_sheet import Patience, ReplyGoneError, Sheet, reason_of
from heyken_glue.services.assistant_writer import STOPPED, Writer

TURNED_AWAY_MAX = 50
DEFAULT_SIZE_LIMIT = 5000
_FINAL_KEPT_MAX = 20_000
DELETED = Ending("dropped", "the question was deleted", quiet=True)
REMOVED = Ending("dropped", "the reply was removed", quiet=True)
TURNED_AWAY = Ending("turned_away", "the queue is full")
BROKEN = Ending("failed", "internal error")
_log = logs.get(__name__)


class Answers:
    """Takes questions and sees them through to their finished reply.

    The opening message comes before the model's turn, so that nothing is asked of the model while
    nothing can be written; the turn ends before the last edit, so that a chat server that is away
    holds up nobody else's turn.
    """

    def __init__(
        self,
        *,
        pen: Pen,
        feed: Feed,
        writer: Writer,
        patience: Patience,
        ledger: Ledger,
        answers_max: int,
        queue_max: int,
    ) -> None:
        self._pen, self._feed, self._writer, self._patience = pen, feed, writer, patience
        self._ledger, self._answers_max, self._queue_max = ledger, answers_max, queue_max
        self._queue = FairQueue[Job](queue_max)
        self._jobs: dict[str, Job] = {}
        self._pouring: set[Job] = set()
        self._busy_threads: dict[str, Job] = {}
        self._watched: Counter[str] = Counter()
        self._tasks = Tasks()
        self.size_limit = DEFAULT_SIZE_LIMIT

    @property
    def is_full(self) -> bool:
        """Whether nobody can wait any more without costing somebody's place."""
        return self._queue.is_full

    @property
    def counts(self) -> tuple[int, int]:
        """How many answers are being written, and how many questions wait."""
        return len(self._pouring), len(self._queue)

    def admit(self, job: Job) -> bool:
        """Take a question; if the queue is full, the newest of whoever has most has to go."""
        if not self._has_room():
            return False
        out = self._queue.admit(job)
        if out is not None:
            text = say.full(len(self._queue)).render(out.language)
            self._dismiss(out, text, TURNED_AWAY)
        return self.take(job)

    def take(self, job: Job) -> bool:
        """See a question through; one that has its final text needs no turn.

        False when too much is under way: then a later look has to find it again.
        """
        if not self._has_room():
            return False
        self._jobs[job.id] = job
        self._ledger.reach(job, State.ACCEPTED)
        task = self._later(job, self._live(job))
        # a task that is cancelled before it began never comes to its own end
        task.add_done_callback(lambda _task: self._leave(job, ABANDONED))
        return True

    def stop(self, user_id: str, *, room_id: str, thread_id: str | None) -> int:
        """End a user's answers in a thread, or in a whole room; returns how many there were."""
        return sum(
            self._stop(job)
            for job in tuple(self._jobs.values())
            if job.user_id == user_id
            and job.room_id == room_id
            and thread_id in (None, job.thread_id)
        )

    def deleted(self, message_id: str) -> None:
        """Stop answering a question that is gone, and take back what was said."""
        job = self._jobs.get(message_id)
        if job is not None and job.task is not None:
            job.gone = True
            job.task.cancel()
            self._give_up(job)

    async def recheck(self) -> None:
        """Look whether questions were deleted while nothing was heard."""
        for job in tuple(self._pouring):
            with contextlib.suppress(errors.HeykenError):
                if await self._pen.message(job.id) is None:
                    self.deleted(job.id)

    def abandon(self) -> None:
        """Leave everything as it is, at once: another core goes on."""
        self._tasks.cancel()

    async def close(self) -> None:
        """Abandon everything, and wait for it."""
        await self._tasks.close()

    def _stop(self, job: Job) -> bool:
        if self._queue.remove(job):
            self._dismiss(job, say.STOPPED.render(job.language), STOPPED)
            return True
        if job.pour is None or not job.pour.cancel():
            return False
        self._give_up(job)
        return True

    def _give_up(self, job: Job) -> None:
        """Stop the model at once; who only leaves lets it work on for a while."""
        giving_up = self._writer.pourer.give_up(job)
        self._tasks.add(asyncio.get_running_loop().create_task(giving_up, name=f"stop-{job.id}"))

    def _dismiss(self, job: Job, text: str, ending: Ending) -> None:
        job.final, job.ending = text, ending
        job.granted.set()

    def _has_room(self) -> bool:
        return len(self._jobs) < self._queue_max + self._answers_max + TURNED_AWAY_MAX

    def _later(self, job: Job, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"answer-{job.id}")
        job.task = self._tasks.add(task)
        return task

    async def _live(self, job: Job) -> None:
        sheet = Sheet(self._pen, job.question, limit=self.size_limit, begun=job.begun)
        ending = ABANDONED
        try:
            async with self._watching(job.room_id):
                ending = await self._work(job, sheet)
        except asyncio.CancelledError:
            ending = DELETED if job.gone else ABANDONED
            raise
        except QuestionGoneError:
            ending, job.gone = DELETED, True
        except ReplyGoneError:
            ending = REMOVED
        except errors.HeykenError as error:
            ending = Ending("dropped", reason_of(error))
        except Exception as error:  # noqa: BLE001 - the top of one answer: logged, the asker is told
            _log.error("answer_failed", event_id=job.id, exc_info=error)
            ending = BROKEN
        finally:
            self._leave(job, ending)
            self._clean_up(job, sheet, ending)

    async def _work(self, job: Job, sheet: Sheet) -> Ending:
        """Bring a question to its finished reply."""
        if not job.final:
            await self._writer.open(job, sheet, lambda: self._place(job))
            job.ready = True
            self._grant()
            await self._writer.wait(job, sheet, lambda: self._place(job), self._queue.__len__)
        if job.final:
            text = job.final
            await self._writer.finish(sheet, text)
        else:
            self._ledger.reach(job, State.ANSWERING)
            text = await self._writer.write(job, sheet, self._poured)
        if len(text) <= _FINAL_KEPT_MAX:
            self._ledger.finals[job.id] = text
        return job.ending

    def _place(self, job: Job) -> int | None:
        """Return how many wait before a question; None if its turn is now."""
        free = self._answers_max - len(self._pouring)
        if job not in self._queue or self._queue.before(job) < free:
            return None
        return self._queue.before(job) - free

    def _grant(self) -> None:
        """Give the model's turn to whoever is next."""
        while len(self._pouring) < self._answers_max:
            job = self._queue.next(self._busy_threads)
            if job is None:
                return
            self._pouring.add(job)
            self._busy_threads[job.thread_id] = job
            job.granted.set()

    def _poured(self, job: Job) -> None:
        self._ledger.reach(job, State.ANSWERED)
        self._pouring.discard(job)
        self._grant()

    def _leave(self, job: Job, ending: Ending) -> None:
        if job.settled:
            return
        if self._jobs.get(job.id) is job:
            del self._jobs[job.id]
        self._queue.remove(job)
        self._pouring.discard(job)
        if self._busy_threads.get(job.thread_id) is job:
            del self._busy_threads[job.thread_id]
        self._ledger.close(job, ending)
        if ending is not ABANDONED:
            self._grant()

    def _clean_up(self, job: Job, sheet: Sheet, ending: Ending) -> None:
        """Take back or end a reply that would stay unfinished; not while leaving everything."""
        if ending is REMOVED:
            self._give_up(job)
        if ending is DELETED:
            self._later(job, self._patience.until_done(sheet.erase))
        elif ending is BROKEN:
            text = say.BROKEN.render(job.language)
            self._later(job, self._writer.finish(sheet, text))

    @contextlib.asynccontextmanager
    async def _watching(self, room_id: str) -> AsyncIterator[None]:
        """Hear of deletions in a room for as long as something is answered there."""
        self._watched[room_id] += 1
        try:
            if self._watched[room_id] == 1:
                await self._feed.watch_deletions(room_id)
            yield
        finally:
            self._watched[room_id] -= 1
            if not self._watched[room_id]:
                del self._watched[room_id]
                await self._feed.unwatch_deletions(room_id)
