"""A digest of what this host's units warned of, for a channel: one message per span, or none.

Spans are cut by the clock (for 600 s: every full ten minutes), and a digest's id follows from host
and span. So a restart loses none and posts none twice, and nothing has to be kept.
"""

from __future__ import annotations

import contextlib
import math
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping

from heyken_glue import errors, logs
from heyken_glue.adapters.rocketchat.client import RefusedError
from heyken_glue.domain.conversation import reply_id
from heyken_glue.domain.digest import Group, Tally, parse
from heyken_glue.domain.replies import pages
from heyken_glue.runtime.clock import Clock
from heyken_glue.runtime.daemon import Heart
from heyken_glue.services import assistant_texts as say
from heyken_glue.services.assistant_ports import Chat
from heyken_glue.services.assistant_role import Nudge
from heyken_glue.services.assistant_sheet import is_workspace_wide, reason_of

GRACE_SECONDS = 2.0
TICK_SECONDS = 5.0
KEPT_MAX = 12
_PART_LIMIT = 4000
_log = logs.get(__name__)
Journal = Callable[[float, float], AsyncGenerator[Mapping[str, object], None]]


class Digester:
    """Every core tells of its own units, whether it is the holder or not."""

    def __init__(
        self,
        *,
        chat: Chat,
        journal: Journal,
        clock: Clock,
        host: str,
        language: str,
        channel: str,
        seconds: float,
    ) -> None:
        self._chat, self._journal, self._clock = chat, journal, clock
        self._host, self._language, self._channel = host, language, channel
        self._seconds = seconds
        # the span before the last was told by an earlier run of this unit, if it had anything
        self._next = math.floor(clock.now() / seconds) - 1
        self._waiting: OrderedDict[int, str] = OrderedDict()
        self.nudge = Nudge()

    async def keep_telling(self, heart: Heart) -> None:
        """Tell each span when it is over, for ever."""
        while True:
            heart.beat()
            try:
                await self.tick()
            except errors.HeykenError as error:
                _log.info("digest_waits", reason=error.tried)
            except Exception as error:  # noqa: BLE001 - the top of a loop: logged, the next round comes
                _log.error("digest_failed", exc_info=error)
            await self.nudge.wait(min(TICK_SECONDS, self._seconds))

    async def tick(self) -> None:
        """Sum up a span that is over, and post what waits."""
        now = self._clock.now() - GRACE_SECONDS
        newest = math.floor(now / self._seconds)
        self._next = max(self._next, newest - KEPT_MAX)
        while self._next < newest:
            await self._sum_up(self._next)
            self._next += 1
        while self._waiting:
            span, text = next(iter(self._waiting.items()))
            await self._post(span, text)
            self._waiting.pop(span, None)

    async def _sum_up(self, span: int) -> None:
        start, end = span * self._seconds, (span + 1) * self._seconds
        tally = Tally()
        try:
            async with contextlib.aclosing(self._journal(start, end)) as records:
                async for record in records:
                    if (entry := parse(record)) is not None:
                        tally.add(entry)
        except errors.TransientError as error:
            _log.warning("journal_not_read", reason=error.tried)
        if tally.groups():
            self._waiting[span] = self._text(tally, start, end)
            while len(self._waiting) > KEPT_MAX:
                self._waiting.popitem(last=False)

    def _text(self, tally: Tally, start: float, end: float) -> str:
        lines = [say.digest_head(self._host, start=start, end=end).render(self._language)]
        lines += [
            f"• {group.count}× {group.entry.unit}, {self._level(group)}: `{group.entry.event}`"
            for group in tally.groups()
        ]
        if beyond := tally.beyond():
            lines.append(say.digest_beyond(beyond).render(self._language))
        return "\n".join(lines)

    def _level(self, group: Group) -> str:
        return say.level(group.entry.level).render(self._language)

    async def _post(self, span: int, text: str) -> None:
        room = await self._chat.room_named(self._channel)
        if room is None:
            _log.info("digest_dropped", reason=f"there is no #{self._channel}")
            return
        key = f"digest-{self._host}-{self._seconds:g}-{span}"
        try:
            for number, part in enumerate(pages(text, limit=_PART_LIMIT, finished=True)):
                await self._chat.send(room.id, part, message_id=reply_id(key, number))
        except RefusedError as error:
            if is_workspace_wide(error):
                raise
            _log.info("digest_dropped", reason=reason_of(error))
