"""Signals on their way to whoever reads them: bounded in number and in size."""

from __future__ import annotations

import asyncio

from heyken_glue.adapters.rocketchat.signals import Signal

MAX_SIGNALS, MAX_BYTES = 1000, 8 * 2**20


class Mailbox:
    """First in, first out; one writer and one reader."""

    def __init__(self, *, max_signals: int = MAX_SIGNALS, max_bytes: int = MAX_BYTES) -> None:
        self._queue: asyncio.Queue[tuple[Signal, int]] = asyncio.Queue(max_signals)
        self._max_bytes, self._bytes = max_bytes, 0

    def offer(self, signal: Signal, *, size: int) -> bool:
        """Put a signal in unless that is too much; tells whether it is in."""
        if self._queue.full() or self._bytes + size > self._max_bytes:
            return False
        self._queue.put_nowait((signal, size))
        self._bytes += size
        return True

    async def put(self, signal: Signal) -> None:
        """Put a small signal in, as soon as there is room."""
        await self._queue.put((signal, 0))

    async def get(self) -> Signal:
        """Take the oldest signal out, as soon as there is one."""
        signal, size = await self._queue.get()
        self._bytes -= size
        self._queue.task_done()
        return signal

    async def emptied(self) -> None:
        """Wait until everything was taken out."""
        await self._queue.join()
