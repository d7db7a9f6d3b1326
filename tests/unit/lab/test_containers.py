"""What an apply that was killed left behind is told from what a lab keeps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import containers
from lab.settings import Lab, Networks

BEGAN = 1_767_268_800.0  # 2026-01-01 12:00:00 UTC
BEFORE, AFTER = "2026-01-01T11:59:59.999999999Z", "2026-01-01T12:00:00.123456789Z"


class Thing:
    def __init__(self, name: str, *, made: str, key: str = "Created") -> None:
        self.id, self.name, self.attrs, self.gone = f"id-{name}", name, {key: made}, False

    def remove(self, **_: Any) -> None:
        self.gone = True


def test_only_what_is_new_and_unknown_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, old, known = (
        Thing("core1", made=AFTER),
        Thing("core2", made=BEFORE),
        Thing("lab-system", made=AFTER),
    )
    half, volume = Thing("hub", made=AFTER), Thing("data", made=AFTER[:19] + "Z", key="CreatedAt")

    def listing(*things: Thing) -> SimpleNamespace:
        return SimpleNamespace(list=lambda **_: list(things))

    client = SimpleNamespace(networks=listing(known), volumes=listing(volume))
    monkeypatch.setattr("lab.engine.require", lambda: client)
    monkeypatch.setattr(containers, "all_of", lambda _: [kept, old, half])
    lab = Lab("x", "lab", Networks("10.1.0.0/24", "10.1.1.0/24"), Path("/state"), Path("/cache"))
    dropped = containers.drop_unknown(lab, {kept.id, known.id}, since=BEGAN)
    assert dropped == ["container hub", "volume data"]
    assert (kept.gone, old.gone, known.gone) == (False, False, False)
    assert half.gone
    assert volume.gone
