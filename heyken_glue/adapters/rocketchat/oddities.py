"""Counting what made no sense, without letting a flood of it flood the log."""

from __future__ import annotations

import collections

import structlog


class Oddities:
    """Logs the 1st, 2nd, 4th, 8th… of each kind with the number so far, never the content."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        self._log = log
        self.counts: collections.Counter[str] = collections.Counter()

    def note(self, kind: str) -> None:
        """Count one; `kind` is a constant of the code, as the counter grows with the kinds."""
        self.counts[kind] += 1
        count = self.counts[kind]
        if count & (count - 1) == 0:
            self._log.warning("chat_oddity_skipped", kind=kind, count=count)
