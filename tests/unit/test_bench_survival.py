"""What the bench of lost hosts makes of what readers saw."""

from __future__ import annotations

import dataclasses
import time
from typing import cast

import pytest

from bench import survival
from bench.losses import Adopted, Loss
from bench.survival import Kill

WELL = Kill("English", "warm", is_whole=True, is_equal=True, after_seconds=0.5, prefill_seconds=1.0)


class ScriptedLoss:
    """Counts how often it happened."""

    happened, at = 0, 9.0

    def happen(self) -> None:
        self.happened += 1


def watched(monkeypatch: pytest.MonkeyPatch, *grown: float) -> tuple[survival._Watch, Loss]:
    loss = cast("Loss", ScriptedLoss())
    watch = survival._Watch(loss, 4)
    text = "ab"
    for moment in grown:
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        watch(text)
        watch(text)
        text += "cd"
    return watch, loss


def test_the_plug_is_pulled_once_at_its_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, loss = watched(monkeypatch, 8.0, 9.0, 9.1)
    assert (cast("ScriptedLoss", loss).happened, watch.before) == (1, "abcd")


@pytest.mark.parametrize(
    ("first", "is_stream", "after"),
    [(11.5, True, 0.4), (11.5, False, 0.5), (10.2, False, 1.2)],
    ids=["a stream", "chat", "copied text in chat"],
)
def test_time_counts_from_the_last_character_and_without_prefill(
    monkeypatch: pytest.MonkeyPatch, first: float, after: float, *, is_stream: bool
) -> None:
    watch, loss = watched(monkeypatch, 8.0, 9.0, 9.1, first, 12.0)
    adopted = Adopted("id", at=9.5, began_at=11.45, prefill_seconds=2.0)
    told, prefill = survival._after(watch, loss, adopted, is_stream=is_stream)
    assert told == pytest.approx(after)
    assert prefill == 2.0


@pytest.mark.parametrize(
    ("mode", "kill", "reached"),
    [
        ("continue", WELL, True),
        ("continue", dataclasses.replace(WELL, is_equal=False), True),
        ("exact", dataclasses.replace(WELL, is_equal=False), False),
        ("exact", dataclasses.replace(WELL, is_whole=False), False),
        ("continue", dataclasses.replace(WELL, is_whole=False), False),
    ],
)
def test_one_text_that_is_not_right_misses_the_target(
    mode: str, kill: Kill, *, reached: bool
) -> None:
    assert survival._whole("the API", mode, [WELL, kill]).reached is reached


def test_the_slowest_decides() -> None:
    late = dataclasses.replace(WELL, twin="cold", after_seconds=0.7)
    figure = survival._soon("the API", "continue", [WELL, late], 0.6)
    assert not figure.reached
    assert "cold twin median 0.70 s" in figure.value
    assert survival._soon("the API", "continue", [WELL], 0.6).reached
    assert survival._soon("the API", "exact", [WELL, late], 0.6).reached
