"""The rate limiter: so many calls in a window that opens with the first of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass

WINDOWS_MAX = 20_000


@dataclass(frozen=True)
class Budget:
    """What is left for a caller; `reset_ms` is when the window ends, since 1970."""

    limit: int
    remaining: int
    reset_ms: int
    allowed: bool
    wait_seconds: int

    def headers(self) -> dict[str, str]:
        """Return the budget as REST tells it."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_ms),
        }


class RateLimiter:
    """Counts calls by key."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._windows: dict[Hashable, tuple[int, int]] = {}

    def take(self, key: Hashable, *, calls: int, window_ms: int) -> Budget:
        """Count one call; a refused one counts nothing more."""
        now = self._now_ms()
        start, used = self._windows.get(key, (now, 0))
        if now >= start + window_ms:
            start, used = now, 0
        allowed = used < calls
        used += 1 if allowed else 0
        self._windows.pop(key, None)
        self._windows[key] = (start, used)
        if len(self._windows) > WINDOWS_MAX:
            # The one that was not touched for longest: dictionaries keep their order.
            del self._windows[next(iter(self._windows))]
        reset = start + window_ms
        return Budget(calls, calls - used, reset, allowed, math.ceil((reset - now) / 1000))

    def clear(self) -> None:
        """Forget all counts."""
        self._windows.clear()
