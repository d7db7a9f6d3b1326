"""A reply on the chat server: the messages it consists of, brought to what the text is now."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from heyken_glue import errors, logs
from heyken_glue.adapters.rocketchat.client import RefusedError
from heyken_glue.domain.chat import Message
from heyken_glue.domain.conversation import PARTS_MAX, reply_id, thread_of
from heyken_glue.domain.replies import LEAST_LIMIT, pages
from heyken_glue.runtime.http import RetryPolicy
from heyken_glue.services.assistant_pen import Chat
from heyken_glue.services.assistant_role import Holder, Nudge

TOO_LONG = "error-message-size-exceeded"
# refusals that concern everything we write, not one room or message
WORKSPACE_WIDE = frozenset({"restricted-workspace", "unauthorized", "redirected"})
WITHDRAWN = "—"
_AGAIN = RetryPolicy(base_seconds=0.5, cap_seconds=8.0)
_SLOWLY_SECONDS = 15.0
_LONGEST_WAIT_SECONDS = 120.0
_REMIND_SECONDS = 300.0
_log = logs.get(__name__)
T = TypeVar("T")


class ReplyGoneError(Exception):
    """Somebody removed the reply, and it is not to come back."""


def is_workspace_wide(error: errors.HeykenError) -> bool:
    """Tell whether an error will meet everything we write until somebody does something."""
    if isinstance(error, RefusedError):
        return error.code in WORKSPACE_WIDE
    return isinstance(error, errors.PermanentError)


class Obstacles:
    """Why the assistant cannot do its work, for `/connection` and for one line in the log."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._reasons: dict[str, str] = {}
        self._told: dict[str, tuple[str, float]] = {}
        self._monotonic = monotonic

    @property
    def reason(self) -> str:
        """The reasons known now, "" if there are none."""
        return "; ".join(self._reasons.values())

    def stand_in_the_way(self, *kinds: str) -> bool:
        """Tell whether there is a reason of one of these kinds."""
        return any(kind in self._reasons for kind in kinds)

    def note(self, kind: str, reason: str, *, is_logged: bool = False) -> None:
        """Keep a reason; the log gets it when it is new, and then seldom, unless it was told."""
        self._reasons[kind] = reason
        told, when = self._told.get(kind, ("", 0.0))
        due = told != reason or self._monotonic() - when > _REMIND_SECONDS
        if due and not is_logged:
            self._told[kind] = (reason, self._monotonic())
            _log.warning("chat_obstacle", kind=kind, reason=reason)

    def clear(self, kind: str) -> None:
        """Forget a reason that is past."""
        if self._reasons.pop(kind, None) is not None and kind in self._told:
            _log.info("chat_obstacle_past", kind=kind)


class Patience:
    """Repeats a call until it works; only a refusal that concerns this call alone comes out.

    Before each try the role is confirmed, so that nothing is written by a core that lost it. While
    the whole workspace refuses, one caller tries now and then for all of them.
    """

    def __init__(self, holder: Holder, obstacles: Obstacles) -> None:
        self._holder, self._obstacles, self._nudge = holder, obstacles, Nudge()
        self._blocked, self._probe_at = False, 0.0

    def hurry(self) -> None:
        """Let everybody who waits try now: something has changed for the better."""
        self._probe_at = 0.0
        self._nudge.now()

    async def read(self, call: Callable[[], Awaitable[T]]) -> T:
        """Try once, if this core may act; that it works says nothing about writing."""
        await self._holder.confirmed()
        try:
            return await call()
        except errors.HeykenError as error:
            if is_workspace_wide(error):
                self._block(reason_of(error))
            raise

    async def once(self, call: Callable[[], Awaitable[T]]) -> T:
        """Try to write once, if this core may act."""
        result = await self.read(call)
        if self._blocked:
            self._blocked = False
            self.hurry()
        self._obstacles.clear("write")
        return result

    async def until_done(self, call: Callable[[], Awaitable[T]]) -> T:
        """Try to write until it works."""
        return await self._repeat(lambda: self.once(call))

    async def until_read(self, call: Callable[[], Awaitable[T]]) -> T:
        """Try to read until it works."""
        return await self._repeat(lambda: self.read(call))

    async def _repeat(self, attempt: Callable[[], Awaitable[T]]) -> T:
        tries = 0
        while True:
            await self._gate()
            try:
                return await attempt()
            except errors.TransientError as error:
                tries += 1
                wait = _AGAIN.delay(min(tries, 30), roll=0.5 + random.random() / 2)  # noqa: S311
                wait = max(wait, min(error.retry_after or 0.0, _LONGEST_WAIT_SECONDS))
            except errors.PermanentError as error:
                if not is_workspace_wide(error):
                    raise
                continue
            await self._nudge.wait(wait)

    async def _gate(self) -> None:
        """Wait while the workspace refuses, until it is the caller's turn to try."""
        now = asyncio.get_running_loop().time
        while self._blocked and (left := self._probe_at - now()) > 0:
            await self._nudge.wait(left)
        if self._blocked:
            self._probe_at = now() + _SLOWLY_SECONDS

    def _block(self, reason: str) -> None:
        self._blocked = True
        self._probe_at = asyncio.get_running_loop().time() + _SLOWLY_SECONDS
        self._obstacles.note("write", reason)


