"""Looking at what was written, so that nothing is forgotten whatever was not heard live."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from heyken_glue import errors, logs
from heyken_glue.domain.chat import Message, Room
from heyken_glue.domain.conversation import Gaps, gaps
from heyken_glue.runtime.clock import Clock
from heyken_glue.runtime.daemon import Heart
from heyken_glue.services.assistant_answers import Answers
from heyken_glue.services.assistant_books import Rooms, ServerTime, Threads
from heyken_glue.services.assistant_inbox import Inbox
from heyken_glue.services.assistant_jobs import Recent
from heyken_glue.services.assistant_ports import Chat
from heyken_glue.services.assistant_role import Holder, Nudge

EVERYWHERE_SECONDS = 60.0
AFTER_FAILURE_SECONDS = 5.0
AGAIN_SECONDS = 2.0
TICK_SECONDS = 1.0
ROOMS_AT_ONCE = 4
THREADS_MAX = 30
AGAIN_MAX = 1000
# between two full looks only what changed since the last one is read, and a little more
FULL_SECONDS = 600.0
OVERLAP_SECONDS = 60.0
_log = logs.get(__name__)


class Due:
    """What has to be looked at, and when: everything now and then, some rooms sooner.

    For each room it keeps up to when (by the server) nothing was left undone. Whatever is to be
    looked at again is looked at in full.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock, self._everywhere_at = clock, clock.monotonic()
        self._rooms: dict[str, float] = {}
        self._settled: Recent[float] = Recent(AGAIN_MAX)
        self._full_at = clock.monotonic()
        self.nudge = Nudge()

    def everywhere(self, *, after: float = 0.0) -> None:
        """Look at every room, after so many seconds at the latest."""
        self._everywhere_at = min(self._everywhere_at, self._clock.monotonic() + after)
        if not after:
            self.nudge.now()

    def in_full(self) -> None:
        """Look at every room now, as if nothing was known of it."""
        self._settled.clear()
        self.everywhere()

    def settle(self, room_id: str, until: float) -> None:
        """Keep up to when nothing is left to be done in a room."""
        self._settled[room_id] = until

    def since(self, room_id: str, earliest: float) -> float:
        """Return from when on a room has to be read, in seconds by the server."""
        settled = self._settled.get(room_id, 0.0) - OVERLAP_SECONDS
        return max(0.0, earliest, settled)

    def again(self, room_id: str) -> None:
        """Look at a room soon; too many of them are every room."""
        self._settled.pop(room_id, None)
        if len(self._rooms) >= AGAIN_MAX:
            self.everywhere(after=AGAIN_SECONDS)
        else:
            self._rooms.setdefault(room_id, self._clock.monotonic() + AGAIN_SECONDS)

    def takes_everything(self) -> bool:
        """Tell whether every room is due; if so, the next time is a minute away."""
        now = self._clock.monotonic()
        if now < self._everywhere_at:
            return False
        self._everywhere_at = now + EVERYWHERE_SECONDS
        self._rooms.clear()
        if now >= self._full_at:
            self._full_at = now + FULL_SECONDS
            self._settled.clear()
        return True

    def taken_rooms(self) -> list[str]:
        """Return the rooms that are due, and forget them."""
        now = self._clock.monotonic()
        due = [room_id for room_id, when in self._rooms.items() if when <= now]
        for room_id in due:
            del self._rooms[room_id]
        return due


class Lookout:
    """Looks at rooms over REST and hands questions without a finished reply to the inbox."""

    def __init__(
        self,
        *,
        chat: Chat,
        holder: Holder,
        inbox: Inbox,
        answers: Answers,
        rooms: Rooms,
        threads: Threads,
        server_time: ServerTime,
        due: Due,
        seen: Callable[[Message], None],
        look_back_seconds: float,
    ) -> None:
        self._chat, self._holder, self._inbox, self._answers = chat, holder, inbox, answers
        self._rooms, self._threads, self._time, self._due = rooms, threads, server_time, due
        self._look_back, self._seen = look_back_seconds, seen

    async def keep_looking(self, heart: Heart) -> None:
        """Look whenever something is due, for ever."""
        while True:
            heart.beat()
            try:
                await self._tick(heart)
            except Exception as error:  # noqa: BLE001 - the top of a loop: logged, the next round comes
                _log.error("look_failed", exc_info=error)
                self._due.everywhere(after=AFTER_FAILURE_SECONDS)
            await self._due.nudge.wait(TICK_SECONDS)

    async def look_everywhere(self) -> None:
        """Look at all rooms in which anything was written of late."""
        # room times may lag behind those of their messages: rather some rooms too many
        since = max(0.0, self._time.now() - 2 * self._look_back)
        found = await self._chat.rooms(changed_since=since)
        self._rooms.learn(found)
        await self._look_at([room for room in found if not room.archived])
        await self._answers.recheck()

    async def _tick(self, heart: Heart) -> None:
        if not self._holder.held:
            return
        try:
            if self._due.takes_everything():
                await self.look_everywhere()
            elif due := self._due.taken_rooms():
                found = [await self._rooms.get(room_id) for room_id in due]
                await self._look_at([room for room in found if room is not None])
        except errors.HeykenError as error:
            _log.info("look_cut_short", reason=error.tried)
            self._due.everywhere(after=AFTER_FAILURE_SECONDS)
        heart.beat()

    async def _look_at(self, rooms: list[Room]) -> None:
        waiting = iter(rooms)

        async def one_after_the_other() -> None:
            for room in waiting:
                await self._safely(self._look, room)

        async with asyncio.TaskGroup() as group:
            for _ in range(ROOMS_AT_ONCE):
                group.create_task(one_after_the_other())

    async def _safely(self, look: Callable[[Room], Awaitable[None]], room: Room) -> None:
        try:
            await look(room)
        except errors.HeykenError as error:
            _log.info("room_not_seen", room=room.id, reason=error.tried)
            if isinstance(error, errors.TransientError):
                self._due.again(room.id)
            else:
                self._due.settle(room.id, 0.0)
        except Exception as error:  # noqa: BLE001 - the top of one look: logged, other rooms go on
            _log.error("look_failed", room=room.id, exc_info=error)
            self._due.settle(room.id, 0.0)

    async def _look(self, room: Room) -> None:
        since = self._due.since(room.id, self._time.now() - self._look_back)
        messages = await self._chat.changed_since(room.id, since)
        for message in messages:
            self._seen(message)
        if messages:
            # whatever is left over takes this back
            self._due.settle(room.id, max(message.updated for message in messages))
        found = gaps(messages, self._inbox.known(room))
        if found.threads:
            found = await self._with_threads(room, messages, found)
        for question in found.questions:
            if self._answers.is_full:
                self._due.again(room.id)
                break
            await self._inbox.consider(question, live=False)
        for stray in found.strays:
            await self._chat.delete(room.id, stray.id)

    async def _with_threads(self, room: Room, messages: tuple[Message, ...], found: Gaps) -> Gaps:
        """Read the threads that have to be known, some at a time, and decide again."""
        chosen = sorted(found.threads)[:THREADS_MAX]
        if len(chosen) < len(found.threads):
            self._due.again(room.id)
        read = [message for thread in chosen for message in await self._threads.read(thread)]
        known = dataclasses.replace(self._inbox.known(room), complete=frozenset(chosen))
        return gaps((*messages, *read), known)
