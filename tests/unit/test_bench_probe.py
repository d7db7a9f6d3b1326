"""What counts as a gap of the address, and what as a prober that was held up."""

from __future__ import annotations

import pytest

from bench.probe import Prober

MS = 0.001


def prober(*attempts: tuple[float, float | None]) -> Prober:
    return Prober(("192.0.2.1", 1), MS, attempts=[(begun * MS, took) for begun, took in attempts])


def test_a_gap_lies_between_two_attempts_that_got_in() -> None:
    seen = prober((0, MS), (1, None), (2, None), (40, MS), (41, MS))
    assert seen.gap() == pytest.approx(0.040)
    assert seen.lost() == 2


def test_a_prober_that_was_held_up_saw_no_gap() -> None:
    seen = prober((0, MS), (500, MS), (501, None), (503, MS))
    assert seen.gap() == pytest.approx(0.003)
    assert seen.late() == pytest.approx(0.500)


def test_without_a_failure_the_gap_is_below_what_can_be_seen() -> None:
    assert prober((0, MS), (2, MS), (3, MS)).gap() == pytest.approx(0.002)
