"""What the cores did while something was broken: who announced the address, who might act."""

from __future__ import annotations

import bisect
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lab.faults import Host

WATCHER = Path(__file__).with_name("watcher.py")
FILE = "/run/heyken-watch"
HELD_SECONDS = 0.07  # so long nobody takes over from who was silent


@dataclass(frozen=True)
class Seen:
    """What one core did; times in seconds since 1970, in order.

    adverts: when it announced that it has the address (priority 0, which gives it up, left out);
    leases: when its core manager was asked, and whether it might act.
    """

    adverts: tuple[float, ...]
    leases: tuple[tuple[float, bool], ...]

    def may_act_at(self, moment: float) -> bool:
        """Tell whether it might act right before and right after a moment."""
        after = bisect.bisect_left(self.leases, (moment, False))
        around = self.leases[max(0, after - 1) : after + 1]
        return len(around) == 2 and all(held for _, held in around)


def parse(text: str) -> Seen:
    """Read what the watcher wrote; a last line that was cut off is left out."""
    adverts, leases = [], []
    for line in text.splitlines():
        match line.split():
            case ["advert", moment, priority] if int(priority) > 0:
                adverts.append(float(moment))
            case ["lease", moment, held, _epoch]:
                leases.append((float(moment), held == "1"))
    return Seen(tuple(sorted(adverts)), tuple(leases))


class Watch:
    """Watches all cores; a context, `seen` is there after its end. A killed core tells nothing."""

    def __init__(self, cores: Mapping[str, Host]) -> None:
        self._cores, self._pids = cores, dict[str, str]()
        self.seen: dict[str, Seen] = {}

    def __enter__(self) -> Self:
        """Begin."""
        program = shlex.quote(WATCHER.read_text(encoding="utf-8"))
        for name, core in self._cores.items():
            begin = f"nohup python3 -c {program} >{FILE} 2>{FILE}.errors </dev/null & echo $!"
            self._pids[name] = core.run(begin).strip()
        return self

    def __exit__(self, *_: object) -> None:
        """End, and collect."""
        for name, core in self._cores.items():
            core.run(f"if kill -0 {self._pids[name]}; then kill {self._pids[name]}; fi")
            self.seen[name] = parse(core.run(f"cat {FILE} {FILE}.errors"))


def acting_together(one: Seen, other: Seen) -> list[float]:
    """Return the moments at which both cores might act."""
    return [moment for moment, held in one.leases if held and other.may_act_at(moment)]


def until_one_owner(
    one: Seen, other: Seen, since: float, *, watched_seconds: float
) -> float | None:
    """Return for how long after `since` both cores announced the address, in seconds.

    Both do when one announces it between two adverts of the other that are so close that it never
    stopped. None if there never was exactly one: both still did at the end of the time, or nobody.
    """
    until = since + watched_seconds
    both = [*_within(one, other, since, until), *_within(other, one, since, until)]
    last = max(both, default=since)
    owned = any(_between(each.adverts, until - HELD_SECONDS, until) for each in (one, other))
    return None if not owned or last > until - HELD_SECONDS else last - since


def _within(one: Seen, other: Seen, since: float, until: float) -> list[float]:
    """Return the adverts of one that lie between two of the other."""
    found = []
    for moment in _between(one.adverts, since, until):
        after = bisect.bisect_right(other.adverts, moment)
        around = other.adverts[max(0, after - 1) : after + 1]
        if after and len(around) == 2 and around[1] - around[0] < HELD_SECONDS:
            found.append(moment)
    return found


def _between(moments: Sequence[float], since: float, until: float) -> Sequence[float]:
    return moments[bisect.bisect_left(moments, since) : bisect.bisect_right(moments, until)]
