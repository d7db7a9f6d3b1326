"""Time, passed in where it is needed, so that tests can hold it still."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What a unit may ask a clock."""

    def now(self) -> float:
        """Seconds since 1970, for people and other hosts; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, for durations on this host; never jumps."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since the machine started."""
        return time.monotonic()


def boottime() -> float:
    """Seconds since the machine started, those it was suspended included: for what runs out."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
