"""What a host's units warned of, counted: one line for each kind of warning, never a flood."""

from __future__ import annotations

import enum
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

GROUPS_MAX = 40
_EVENT_MAX = 100
_KINDS_MAX = 1000
# What other programs call a warning although it is as it shall be: etcd, asked over HTTP with TLS.
_HARMLESS = frozenset(
    {
        "established TCP streaming connection with remote peer",
        "ignoring common name in gRPC-gateway proxy request",
        "simple token is not cryptographically signed",
    }
)
_VARIABLE = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{12,}\b|\d+(?:[.:]\d+)*", re.IGNORECASE)
_LOGFMT = re.compile(r'\blevel=(?P<level>\w+).*?\bmsg=(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+))')


class Level(enum.IntEnum):
    """How bad it is; the worst first, as in the journal."""

    CRITICAL = 2
    ERROR = 3
    WARNING = 4


_NAMES: Mapping[str, Level] = {
    **dict.fromkeys(("critical", "fatal", "panic", "dpanic"), Level.CRITICAL),
    **dict.fromkeys(("error", "err"), Level.ERROR),
    **dict.fromkeys(("warning", "warn"), Level.WARNING),
}


@dataclass(frozen=True, order=True)
class Entry:
    """A kind of warning: how bad, of which unit, and which event."""

    level: Level
    unit: str
    event: str


def parse(record: Mapping[str, object]) -> Entry | None:
    """Return the warning that a record of the journal is, None for anything less.

    Our own units write JSON at the journal's usual priority, so what the line says of itself
    counts; the journal's priority counts for lines that say nothing.
    """
    text = record.get("MESSAGE")
    if not isinstance(text, str):
        return None
    # what systemd itself says of a unit stands under its own name, with UNIT for whom it means
    unit = str(record.get("UNIT") or record.get("_SYSTEMD_UNIT") or "?")
    level, event = _stated(text)
    level = level or _priority(record.get("PRIORITY"))
    if level is None or not event or (level is Level.WARNING and event in _HARMLESS):
        return None
    return Entry(level, unit.removesuffix(".service").removeprefix("heyken@"), event)


def _stated(text: str) -> tuple[Level | None, str]:
    """Return level and event as a line of JSON or logfmt names them."""
    if text.startswith("{"):
        try:
            fields = json.loads(text)
        except ValueError:
            return None, _constant(text)
        name = fields.get("event") or fields.get("msg") or fields.get("message") or "?"
        if fields.get("library"):
            name = f"{fields['library']}: {fields.get('message', '')}"
        return _NAMES.get(str(fields.get("level", "")).casefold()), _constant(str(name))
    if (found := _LOGFMT.search(text)) is not None:
        event = found["quoted"] or found["bare"] or ""
        return _NAMES.get(found["level"].casefold()), _constant(event)
    return None, _constant(text)


def _constant(text: str) -> str:
    """Return a line without what differs each time, so that equal warnings are counted as one."""
    return _VARIABLE.sub("#", " ".join(text.split())).replace("`", "'")[:_EVENT_MAX]


def _priority(value: object) -> Level | None:
    if not isinstance(value, str) or not value.isdigit():
        return None
    return Level(max(Level.CRITICAL, int(value))) if int(value) <= Level.WARNING else None


@dataclass(frozen=True)
class Group:
    """A kind of warning and how often it came."""

    entry: Entry
    count: int


class Tally:
    """Counts entries; its memory is bounded however many kinds there are."""

    def __init__(self) -> None:
        self._counts: Counter[Entry] = Counter()
        self._uncounted = 0

    def add(self, entry: Entry) -> None:
        """Count one."""
        if entry in self._counts or len(self._counts) < _KINDS_MAX:
            self._counts[entry] += 1
        else:
            self._uncounted += 1

    def groups(self) -> tuple[Group, ...]:
        """Return the worst and then the most frequent kinds."""
        ranked = sorted(self._counts.items(), key=lambda item: (item[0].level, -item[1], item[0]))
        return tuple(Group(entry, count) for entry, count in ranked[:GROUPS_MAX])

    def beyond(self) -> int:
        """Return how many warnings are in none of the groups."""
        return self._uncounted + self._counts.total() - sum(g.count for g in self.groups())
