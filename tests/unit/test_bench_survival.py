"""What the bench of lost hosts makes of what readers saw."""

from __future__ import annotations

import dataclasses
from typing import cast

import pytest

from bench import survival
from bench.losses import Loss
from bench.survival import Kill

WELL = Kill("English", "warm", is_whole=True, is_equal=True, after_seconds=0.5, prefill_seconds=1.0)


class ScriptedLoss:
    """A loss that happens when it is told to."""

    def __init__(self) -> None:
        self.happened = self.over = self.mended = 0

    def happen(self) -> None:
        self.happened += 1

    def is_past(self, moment: float) -> bool:
        return bool(self.over) and moment > 0

    def mend(self) -> None:
        self.mended += 1


def test_what_was_on_its_way_is_not_what_came_after_the_break() -> None:
    loss = ScriptedLoss()
    watch = survival._Watch(cast("Loss", loss), 4)
    for text in ("ab", "abcd", "abcdef"):
        watch(text)
    assert (loss.happened, watch.before, watch.first_new) == (1, "abcd", None)
    last_heard = watch.heard
    loss.over = 1
    watch("abcdef")
    assert watch.first_new is None, "nothing new"
    watch("abcdefg")
    assert watch.first_new is not None
    assert watch.first_new >= last_heard
    assert watch.heard == last_heard
    assert loss.mended == 1
    first = watch.first_new
    watch("abcdefgh")
    assert watch.first_new == first


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
