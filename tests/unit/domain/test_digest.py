"""What the units warned of, counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heyken_glue.domain.digest import GROUPS_MAX, Entry, Level, Tally, parse

GATEWAY = "heyken@gateway.service"


def record(message: object, unit: str = GATEWAY, priority: object = "6") -> dict[str, Any]:
    return {"MESSAGE": message, "_SYSTEMD_UNIT": unit, "PRIORITY": priority}


def ours(level: str, event: str, **more: object) -> dict[str, Any]:
    return record(json.dumps({"level": level, "event": event, **more}))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (ours("warning", "chat_lost"), Entry(Level.WARNING, "gateway", "chat_lost")),
        (ours("critical", "unit_failed"), Entry(Level.CRITICAL, "gateway", "unit_failed")),
        (ours("info", "vip_taken"), None),
        (
            ours("error", "library_message", library="asyncio", message="task 17 died"),
            Entry(Level.ERROR, "gateway", "asyncio: task # died"),
        ),
        (
            record("(heyken) Entering FAULT STATE", "keepalived.service", "4"),
            Entry(Level.WARNING, "keepalived", "(heyken) Entering FAULT STATE"),
        ),
        (record("Started", "keepalived.service"), None),
        (ours("warning", "ignoring common name in gRPC-gateway proxy request"), None),
        (
            ours("error", "simple token is not cryptographically signed"),
            Entry(Level.ERROR, "gateway", "simple token is not cryptographically signed"),
        ),
        (
            record('{"level":"warn","ts":"2026","msg":"slow fdatasync"}', "etcd.service"),
            Entry(Level.WARNING, "etcd", "slow fdatasync"),
        ),
        (
            record(
                'time=2026 level=WARN source=x.go:1 msg="low memory: 12.5 MiB"', "ollama.service"
            ),
            Entry(Level.WARNING, "ollama", "low memory: # MiB"),
        ),
        (record("killed", priority="2"), Entry(Level.CRITICAL, "gateway", "killed")),
        (record("gone", priority="0"), Entry(Level.CRITICAL, "gateway", "gone")),
        (record("{broken", priority="3"), Entry(Level.ERROR, "gateway", "{broken")),
        (record("[]{}", priority="x"), None),
        (record([1, 2, 3], priority="3"), None),
        (record("", priority="3"), None),
        ({}, None),
    ],
)
def test_what_a_record_says(line: dict[str, Any], expected: Entry | None) -> None:
    assert parse(line) == expected


def test_equal_warnings_are_one_line() -> None:
    tally = Tally()
    for number in range(5000):
        entry = parse(record(f"request {number} of 0xdeadbeef{number:04x} failed", priority="4"))
        assert entry is not None
        tally.add(entry)
    (group,) = tally.groups()
    assert (group.count, group.entry.event) == (5000, "request # of # failed")


def test_the_worst_come_first_then_the_most_frequent() -> None:
    tally = Tally()
    for level, event, count in [
        (Level.WARNING, "often", 9),
        (Level.ERROR, "seldom", 1),
        (Level.WARNING, "once", 1),
        (Level.ERROR, "twice", 2),
    ]:
        for _ in range(count):
            tally.add(Entry(level, "gateway", event))
    assert [g.entry.event for g in tally.groups()] == ["twice", "seldom", "often", "once"]


def test_a_flood_of_kinds_is_bounded_and_counted() -> None:
    tally = Tally()
    for number in range(3000):
        tally.add(Entry(Level.WARNING, "gateway", f"event {chr(0x4E00 + number)}"))
    assert len(tally.groups()) == GROUPS_MAX
    assert tally.beyond() == 3000 - GROUPS_MAX


def test_a_line_cannot_break_out_of_its_quotation() -> None:
    entry = parse(record("a ` b\n@all " + "x" * 500, priority="3"))
    assert entry is not None
    assert "`" not in entry.event
    assert "\n" not in entry.event
    assert len(entry.event) == 100
