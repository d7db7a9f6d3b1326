"""Joining the parts that deal with questions: from the live feed to the finished reply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from heyken_glue import errors, logs
from heyken_glue.domain.chat import User
from heyken_glue.runtime.clock import Clock, boottime
from heyken_glue.runtime.spool import Spool
from heyken_glue.services.assistant_answers import Answers
from heyken_glue.services.assistant_books import People, Rooms, ServerTime, Threads
from heyken_glue.services.assistant_commands import Clerk
from heyken_glue.services.assistant_digest import Journal
from heyken_glue.services.assistant_inbox import Inbox
from heyken_glue.services.assistant_jobs import Ledger
from heyken_glue.services.assistant_lookout import Due, Lookout
from heyken_glue.services.assistant_pen import Pen
from heyken_glue.services.assistant_ports import Chat, Feed, Languages, Manager, Model
from heyken_glue.services.assistant_pour import Pourer
from heyken_glue.services.assistant_role import Holder, Permit
from heyken_glue.services.assistant_sheet import Obstacles, Patience
from heyken_glue.services.assistant_writer import Pace, Writer
from heyken_glue.services.lease import Lease
from heyken_glue.settings import Settings, section

_log = logs.get(__name__)


@dataclass(frozen=True, kw_only=True)
class Outside:
    """Everything the assistant talks to.

    `chat` writes for the holder alone: before each write `permit` is asked. `herald` is the same
    server for what any core may write: a host's own digest, what another unit asks for.
    """

    chat: Chat
    herald: Chat
    feed: Feed
    model: Model
    manager: Manager
    languages: Languages
    journal: Journal
    lease: Lease
    permit: Permit


@dataclass(frozen=True, kw_only=True)
class Base:
    """What all parts stand on; `own` is who we are on the chat server."""

    settings: Settings
    clock: Clock
    spool: Spool
    own: User
    obstacles: Obstacles
    pace: Pace
    boottime: Callable[[], float] = boottime


class Desk:
    """Everything that deals with questions, and what concerns all of it."""

    def __init__(self, base: Base, outside: Outside) -> None:
        settings, self._chat = base.settings, outside.chat
        self._rocketchat = section(settings.rocketchat, "[rocketchat]")
        self.due = Due(base.clock)
        self.holder = Holder(outside.manager, base.boottime)
        outside.permit.holder = self.holder
        self.pen = Pen(outside.chat, self.holder, base.own, base.boottime)
        self.patience = Patience(self.holder, base.obstacles)
        self.people = People(
            outside.chat, outside.languages, base.clock, default=settings.deployment.language
        )
        self._ledger = Ledger(
            base.spool, base.clock, host=settings.host.name, own=base.own, again=self.due.again
        )
        self._time = ServerTime(base.clock)
        self.answers = self._answers(base, outside)
        self._clerk = Clerk(
            pen=self.pen,
            manager=outside.manager,
            people=self.people,
            answers=self.answers,
            patience=self.patience,
            ledger=self._ledger,
            server_time=self._time,
        )
        self.inbox, self.lookout = self._eyes(base, outside)
        self.holder.listeners.append(self._turn)

    async def connected(self) -> None:
        """Go on at once where the chat server is back."""
        self.patience.hurry()
        self.due.everywhere()
        try:
            self.answers.size_limit = await self._chat.size_limit()
        except errors.HeykenError as error:
            _log.info("size_limit_unknown", reason=error.tried)

    async def close(self) -> None:
        """Leave everything as it is, and wait until nothing runs any more."""
        await self._clerk.close()
        await self.answers.close()

    def _turn(self, held: bool) -> None:
        """Begin or stop to act."""
        if held:
            self.people.forget_choices()
            self.due.in_full()
        else:
            self._clerk.abandon()
            self.answers.abandon()

    def _answers(self, base: Base, outside: Outside) -> Answers:
        pourer = Pourer(outside.chat, outside.model, self.patience, base.own, base.clock)
        return Answers(
            pen=self.pen,
            feed=outside.feed,
            writer=Writer(outside.feed, pourer, self.patience, base.pace, base.own),
            patience=self.patience,
            ledger=self._ledger,
            answers_max=self._rocketchat.answers_max,
            queue_max=self._rocketchat.queue_max,
        )

    def _eyes(self, base: Base, outside: Outside) -> tuple[Inbox, Lookout]:
        look_back = self._rocketchat.look_back_seconds
        rooms = Rooms(outside.chat, base.clock)
        threads = Threads(outside.chat, base.clock, own=base.own, keep_seconds=look_back)
        inbox = Inbox(
            chat=outside.chat,
            holder=self.holder,
            ledger=self._ledger,
            answers=self.answers,
            clerk=self._clerk,
            rooms=rooms,
            threads=threads,
            people=self.people,
            server_time=self._time,
            clock=base.clock,
            look_back_seconds=look_back,
            again=self.due.again,
        )
        lookout = Lookout(
            chat=outside.chat,
            holder=self.holder,
            inbox=inbox,
            answers=self.answers,
            rooms=rooms,
            threads=threads,
            server_time=self._time,
            due=self.due,
            seen=self.pen.seen,
            look_back_seconds=look_back,
        )
        return inbox, lookout
