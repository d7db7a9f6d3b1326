"""The event spool: JSON lines in segments, one series per unit, one limit for the host.

An event is handed to the kernel with one `write`, so it outlives a crash of the unit. It is forced
to disk when its segment is full and when the spool is closed, not each time: a power cut may cost
the last events, while a forced write per event would put the disk's latency into every answer. What
must not be lost (who holds the address) is kept in etcd, not here.

When the limit is reached the oldest segment of any unit goes and its events are counted; the counts
live beside the segments and survive restarts. Writing never raises: an event that cannot be stored
is counted as dropped.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from heyken_glue import logs
from heyken_glue.domain.events import Event

_SEGMENT = re.compile(r"^(?P<unit>[a-z-]+)-(?P<number>\d{8})\.jsonl$")
_MODE = 0o660
_SEGMENTS_PER_SPOOL = 32


class Spool:
    """One unit's end of the spool; closed by `close`."""

    def __init__(self, directory: Path, unit: str, *, limit_bytes: int) -> None:
        self._directory, self._unit, self._limit = directory, unit, limit_bytes
        self._segment_bytes = max(1, limit_bytes // _SEGMENTS_PER_SPOOL)
        self._counter = directory / f"{unit}.dropped"
        self._dropped = _read_count(self._counter)
        self._fd = -1

    def append(self, event: Event) -> bool:
        """Store an event; False (and a count) if that was impossible."""
        line = event.to_line().encode(errors="replace") + b"\n"
        try:
            self._write(line)
        except OSError as error:
            logs.get(__name__).warning("event_dropped", kind=event.kind, error=str(error))
            self._count(1)
            return False
        return True

    def dropped(self) -> int:
        """Return how many events all units of this host have dropped so far."""
        others = (_read_count(p) for p in self._directory.glob("*.dropped") if p != self._counter)
        return self._dropped + sum(others)

    def close(self) -> None:
        """Force the rest to disk."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.fdatasync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _write(self, line: bytes) -> None:
        if len(line) > self._segment_bytes:
            raise OSError(f"event of {len(line)} bytes exceeds {self._segment_bytes}")
        size = self._open_segment(len(line))
        try:
            written = os.write(self._fd, line)
        except OSError:
            os.ftruncate(self._fd, size)
            raise
        if written < len(line):
            os.ftruncate(self._fd, size)
            raise OSError("no space left for a whole line")

    def _open_segment(self, wanted: int) -> int:
        """Make sure that an open segment has room, and return its present size."""
        if self._fd >= 0:
            state = os.fstat(self._fd)
            # a segment that another unit dropped has no name left: what goes into it is lost
            if state.st_nlink and state.st_size + wanted <= self._segment_bytes:
                return state.st_size
        self.close()
        self._make_room()
        numbers = [number for unit, number, _ in self._segments() if unit == self._unit]
        path = self._directory / f"{self._unit}-{max(numbers, default=0) + 1:08d}.jsonl"
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
        os.fchmod(self._fd, _MODE)
        return 0

    def _segments(self) -> list[tuple[str, int, Path]]:
        found = ((_SEGMENT.match(path.name), path) for path in self._directory.iterdir())
        return [(m["unit"], int(m["number"]), path) for m, path in found if m is not None]

    def _make_room(self) -> None:
        """Drop the oldest segments until each unit can fill one more."""
        segments = self._segments()
        reserve = self._segment_bytes * len({self._unit, *(unit for unit, _, _ in segments)})
        known = []
        for _, number, path in segments:
            with contextlib.suppress(FileNotFoundError):
                state = path.stat()
                known.append((state.st_mtime_ns, number, state.st_size, path))
        total = sum(size for _, _, size, _ in known)
        for _, _, size, path in sorted(known):
            if total + reserve <= self._limit:
                return
            self._drop(path)
            total -= size

    def _drop(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            lines = path.read_bytes().count(b"\n")
            path.unlink()
            self._count(lines)

    def _count(self, events: int) -> None:
        self._dropped += events
        with contextlib.suppress(OSError):
            replace_file(self._counter, f"{self._dropped}\n")


def replace_file(path: Path, text: str, *, mode: int = _MODE) -> None:
    """Write a file so that a reader sees the former or the new content, nothing between."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text, encoding="utf-8")
    scratch.chmod(mode)
    scratch.replace(path)


def _read_count(path: Path) -> int:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
