"""What counts as two owners, and as two cores that might act at the same time."""

from __future__ import annotations

import pytest

from bench import watch
from bench.watch import Seen

HEALED = 1000.0


def announcing(begin: float, end: float, *, every: float = 0.01) -> tuple[float, ...]:
    return tuple(begin + every * number for number in range(round((end - begin) / every)))


def seen(*spans: tuple[float, float], leases: tuple[tuple[float, bool], ...] = ()) -> Seen:
    return Seen(tuple(moment for span in spans for moment in announcing(*span)), leases)


def owned_after(one: Seen, other: Seen) -> float | None:
    return watch.until_one_owner(one, other, HEALED, watched_seconds=2.0)


def test_the_one_that_gives_up_late_is_measured() -> None:
    found = owned_after(seen((990, 1003)), seen((990.005, 1000.035)))
    assert found == pytest.approx(0.025, abs=0.011)


def test_one_that_gave_up_before_costs_nothing() -> None:
    assert owned_after(seen((990, 1003)), seen((990.005, 999.9))) == 0.0


def test_one_after_the_other_is_never_two() -> None:
    assert owned_after(seen((990, 1000.3), (1000.6, 1003)), seen((1000.3, 1000.6))) == 0.0


def test_two_that_go_on_are_never_one() -> None:
    assert owned_after(seen((990, 1003)), seen((990.005, 1003))) is None


def test_an_address_that_nobody_announces_is_not_owned() -> None:
    assert owned_after(seen((990, 1000.5)), seen((990.005, 1000.5))) is None


def test_two_that_may_act_at_once_are_found() -> None:
    one = seen(leases=((1.0, True), (1.1, True), (1.2, False)))
    other = seen(leases=((1.05, True), (1.15, True)))
    assert watch.acting_together(one, other) == [1.1]


def test_a_lease_that_changes_hands_is_held_once() -> None:
    one = seen(leases=((1.0, True), (1.1, True), (1.2, False)))
    other = seen(leases=((1.05, False), (1.15, True), (1.25, True)))
    assert watch.acting_together(one, other) == []


def test_lines_that_tell_nothing_are_passed_over() -> None:
    text = "advert 1.5 254\nadvert 1.6 0\nlease 1.7 1 42\nlease 1.8 0 0\nadver"
    assert watch.parse(text) == Seen((1.5,), ((1.7, True), (1.8, False)))