def reason_of(error: errors.HeykenError) -> str:
    """Return an error in one line; a refusal by its code, which is what people search for."""
    return f"{error.code}: {error.tried}" if isinstance(error, RefusedError) else error.tried


class Sheet:
    """The reply to one question; it has one writer.

    The first part keeps the mark until everything else is final, so it alone says whether the
    answer is complete. A part that an admin removed comes back once.
    """

    def __init__(self, chat: Chat, question: Message, *, limit: int, begun: str = "") -> None:
        self._chat, self._question, self._limit = chat, question, limit
        self._room, self._thread = question.room_id, thread_of(question)
        self._begun = bool(begun)
        self._there: dict[int, str | None] = {0: begun} if begun else {}
        self._doubtful: set[int] = set()
        self._recreated: set[int] = set()

    async def bring(self, text: str, *, finished: bool) -> None:
        """Make the reply say `text`; an error leaves it somewhere on the way, try again."""
        while True:
            try:
                await self._bring(pages(text, limit=self._limit, finished=finished), finished)
            except RefusedError as error:
                if error.code != TOO_LONG or self._limit <= LEAST_LIMIT:
                    raise
                self._limit = max(LEAST_LIMIT, self._limit // 2)
            else:
                return

    async def erase(self) -> None:
        """Remove the whole reply."""
        await self._remove_from(0)

    async def _bring(self, parts: tuple[str, ...], finished: bool) -> None:
        if not finished:
            for number, part in enumerate(parts):
                await self._put(number, part)
            return
        for number, part in enumerate(parts[1:], start=1):
            await self._put(number, part)
        await self._remove_from(len(parts))
        await self._put(0, parts[0])

    async def _put(self, number: int, text: str) -> None:
        if number not in self._there:
            await self._send(number, text)
        elif self._there[number] != text:
            await self._edit(number, text)

    async def _send(self, number: int, text: str) -> None:
        """Post a part; if it may be there already, it may say something older."""
        message_id = reply_id(self._question.id, number)
        may_be_there = self._begun or number in self._doubtful
        self._doubtful.add(number)
        await self._chat.send(self._room, text, message_id=message_id, thread_id=self._thread)
        self._doubtful.discard(number)
        self._there[number] = text
        if may_be_there:
            await self._edit(number, text)

    async def _edit(self, number: int, text: str) -> None:
        message_id = reply_id(self._question.id, number)
        self._there[number] = None
        try:
            await self._chat.edit(self._room, message_id, text)
        except RefusedError as error:
            if is_workspace_wide(error) or error.code == TOO_LONG:
                raise
            await self._recreate(number, text, error)
        self._there[number] = text

    async def _recreate(self, number: int, text: str, refusal: RefusedError) -> None:
        message = await self._chat.message(reply_id(self._question.id, number))
        if message is not None and not message.system_type:
            raise refusal
        if message is not None or number in self._recreated:
            raise ReplyGoneError
        self._recreated.add(number)
        del self._there[number]
        await self._send(number, text)

    async def _remove_from(self, first: int) -> None:
        """Remove parts that an earlier, longer text had."""
        for number in range(first, PARTS_MAX):
            message_id = reply_id(self._question.id, number)
            if number not in self._there:
                may_be_there = self._begun or number in self._doubtful
                if not may_be_there or await self._chat.message(message_id) is None:
                    return
            try:
                await self._chat.delete(self._room, message_id)
            except RefusedError as error:
                if is_workspace_wide(error):
                    raise
                # we may not delete here: at least it says nothing wrong
                await self._chat.edit(self._room, message_id, WITHDRAWN)
            self._there.pop(number, None)
