"""Writing replies, and putting right what a core that was frozen wrote over them when it woke up.

Rocket.Chat takes an edit from whoever has the token: it cannot tell a holder from a former one. So
each write is preceded by a look at the role (`Permit`), and what slips through all the same is
found here: by the live feed at any time, and for some seconds after a takeover by reading again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from heyken_glue import errors, logs
from heyken_glue.domain.chat import Message, User
from heyken_glue.runtime.clock import boottime
from heyken_glue.services.assistant_jobs import Recent
from heyken_glue.services.assistant_role import Holder, Nudge

WATCH_SECONDS = 5.0
AGAIN_SECONDS = 1.0
REPAIRS_MAX = 3
_KEPT_MAX = 500
_log = logs.get(__name__)


class Chat(Protocol):
    """As much of the chat server as a reply needs."""

    async def message(self, message_id: str) -> Message | None: ...  # noqa: D102 - as the client
    async def send(  # noqa: D102
        self, room_id: str, text: str, *, message_id: str, thread_id: str | None = None
    ) -> None: ...
    async def edit(self, room_id: str, message_id: str, text: str) -> None: ...  # noqa: D102
    async def delete(self, room_id: str, message_id: str) -> None: ...  # noqa: D102


@dataclass
class _Line:
    """One message: what this core wrote last, None while that is not certain."""

    room_id: str
    text: str | None = None
    repairs: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Pen:
    """Writes for the holder and remembers, for its term, what stands where."""

    def __init__(
        self, chat: Chat, holder: Holder, own: User, now: Callable[[], float] = boottime
    ) -> None:
        self._chat, self._holder, self._own, self._now = chat, holder, own, now
        self._lines: Recent[_Line] = Recent(_KEPT_MAX)
        self._suspects: set[str] = set()
        self._watch_until = 0.0
        self.nudge = Nudge()
        holder.listeners.append(self._turn)

    async def message(self, message_id: str) -> Message | None:
        """Read a message."""
        return await self._chat.message(message_id)

    async def send(
        self, room_id: str, text: str, *, message_id: str, thread_id: str | None = None
    ) -> None:
        """Post a message under an id of ours."""
        line = self._line(room_id, message_id)
        async with line.lock:
            line.text = None
            await self._chat.send(room_id, text, message_id=message_id, thread_id=thread_id)
            line.text = text

    async def edit(self, room_id: str, message_id: str, text: str) -> None:
        """Replace the text of a message of ours."""
        line = self._line(room_id, message_id)
        async with line.lock:
            line.text = None
            await self._chat.edit(room_id, message_id, text)
            line.text = text

    async def delete(self, room_id: str, message_id: str) -> None:
        """Remove a message of ours."""
        line = self._line(room_id, message_id)
        async with line.lock:
            line.text = None
            await self._chat.delete(room_id, message_id)

    def seen(self, message: Message) -> None:
        """Take in a message as it was told of; an edit that is not this core's is looked into."""
        line = self._lines.get(message.id)
        if line is not None and self._is_foreign(message, line):
            self._suspects.add(message.id)
            self.nudge.now()

    async def keep_watch(self) -> None:
        """Look into what is suspicious, for ever; after a takeover into everything for a while."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - the top of a loop: logged, the next round comes
                _log.error("watch_failed", exc_info=error)
            await self.nudge.wait(AGAIN_SECONDS)

    async def look(self) -> None:
        """Look once."""
        if self._now() < self._watch_until:
            self._suspects.update(self._lines)
        suspects, self._suspects = self._suspects, set()
        for message_id in sorted(suspects):
            if not self._holder.held:
                return
            try:
                await self._check(message_id)
            except errors.TransientError:
                self._suspects.add(message_id)
            except errors.PermanentError as error:
                _log.warning("stale_edit_stays", message=message_id, reason=error.tried)

    async def _check(self, message_id: str) -> None:
        line = self._lines.get(message_id)
        if line is None:
            return
        async with line.lock:
            if line.text is None or line.repairs >= REPAIRS_MAX:
                return
            message = await self._chat.message(message_id)
            if message is None or not self._is_foreign(message, line):
                return
            line.repairs += 1
            await self._chat.edit(line.room_id, message_id, line.text)
            _log.warning("stale_edit_repaired", message=message_id, room=line.room_id)

    def _is_foreign(self, message: Message, line: _Line) -> bool:
        """Tell whether a message says what another core wrote; what people edit is theirs."""
        if line.text is None or message.system_type:
            return False
        by_us = message.edited_by in (None, self._own.id)
        # the server may trim what it is given
        return by_us and message.text.strip() != line.text.strip()

    def _line(self, room_id: str, message_id: str) -> _Line:
        line = self._lines.get(message_id)
        if line is None:
            line = self._lines[message_id] = _Line(room_id)
        return line

    def _turn(self, held: bool) -> None:
        """Begin a term: what was written in a former one is the business of whoever holds now."""
        self._lines.clear()
        self._suspects.clear()
        self._watch_until = self._now() + WATCH_SECONDS if held else 0.0
