"""Whether this core may act: it follows what `core-manager` says about the virtual address."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from heyken_glue import errors, logs
from heyken_glue.domain.switching import Vrrp
from heyken_glue.runtime.clock import Clock
from heyken_glue.services.assistant_ports import Manager

LOOK_SECONDS = 0.2
FRESH_SECONDS = 1.0
UNHEARD_SECONDS = 5.0
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
    when the role was heard within the last second. While `core-manager` is silent the role stays
    for some seconds: it restarts faster than that, and nobody would answer meanwhile.
    """

    def __init__(self, manager: Manager, clock: Clock) -> None:
        self._manager, self._clock = manager, clock
        self._heard = clock.monotonic()
        self._looked = Nudge()
        self.held = False
        self.term = 0
        self.listeners: list[Callable[[bool], None]] = []

    async def look(self) -> None:
        """Ask once."""
        try:
            held = await self._manager.role() is Vrrp.MASTER
        except errors.HeykenError:
            silent = self._clock.monotonic() - self._heard
            held = self.held and silent < UNHEARD_SECONDS
        else:
            self._heard = self._clock.monotonic()
        self._turn(held)
        self._looked.now()

    async def confirmed(self) -> None:
        """Return as soon as it is certain that this core may act; never, if it may not."""
        while not self._is_certain():
            await self._looked.wait(LOOK_SECONDS)

    def _is_certain(self) -> bool:
        return self.held and self._clock.monotonic() - self._heard < FRESH_SECONDS

    def _turn(self, held: bool) -> None:
        if held == self.held:
            return
        self.held, self.term = held, self.term + 1
        _log.info("assistant_acts" if held else "assistant_rests", term=self.term)
        for listener in self.listeners:
            listener(held)
