"""How often a token may call: a token bucket for each caller."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

RETRY_SECONDS_MAX = 60


@dataclass(frozen=True)
class Rate:
    """Requests per second on average, and how many may come at once after a pause."""

    per_second: float
    burst: int


class RateLimiter:
    """One bucket per caller; it only ever knows callers whose token was recognised."""

    def __init__(self, rate: Rate, *, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, caller: str, *, per_second: float | None = None) -> float:
        """Take one request out of the caller's bucket.

        Returns 0.0 when there was one, else the seconds until there will be. `per_second` is the
        caller's own rate; its burst grows with it.
        """
        rate = per_second if per_second is not None else self._rate.per_second
        burst = self._rate.burst * rate / self._rate.per_second
        now = self._clock()
        filled, at = self._buckets.get(caller, (burst, now))
        filled = min(burst, filled + (now - at) * rate)
        enough = filled >= 1.0
        self._buckets[caller] = (filled - 1.0 if enough else filled, now)
        return 0.0 if enough else (1.0 - filled) / rate


def retry_after(seconds: float) -> str:
    """Return the value of `Retry-After`: whole seconds, at least 1 and at most a minute."""
    return str(min(RETRY_SECONDS_MAX, max(1, math.ceil(seconds))))
