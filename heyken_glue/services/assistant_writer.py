"""Writing one answer: its place in the queue, its words as they grow, its last word."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from heyken_glue import errors, logs
from heyken_glue.domain.chat import User
from heyken_glue.domain.conversation import without_mark
from heyken_glue.services import assistant_texts as say
from heyken_glue.services.assistant_draft import Draft
from heyken_glue.services.assistant_jobs import DELIVERED, Ending, Job
from heyken_glue.services.assistant_ports import AnswerFailedError, Feed
from heyken_glue.services.assistant_pour import Pourer
from heyken_glue.services.assistant_sheet import Patience, Sheet, is_workspace_wide, reason_of

STOPPED = Ending("stopped", "the asker stopped it", quiet=True)
_BLOCKED_SECONDS = 15.0
_log = logs.get(__name__)


@dataclass(frozen=True)
class Pace:
    """All in seconds: between edits, to the first words, to a notice, between places, typing."""

    edit: float
    first_words: float = 0.25
    loading: float = 2.0
    place: float = 5.0
    typing: float = 5.0


@dataclass(frozen=True)
class Writer:
    """Writes answers to where they are read; each sheet has one writer at a time."""

    feed: Feed
    pourer: Pourer
    patience: Patience
    pace: Pace
    own: User
    _typing: Counter[str] = field(default_factory=Counter)

    async def open(self, job: Job, sheet: Sheet, place: Callable[[], int | None]) -> None:
        """Say that the question was seen; an unfinished reply of another core stays as it is."""
        if not job.begun:
            text = self._opening(job, place())
            await self.patience.until_done(lambda: sheet.bring(text, finished=False))

    async def wait(
        self, job: Job, sheet: Sheet, place: Callable[[], int | None], crowd: Callable[[], int]
    ) -> None:
        """Wait for the model's turn and tell now and then how many are before."""
        while not job.granted.is_set():
            with contextlib.suppress(TimeoutError):
                # many who wait are told less often: the chat server has other work
                async with asyncio.timeout(max(self.pace.place, crowd() * self.pace.place / 40)):
                    await job.granted.wait()
            if not job.granted.is_set() and not job.begun:
                await self._try(sheet, self._opening(job, place()))

    async def finish(self, sheet: Sheet, text: str) -> None:
        """Write the final text, however long that takes."""
        await self.patience.until_done(lambda: sheet.bring(text, finished=True))

    async def write(self, job: Job, sheet: Sheet, poured: Callable[[Job], None]) -> str:
        """Write an answer as it grows and return its final text; `poured` gives up the turn."""
        draft = Draft(job.begun)
        loop = asyncio.get_running_loop()
        job.pour = loop.create_task(self.pourer.pour(job, draft))
        showing = loop.create_task(self._show(job, draft, sheet))
        try:
            async with self._seen_typing(job.room_id):
                await asyncio.wait({job.pour, showing}, return_when=asyncio.FIRST_COMPLETED)
            if showing.done():
                showing.result()  # the reply cannot be written: that is an error
            draft.end(self._conclude(job, draft, job.pour))
            poured(job)
            await showing
        finally:
            await _ended(job.pour, showing)
        return draft.shown

    def _conclude(
        self, job: Job, draft: Draft, pour: asyncio.Task[AnswerFailedError | None]
    ) -> str:
        """Return the final text, and set how it ended."""
        words, job.ending = without_mark(draft.best), DELIVERED
        note = say.unread_files(job.question.file_names) if job.question.file_names else None
        if pour.cancelled():
            job.ending, note = STOPPED, say.STOPPED
        elif (failure := pour.result()) is not None:
            job.ending, note = Ending("failed", failure.code), say.failed(failure)
        elif not words:
            note = say.EMPTY
        parts = (words, note.render(job.language) if note is not None else "")
        return "\n\n".join(part for part in parts if part)

    async def _show(self, job: Job, draft: Draft, sheet: Sheet) -> None:
        """Edit the reply at most once per beat, until the final text stands there."""
        await self._first_words(job, draft)
        while not draft.is_over:
            wait = await self._try(sheet, draft.shown)
            await asyncio.sleep(max(self.pace.edit, wait))
            if not draft.is_over:
                await draft.change()
        await self.finish(sheet, draft.shown)

    async def _first_words(self, job: Job, draft: Draft) -> None:
        try:
            async with asyncio.timeout(self.pace.loading):
                await draft.change()
        except TimeoutError:
            if not job.begun:
                draft.tell(say.LOADING.render(job.language))
        else:
            # a few words make a better first sight than one letter
            await draft.over(self.pace.first_words)

    async def _try(self, sheet: Sheet, text: str) -> float:
        """Try one edit; the next beat brings newer words. Returns how long to wait at least."""
        if not text:
            return 0.0
        try:
            await self.patience.once(lambda: sheet.bring(text, finished=False))
        except errors.TransientError as error:
            _log.debug("edit_failed", reason=error.tried)
            return error.retry_after or 0.0
        except errors.PermanentError as error:
            if not is_workspace_wide(error):
                raise
            _log.debug("edit_refused", reason=reason_of(error))
            return _BLOCKED_SECONDS
        return 0.0

    def _opening(self, job: Job, before: int | None) -> str:
        return (say.THINKING if before is None else say.place(before)).render(job.language)

    @contextlib.asynccontextmanager
    async def _seen_typing(self, room_id: str) -> AsyncIterator[None]:
        """Show the typing indicator in a room."""
        typing = asyncio.get_running_loop().create_task(self._keep_typing(room_id))
        self._typing[room_id] += 1
        try:
            yield
        finally:
            self._typing[room_id] -= 1
            await _ended(typing)
            if not self._typing[room_id]:
                del self._typing[room_id]
                await self.feed.typing(room_id, self.own.username, active=False)

    async def _keep_typing(self, room_id: str) -> None:
        while True:
            await self.feed.typing(room_id, self.own.username, active=True)
            await asyncio.sleep(self.pace.typing)


async def _ended(*tasks: asyncio.Task[AnswerFailedError | None] | asyncio.Task[None]) -> None:
    """Cancel tasks and wait for them; their errors were seen or do not matter any more."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()
