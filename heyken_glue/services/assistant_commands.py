"""Carrying out what people tell the assistant itself."""

from __future__ import annotations

import asyncio

from heyken_glue import errors, logs
from heyken_glue.domain.commands import Command, Verb
from heyken_glue.services import assistant_texts as say
from heyken_glue.services.assistant_answers import Answers
from heyken_glue.services.assistant_books import People, ServerTime
from heyken_glue.services.assistant_jobs import ABANDONED, Ending, Job, Ledger, Tasks
from heyken_glue.services.assistant_pen import Pen
from heyken_glue.services.assistant_ports import CoreState, Manager, PairState
from heyken_glue.services.assistant_sheet import Patience, Sheet
from heyken_glue.texts import Text

ADMIN = "admin"
SWITCH_FRESH_SECONDS = 120.0
AT_ONCE_MAX = 50
_FAILED = Ending("failed", "the command failed")
_log = logs.get(__name__)


class Clerk:
    """Carries out commands; each has its reply like a question, so none is carried out twice."""

    def __init__(
        self,
        *,
        pen: Pen,
        manager: Manager,
        people: People,
        answers: Answers,
        patience: Patience,
        ledger: Ledger,
        server_time: ServerTime,
    ) -> None:
        self._pen, self._manager, self._people = pen, manager, people
        self._answers, self._patience, self._ledger = answers, patience, ledger
        self._time, self._own = server_time, ledger.own
        self._tasks = Tasks()

    def start(self, job: Job, command: Command) -> bool:
        """Carry a command out in the background; stopping happens at once.

        False when too much is under way: then a later look has to find it again.
        """
        if command.verb is Verb.STOP:
            return self._reply(job, self._stop(job))
        if len(self._tasks) >= AT_ONCE_MAX:
            return False
        work = self._carry_out(job, command)
        loop = asyncio.get_running_loop()
        task = self._tasks.add(loop.create_task(work, name=f"command-{job.id}"))
        # a task that is cancelled before it began never comes to its own end
        task.add_done_callback(lambda _task: self._left(job))
        return True

    def abandon(self) -> None:
        """Leave everything as it is, at once."""
        self._tasks.cancel()

    async def close(self) -> None:
        """Abandon everything, and wait for it."""
        await self._tasks.close()

    async def _carry_out(self, job: Job, command: Command) -> None:
        ending: Ending | None = ABANDONED
        try:
            if self._reply(job, await self._result(job, command)):
                ending = None
        except errors.HeykenError as error:
            ending = Ending("dropped", error.tried)
        except Exception as error:  # noqa: BLE001 - the top of one command: logged
            _log.error("command_failed", event_id=job.id, verb=command.verb, exc_info=error)
            ending = _FAILED
        finally:
            if ending is not None:
                self._ledger.close(job, ending)

    def _left(self, job: Job) -> None:
        if not job.final:
            self._ledger.close(job, ABANDONED)

    def _reply(self, job: Job, text: Text) -> bool:
        job.final = text.render(job.language)
        return self._answers.take(job)

    async def _result(self, job: Job, command: Command) -> Text:
        try:
            match command.verb:
                case Verb.STATUS:
                    return await self._status(job)
                case Verb.SWITCH:
                    return await self._switch(job, command.argument)
                case Verb.LANGUAGE:
                    return await self._language(job, command.argument)
        except errors.TransientError as error:
            _log.warning("command_unheard", verb=command.verb, reason=error.tried)
            return say.UNHEARD
        return say.help_text(self._own.username)

    def _stop(self, job: Job) -> Text:
        thread = job.question.thread_id
        return say.stopped(self._answers.stop(job.user_id, room_id=job.room_id, thread_id=thread))

    async def _status(self, job: Job) -> Text:
        answering, waiting = self._answers.counts
        pair = await self._manager.status(job.language)
        return say.status(pair, answering=answering, waiting=waiting)

    async def _language(self, job: Job, language: str | None) -> Text:
        if language is None:
            return say.LANGUAGE
        try:
            await self._people.choose(job.user_id, language)
        except errors.HeykenError as error:
            _log.warning("language_not_kept", reason=error.tried)
            return say.LANGUAGE_LOST
        job.language = language
        return say.language_kept()

    async def _switch(self, job: Job, wanted: str | None) -> Text:
        """Switch at most once: the reply stands before it is done, and whoever sees it only tells.

        The core that is told to hand over loses the role in the middle; the other one finds the
        unfinished reply and writes how it ended.
        """
        pair = await self._manager.status(job.language)
        if job.begun:
            active = _named(pair, pair.active_core)
            return say.UNHEARD if active is None else say.switched(active.name, changed=True)
        if ADMIN not in await self._people.roles(job.user_id, fresh=True):
            return say.NOT_ALLOWED
        if self._time.now() - job.question.time > SWITCH_FRESH_SECONDS:
            return say.TOO_OLD
        core_id = int(wanted) if wanted is not None else _other(pair)
        if core_id is None:
            return say.NO_OTHER
        target = _named(pair, core_id)
        name = target.name if target is not None else str(core_id)
        await self._announce(job, say.switching(name))
        done = await self._manager.switch(core_id, requested_by=job.asker, language=job.language)
        if done.refusal:
            return say.not_switched(done.refusal)
        return say.switched(name, changed=done.changed)

    async def _announce(self, job: Job, text: Text) -> None:
        sheet = Sheet(self._pen, job.question, limit=self._answers.size_limit)
        rendered = text.render(job.language)
        await self._patience.until_done(lambda: sheet.bring(rendered, finished=False))
        job.begun = rendered


def _other(pair: PairState) -> int | None:
    others = [core.core_id for core in pair.cores if core.core_id != pair.active_core]
    return others[0] if len(others) == 1 and pair.active_core is not None else None


def _named(pair: PairState, core_id: int | None) -> CoreState | None:
    return next((core for core in pair.cores if core.core_id == core_id), None)
