"""From a message to a decision: is it for us, is it still owed an answer, and who takes care."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable

from heyken_glue import errors, logs
from heyken_glue.domain import commands
from heyken_glue.domain.chat import Message, Room, RoomKind
from heyken_glue.domain.commands import Command, Verb
from heyken_glue.domain.conversation import (
    Call,
    Known,
    call_of,
    gaps,
    is_unfinished,
    reply_id,
    said,
    thread_of,
)
from heyken_glue.runtime.clock import Clock
from heyken_glue.services import assistant_texts as say
from heyken_glue.services.assistant_answers import Answers
from heyken_glue.services.assistant_books import People, Rooms, ServerTime, Threads
from heyken_glue.services.assistant_commands import Clerk
from heyken_glue.services.assistant_jobs import Ending, Job, Ledger
from heyken_glue.services.assistant_ports import Chat
from heyken_glue.services.assistant_role import Holder
from heyken_glue.texts import Text

LANES, LANE_MAX = 4, 250
_BOT = Ending("dropped", "another bot asked", quiet=True)
_ARCHIVED = Ending("dropped", "the room is archived", quiet=True)
_EMPTY = Ending("dropped", "there is nothing in the message", quiet=True)
_log = logs.get(__name__)


class Inbox:
    """Decides about each message once; what cannot be decided now is looked at again.

    Messages of one person are worked on in their order, those of others at the same time.
    """

    def __init__(
        self,
        *,
        chat: Chat,
        holder: Holder,
        ledger: Ledger,
        answers: Answers,
        clerk: Clerk,
        rooms: Rooms,
        threads: Threads,
        people: People,
        server_time: ServerTime,
        clock: Clock,
        look_back_seconds: float,
        again: Callable[[str], None],
    ) -> None:
        self._chat, self._holder, self._ledger = chat, holder, ledger
        self._answers, self._clerk, self._own = answers, clerk, ledger.own
        self._rooms, self._threads, self._people = rooms, threads, people
        self._time, self._clock, self._look_back = server_time, clock, look_back_seconds
        self._again = again
        self._lanes = [asyncio.Queue[Message](LANE_MAX) for _ in range(LANES)]

    def seen(self, message: Message) -> None:
        """Take in a message of the live feed; never waits."""
        self._time.note(message)
        if message.author.id == self._own.id:
            self._own_message(message)
        elif self._may_matter(message):
            lane = self._lanes[zlib.crc32(message.author.id.encode()) % LANES]
            try:
                lane.put_nowait(message)
            except asyncio.QueueFull:
                self._again(message.room_id)

    async def work(self, number: int) -> None:
        """Work on one lane for ever."""
        while True:
            message = await self._lanes[number].get()
            try:
                await self.consider(message)
            except Exception as error:  # noqa: BLE001 - the top of a loop: logged, the room is looked at again
                _log.error("message_not_decided", event_id=message.id, exc_info=error)
                self._again(message.room_id)

    async def consider(self, message: Message, *, live: bool = True) -> None:
        """Decide about a message; one that was found missing its reply is not `live`."""
        if message.id in self._ledger.claims or not self._holder.held:
            return
        self._ledger.claims.add(message.id)
        is_taken = False
        try:
            is_taken = await self._decide(message, live=live)
        except errors.HeykenError as error:
            _log.info("message_undecided", event_id=message.id, reason=error.tried)
            self._again(message.room_id)
        finally:
            if not is_taken:
                self._ledger.claims.discard(message.id)

    def known(self, room: Room, *, holding: bool = True) -> Known:
        """Return what this core knows, for a decision about a room."""
        return Known(
            own_id=self._own.id,
            direct=room.kind is RoomKind.DIRECT,
            since=self._time.now() - self._look_back,
            running=self._ledger.claims if holding else frozenset(),
            closed=self._ledger.closed,
            first_replies=self._threads.firsts,
        )

    def _own_message(self, message: Message) -> None:
        self._threads.note(message)
        if not self._holder.held or not is_unfinished(message.text):
            return
        if message.id not in {reply_id(claim) for claim in self._ledger.claims}:
            # a core that woke up late may have written over a finished reply
            self._again(message.room_id)

    def _may_matter(self, message: Message) -> bool:
        if not self._holder.held:
            return False
        if message.id in self._ledger.claims or message.id in self._ledger.closed:
            return False
        return call_of(message, own_id=self._own.id, direct=True) is not Call.NONE

    async def _decide(self, message: Message, *, live: bool) -> bool:
        """Tell whether somebody takes care of the message now."""
        term = self._holder.term
        room = await self._rooms.get(message.room_id)
        if room is None or (live and not await self._is_for_us(message, room)):
            return False
        if room.archived:
            return self._drop(message, _ARCHIVED)
        reply = await self._chat.message(reply_id(message.id))
        seen = [message] if reply is None else [message, reply]
        if not gaps(seen, self.known(room, holding=False)).questions:
            return False
        if await self._people.is_bot(message.author.id):
            return self._drop(message, _BOT)
        language = await self._people.language(message.author.id, said(message, self._own))
        if self._holder.term != term:
            return False
        begun = reply.text if reply is not None else ""
        job = self._job(message, language, begun=begun)
        is_taken = self._dispatch(job, is_direct=room.kind is RoomKind.DIRECT)
        if not is_taken and not job.settled:
            self._again(room.id)
        return is_taken

    async def _is_for_us(self, message: Message, room: Room) -> bool:
        found = gaps([message], self.known(room, holding=False))
        if found.threads:
            await self._threads.read(thread_of(message))
            found = gaps([message], self.known(room, holding=False))
        return bool(found.questions)

    def _job(self, message: Message, language: str, *, begun: str = "") -> Job:
        received = self._clock.monotonic()
        return Job(question=message, language=language, received=received, begun=begun)

    def _drop(self, message: Message, ending: Ending) -> bool:
        self._ledger.close(self._job(message, ""), ending)
        return False

    def _dispatch(self, job: Job, *, is_direct: bool) -> bool:
        """Hand a question to whoever takes care of it; False if nobody does now."""
        text = said(job.question, self._own)
        job.final = self._fixed(job, text)
        if job.final:
            return self._answers.take(job)
        if not text and is_direct:
            self._ledger.close(job, _EMPTY)
            return False
        command = commands.parse(text) if text else Command(Verb.HELP)
        if command is not None:
            return self._clerk.start(job, command)
        return self._answers.admit(job)

    def _fixed(self, job: Job, text: str) -> str:
        """Return the reply if it is known without asking anybody."""
        if job.begun and job.id in self._ledger.finals:
            return self._ledger.finals[job.id]
        sentence: Text | None = None
        if commands.is_binary(job.question.text):
            sentence = say.BINARY
        elif not text and job.question.file_names:
            sentence = say.NO_FILES
        return sentence.render(job.language) if sentence is not None else ""
