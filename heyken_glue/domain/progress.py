"""Whether the model server gets on with its work, judged from look to look.

Its processes give a sign of life when they use the processor, read from the disk, or wait for
either: a busy or swapping machine is slow, not hung. Only a server that has something to do and
shows none of this is stalled, and it stays so until it has produced something again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from heyken_glue.domain.checks import Check, Process
from heyken_glue.domain.sentences import say

# R runs or waits for a processor, D waits for the disk: either would go on if it could
ALIVE = frozenset({"R", "D"})
SILENT_LOOKS_MIN = 2


@dataclass(frozen=True)
class Work:
    """What the gateway asks of the local model: requests now, and four counters since its start.

    `failed` counts requests that broke off, `silent` those that were given up because nothing
    came for too long; those that a client gave up are in neither.
    """

    running: int
    pieces: int
    answered: int
    failed: int
    silent: int

    def made_something_since(self, former: Work | None) -> bool:
        """Tell whether text came out since then; a gateway that began anew has shown nothing."""
        if former is None or self.pieces < former.pieces:
            return False
        return self.pieces > former.pieces or self.answered > former.answered

    def failures_since(self, former: Work | None) -> int:
        """Return how many requests failed since then."""
        return max(0, self.failed - former.failed) if former is not None else 0

    def was_silent_since(self, former: Work | None) -> bool:
        """Tell whether a request was given up since then for want of text."""
        return former is not None and self.silent > former.silent


def parse_work(body: Mapping[str, Any]) -> Work | None:
    """Read `/load` of the gateway; None where it does not tell about the model."""
    content = body.get("model")
    if not isinstance(content, Mapping):
        return None
    values = [content.get(key) for key in ("running", "pieces", "answered", "failed", "silent")]
    numbers = [value for value in values if isinstance(value, int)]
    return Work(*numbers) if len(numbers) == len(values) else None


@dataclass(frozen=True)
class Pulse:
    """A unit's processes, and when they last gave a sign of life.

    `cpu_seconds` is the processor time of all of them since the first look, past ones included;
    `lost` grows whenever one of them went away, `starts` whenever the unit was started: then the
    oldest of them, which is the server itself, is another one.
    """

    processes: tuple[Process, ...] = ()
    moved_at: float = float("-inf")
    cpu_seconds: float = 0.0
    lost: int = 0
    starts: int = 0

    def after(self, processes: tuple[Process, ...], *, now: float) -> Pulse:
        """Return the state after one more look."""
        former = {process.identity: process for process in self.processes}
        grown, faults, known = 0.0, 0, set()
        for process in processes:
            before = former.get(process.identity)
            grown += process.cpu_seconds - (before.cpu_seconds if before is not None else 0.0)
            faults += process.faults - (before.faults if before is not None else 0)
            known.add(process.identity)
        alive = any(process.state in ALIVE for process in processes)
        return Pulse(
            processes=processes,
            moved_at=now if grown > 0 or faults > 0 or alive else self.moved_at,
            cpu_seconds=self.cpu_seconds + max(0.0, grown),
            lost=self.lost + (not known.issuperset(former)),
            starts=self.starts + (bool(processes) and _oldest(processes) not in former),
        )

    def moved(self, *, now: float) -> Pulse:
        """Return the state after another sign of life was found at this look."""
        return replace(self, moved_at=now)


def _oldest(processes: tuple[Process, ...]) -> tuple[int, int]:
    return min(processes, key=lambda process: (process.started, process.pid)).identity


@dataclass(frozen=True)
class Stall:
    """How long the server was asked for something and did nothing.

    `silent` once that is too long, `stalled` from then on until it has produced something. One look
    proves nothing, however late it came, so two at least have to be silent.
    """

    since: float | None = None
    silent_looks: int = 0
    seconds: float = 0.0
    silent: bool = False
    stalled: bool = False

    def after(
        self,
        *,
        now: float,
        asked_at: float | None,
        moved: bool,
        produced: bool,
        limit_seconds: float,
    ) -> Stall:
        """Return the state after one more look; only what was produced ends a stall.

        `asked_at` is when it was last known that the server has something to do (None: nothing):
        what happened since is not known, so it counts for no silence.
        """
        busy = asked_at is not None
        if produced:
            return Stall(since=now if busy else None)
        if not busy:
            return Stall(seconds=self.seconds, stalled=self.stalled)
        if moved or self.since is None or asked_at is None:
            return Stall(since=now, seconds=self.seconds, stalled=self.stalled)
        looks, silent = self.silent_looks + 1, min(now, asked_at) - self.since
        too_long = looks >= SILENT_LOOKS_MIN and silent >= limit_seconds
        stalled, seconds = self.stalled or too_long, max(self.seconds, silent)
        return Stall(self.since, looks, seconds, too_long, stalled)


def check_progress(stall: Stall) -> Check:
    """Fail while the model server is stalled."""
    if stall.stalled:
        seconds = round(stall.seconds, 1)
        return Check("progress", False, say("progress_none", seconds=seconds))
    return Check("progress", True, say("progress_ok"))
