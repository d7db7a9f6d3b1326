"""An answer as far as it is known, between whoever makes it and whoever shows it."""

from __future__ import annotations

import asyncio
import contextlib

from heyken_glue.domain.conversation import without_mark


class Draft:
    """Words come in, and what to show goes out.

    What is shown never gets shorter: words of an earlier try, or of the core that was lost, stay
    until the new ones are as many.
    """

    def __init__(self, begun: str = "") -> None:
        self._pieces, self._length = list[str](), 0
        self._floor, self._best, self._notice = without_mark(begun), "", ""
        self._final: str | None = None
        self._changed, self._over = asyncio.Event(), asyncio.Event()

    @property
    def text(self) -> str:
        """The words of this try."""
        return "".join(self._pieces)

    @property
    def length(self) -> int:
        """How many characters this try has so far."""
        return self._length

    @property
    def best(self) -> str:
        """The longest text of all tries here."""
        return self.text if self._length >= len(self._best) else self._best

    @property
    def is_over(self) -> bool:
        """Whether the final text is known."""
        return self._final is not None

    @property
    def shown(self) -> str:
        """What people are to see now."""
        if self._final is not None:
            return self._final
        if self._length >= max(1, len(self._floor)):
            return self.text
        return self._floor or self._notice

    def add(self, piece: str) -> None:
        """Add words."""
        self._pieces.append(piece)
        self._length += len(piece)
        self._changed.set()

    def restart(self) -> None:
        """Begin another try."""
        self._floor, self._best = self.shown if self._length else self._floor, self.best
        self._pieces, self._length = [], 0

    def tell(self, notice: str) -> None:
        """Show something for as long as there are no words."""
        self._notice = notice
        self._changed.set()

    def end(self, final: str) -> None:
        """Say what the whole text is."""
        self._final = final
        self._changed.set()
        self._over.set()

    async def change(self) -> None:
        """Wait until there may be something new to show."""
        await self._changed.wait()
        self._changed.clear()

    async def over(self, seconds: float) -> None:
        """Wait for the end, at most that long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
