"""Events are kept within a limit, and what goes is counted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from heyken_glue.domain.events import Event
from heyken_glue.runtime.spool import Spool


def _event(number: int) -> Event:
    return Event(
        id=str(number), time=1.0, host="core1", actor="health", kind="test", subject="x", cause=""
    )


def _ids(directory: Path, unit: str = "health") -> list[str]:
    lines = [
        line
        for path in sorted(directory.glob(f"{unit}-*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    return [Event.from_line(line).id for line in lines]


def test_events_come_back_in_order_and_the_group_may_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "health", limit_bytes=1 << 20)
    assert all(spool.append(_event(n)) for n in range(3))
    spool.close()
    (segment,) = tmp_path.glob("*.jsonl")
    assert _ids(tmp_path) == ["0", "1", "2"]
    assert stat.S_IMODE(segment.stat().st_mode) == 0o660


def test_the_oldest_segments_go_and_their_events_are_counted(tmp_path: Path) -> None:
    limit = 32 * 400
    spool = Spool(tmp_path, "health", limit_bytes=limit)
    for number in range(400):
        spool.append(_event(number))
    spool.close()
    kept = _ids(tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.glob("*.jsonl"))
    assert size <= limit, size
    assert kept[-1] == "399"
    assert kept == [str(n) for n in range(400 - len(kept), 400)]
    assert spool.dropped() == 400 - len(kept) > 0


def test_the_limit_holds_for_all_units_together(tmp_path: Path) -> None:
    limit = 32 * 400
    spools = [Spool(tmp_path, unit, limit_bytes=limit) for unit in ("health", "core-manager")]
    for number in range(300):
        for spool in spools:
            spool.append(_event(number))
    size = sum(path.stat().st_size for path in tmp_path.glob("*.jsonl"))
    kept = len(_ids(tmp_path)) + len(_ids(tmp_path, "core-manager"))
    for spool in spools:
        spool.close()
    assert size <= limit, size
    assert spools[0].dropped() == spools[1].dropped() == 600 - kept


def test_the_count_survives_a_restart(tmp_path: Path) -> None:
    first = Spool(tmp_path, "health", limit_bytes=32 * 400)
    for number in range(300):
        first.append(_event(number))
    first.close()
    before = first.dropped()
    second = Spool(tmp_path, "health", limit_bytes=32 * 400)
    assert second.dropped() == before > 0


def test_a_restart_begins_a_new_segment(tmp_path: Path) -> None:
    for number in range(2):
        spool = Spool(tmp_path, "health", limit_bytes=1 << 20)
        spool.append(_event(number))
        spool.close()
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert _ids(tmp_path) == ["0", "1"]


def test_a_segment_that_another_unit_dropped_is_left(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "health", limit_bytes=1 << 20)
    spool.append(_event(0))
    for path in tmp_path.glob("*.jsonl"):
        path.unlink()
    spool.append(_event(1))
    spool.close()
    assert _ids(tmp_path) == ["1"]


def test_an_event_that_cannot_be_stored_is_counted_and_not_raised(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "gone", "health", limit_bytes=1 << 20)
    assert spool.append(_event(0)) is False
    assert spool.dropped() == 1


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, "health", limit_bytes=1 << 20)
    spool.append(_event(0))
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:5]))
    assert spool.append(_event(1)) is False
    monkeypatch.undo()
    spool.append(_event(2))
    spool.close()
    assert _ids(tmp_path) == ["0", "2"]
