"""Everything that people write, live: one websocket that comes back for as long as it takes.

Nothing is kept while it is away: after each return `Connected` says since when messages may be
missing, and the reader fetches them over REST. A reader that is too slow is treated the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

import aiohttp

from heyken_glue import logs
from heyken_glue.adapters.rocketchat import connection, frames
from heyken_glue.adapters.rocketchat.connection import (
    Connection,
    LostError,
    RejectedError,
    Timing,
)
from heyken_glue.adapters.rocketchat.frames import Frame
from heyken_glue.adapters.rocketchat.mailbox import Mailbox
from heyken_glue.adapters.rocketchat.models import Login
from heyken_glue.adapters.rocketchat.oddities import Oddities
from heyken_glue.adapters.rocketchat.signals import (
    Connected,
    Deleted,
    Lost,
    Rejected,
    Seen,
    Signal,
)
from heyken_glue.runtime.clock import Clock, SystemClock
from heyken_glue.runtime.http import RetryPolicy

__all__ = [
    "Connected",
    "Deleted",
    "Login",
    "Lost",
    "RealtimeFeed",
    "Rejected",
    "Seen",
    "Signal",
    "Timing",
]

# clocks differ a little, and messages of several rooms may overtake one another
GAP_MARGIN_SECONDS = 10.0
MAX_WATCHED_ROOMS = 500
_BACK_OFF = RetryPolicy(base_seconds=0.25, cap_seconds=5.0)


@dataclass(frozen=True)
class _End:
    """How a connection ended, and how long to wait at least before the next."""

    signal: Lost | Rejected
    wait: float


class RealtimeFeed:
    """One user's feed; the session (with its TLS) belongs to the caller.

    `pause`, `roll` and `clock` are there for tests to hold still.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        login: Login,
        *,
        clock: Clock | None = None,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        roll: Callable[[], float] = random.random,
        timing: Timing | None = None,
        mailbox: Callable[[], Mailbox] = Mailbox,
    ) -> None:
        self._session, self._url, self._login = session, url, login
        self._clock, self._pause, self._roll = clock or SystemClock(), pause, roll
        self._timing, self._new_mailbox = timing or Timing(), mailbox
        self._log = logs.get(__name__)
        self.oddities = Oddities(self._log)
        self._numbers = itertools.count(1)
        self._watched: dict[str, str] = {}
        self._start()

    def _start(self) -> None:
        self._mailbox = self._new_mailbox()
        self._connection: Connection | None = None
        self._told: Signal | None = None
        # when the first connection stood by our clock, the newest change seen by the server's,
        # and the start of the gap that the next `Connected` has to tell of
        self._began: float | None = None
        self._newest: float | None = None
        self._gap_since: float | None = None

    @property
    def connected(self) -> bool:
        """Whether messages come in."""
        return self._connection is not None

    async def signals(self) -> AsyncGenerator[Signal, None]:
        """Yield what happens, for ever; one reader at a time, closing the iterator hangs up."""
        self._start()
        work = asyncio.create_task(self._keep(), name="rocketchat-feed")
        try:
            while True:
                yield await self._mailbox.get()
        finally:
            work.cancel()
            await asyncio.wait({work})

    async def watch_deletions(self, room_id: str) -> None:
        """Tell about deleted messages of a room from now on; best effort."""
        if room_id in self._watched:
            return
        if len(self._watched) >= MAX_WATCHED_ROOMS:
            self.oddities.note("too_many_watched_rooms")
            return
        number = f"deletions-{next(self._numbers)}"
        self._watched[room_id] = number
        await self._tell(frames.subscribe_to_deletions(number, room_id))

    async def unwatch_deletions(self, room_id: str) -> None:
        """Tell no more about deleted messages of a room; best effort."""
        number = self._watched.pop(room_id, None)
        if number is not None:
            await self._tell(frames.unsubscribe(number))

    async def typing(self, room_id: str, username: str, active: bool) -> None:
        """Show that we are writing, or no more; lasts some 10 s, and is best effort."""
        number = f"typing-{next(self._numbers)}"
        await self._tell(frames.typing(number, room_id, username, active=active))

    async def _tell(self, frame: dict[str, object]) -> None:
        if self._connection is not None:
            with contextlib.suppress(LostError):
                await self._connection.tell(frame)

    async def _keep(self) -> None:
        tries = 0
        while True:
            began = self._clock.monotonic()
            end = await self._one()
            lasted = self._clock.monotonic() - began
            tries = 1 if lasted >= self._timing.settled else tries + 1
            await self._report(end.signal)
            await self._pause(max(end.wait, _BACK_OFF.delay(tries, roll=self._roll())))
            # whoever is behind gets nothing new on top: what comes meanwhile is part of the gap
            await self._mailbox.emptied()

    async def _report(self, signal: Lost | Rejected) -> None:
        """Tell why nothing comes in, once for as long as the reason stays the same."""
        if signal == self._told:
            return
        self._told = signal
        self._log.warning("chat_feed_down", kind=type(signal).__name__, reason=signal.reason)
        await self._mailbox.put(signal)

    async def _one(self) -> _End:
        """Live through one connection and return how it ended."""
        try:
            async with connection.opened(
                self._session, self._url, timing=self._timing, oddities=self.oddities
            ) as link:
                await link.log_in(self._login, self._hear)
                await self._listen(link)
        except LostError as error:
            return _End(Lost(str(error)), error.retry_after)
        except RejectedError as error:
            return _End(Rejected(str(error)), self._timing.rejected * (0.5 + self._roll()))
        except Exception as error:  # noqa: BLE001 - the top of the loop: one connection is lost
            self._log.error("chat_feed_failed", exc_info=error)
        return _End(Lost("internal error"), self._timing.rejected)

    async def _listen(self, link: Connection) -> NoReturn:
        self._deliver(Connected(self._gap_since), size=0)
        self._connection, self._told = link, None
        self._began = self._began if self._began is not None else self._clock.now()
        self._log.info("chat_feed_up", gap_since=self._gap_since)
        try:
            for room_id, number in tuple(self._watched.items()):
                await link.tell(frames.subscribe_to_deletions(number, room_id))
            while True:
                self._hear(await link.next())
        finally:
            self._connection = None
            # a message may carry a time that is still to come; that one covers nothing
            known = self._newest if self._newest is not None else self._began
            self._gap_since = max(0.0, min(known, self._clock.now()) - GAP_MARGIN_SECONDS)

    def _hear(self, frame: Frame) -> None:
        if connection.is_end_of_messages(frame):
            raise LostError("the server stopped telling about messages")
        for signal in frames.signals_in(frame, self.oddities):
            self._deliver(signal, size=frame.size)

    def _deliver(self, signal: Signal, *, size: int) -> None:
        if not self._mailbox.offer(signal, size=size):
            raise LostError("more comes in than can be worked on")
        if isinstance(signal, Seen):
            self._newest = max(self._newest or 0.0, signal.message.updated)
