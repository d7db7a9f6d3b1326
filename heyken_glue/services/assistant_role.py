"""Whether this core may act: it follows what `core-manager` says about the virtual address."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from heyken_glue import errors, logs
from heyken_glue.runtime.clock import boottime
from heyken_glue.services.assistant_ports import Manager

LOOK_SECONDS = 0.2
FRESH_SECONDS = 1.0
UNHEARD_SECONDS = 5.0
SLEPT_SECONDS = 3.0
_log = logs.get(__name__)


class Nudge:
    """Lets whoever waits for better times go on at once when they come."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def now(self) -> None:
        """Wake everybody who waits."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait for the nudge, at most that long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()


class Holder:
    """Knows the role; `term` grows with each change, so that work of a former term is told apart.

    A core that was frozen wakes up with an old belief, so `confirmed` lets a write through only
    when the role was asked for within the last second, by a clock that counts suspend. Another
    epoch, or a freeze that was long enough for the other core to act, begins a new term even if
    the address was never seen to be lost. While `core-manager` is silent the role stays for some
    seconds: it restarts faster than that, and nobody would answer meanwhile.
    """

    def __init__(self, manager: Manager, now: Callable[[], float] = boottime) -> None:
        self._manager, self._now = manager, now
        self._heard = self._looked_at = now()
        self._settled = False
        self._epoch: int | None = None
        self._looked = Nudge()
        self.held = False
        self.term = 0
        self.listeners: list[Callable[[bool], None]] = []

    async def look(self) -> None:
        """Ask once."""
        asked = self._now()
        slept, self._looked_at = asked - self._looked_at > SLEPT_SECONDS, asked
        try:
            role = await self._manager.role()
        except errors.HeykenError:
            self._turn(held=self.held and asked - self._heard < UNHEARD_SECONDS, anew=slept)
        else:
            self._settled = role.settled
            # what was asked before a freeze and read after it is as old as the question
            self._heard = asked
            held = role.holds and (role.settled or self.held)
            self._turn(held=held, anew=slept or self._is_other(role.epoch))
        self._looked.now()

    async def confirmed(self) -> None:
        """Return as soon as it is certain that this core may act; never, if it may not."""
        while not self.is_certain():
            await self._looked.wait(LOOK_SECONDS)

    def is_certain(self) -> bool:
        """Tell whether this core may write now."""
        return self.held and self._settled and self._now() - self._heard < FRESH_SECONDS

    def _is_other(self, epoch: int | None) -> bool:
        """Note the epoch; one that becomes known later belongs to the takeover that was seen."""
        former = self._epoch
        self._epoch = epoch if epoch is not None else former
        return former is not None and self._epoch != former

    def _turn(self, *, held: bool, anew: bool) -> None:
        if held and self.held and anew:
            self._change(held=False)
        if held != self.held:
            self._change(held=held)

    def _change(self, *, held: bool) -> None:
        self.held, self.term = held, self.term + 1
        _log.info("assistant_acts" if held else "assistant_rests", term=self.term)
        for listener in self.listeners:
            listener(held)


class Permit:
    """Asked right before each write leaves this host; `holder` comes once the unit is built."""

    def __init__(self) -> None:
        self.holder: Holder | None = None

    def check(self) -> None:
        """Raise TransientError unless it is certain that this core may write."""
        if self.holder is None or not self.holder.is_certain():
            raise errors.TransientError("It is not certain that this core holds the address")
