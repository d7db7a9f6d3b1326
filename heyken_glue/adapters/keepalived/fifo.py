"""keepalived's notify FIFO: who this core is in VRRP, told line by line.

keepalived opens the FIFO for reading and writing, so that lines wait in it while nobody reads. It
removes the FIFO when it stops and makes it anew when it starts; killed, it leaves it behind. So the
reader opens by name again whenever the writer went or another file has the name.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(r'^INSTANCE "(?P<instance>[^"]+)" (?P<state>[A-Z_]+) (?P<priority>\d+)$')
STATES = frozenset({"MASTER", "BACKUP", "FAULT", "STOP"})
LOOK_SECONDS = 0.1
_CHUNK = 65536
_LINE_MAX = 4096


@dataclass(frozen=True)
class Transition:
    """One change of state; `lost` means that keepalived went without saying so."""

    instance: str
    state: str
    priority: int
    lost: bool = False


def parse(line: str) -> Transition | None:
    """Read one line; None for what does not tell a state of an instance."""
    match = _LINE.match(line.strip())
    if match is None or match["state"] not in STATES:
        return None
    return Transition(match["instance"], match["state"], int(match["priority"]))


class FifoReader:
    """Yields the transitions of one instance for as long as it is iterated."""

    def __init__(self, path: Path, instance: str) -> None:
        self._path, self._instance = path, instance
        self._fd = -1
        self._rest = b""
        self._last = ""

    async def transitions(self) -> AsyncIterator[Transition]:
        """Wait for changes; survives a FIFO that is missing, replaced or cut off."""
        try:
            while True:
                if self._fd < 0 and not self._open():
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                for transition in await self._next():
                    self._last = transition.state
                    yield transition
        finally:
            self._close()

    def _open(self) -> bool:
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        self._rest = b""
        return True

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    async def _next(self) -> list[Transition]:
        current = await _readable(self._fd, LOOK_SECONDS) or self._is_current()
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return [] if current else self._writer_gone()
        if data:
            return self._feed(data)
        return self._writer_gone()

    def _feed(self, data: bytes) -> list[Transition]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_LINE_MAX:]
        parsed = (parse(line.decode(errors="replace")) for line in lines)
        return [t for t in parsed if t is not None and t.instance == self._instance]

    def _writer_gone(self) -> list[Transition]:
        self._close()
        if self._last in {"", "STOP"}:
            return []
        return [Transition(self._instance, "STOP", 0, lost=True)]

    def _is_current(self) -> bool:
        """Tell whether the name still leads to the file that is open."""
        try:
            named, opened = self._path.stat(), os.fstat(self._fd)
        except OSError:
            return False
        return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


async def _readable(fd: int, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(fd, ready.set)
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ready.wait(), seconds)
    finally:
        loop.remove_reader(fd)
    return ready.is_set()
