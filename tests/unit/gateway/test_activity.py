"""What counts as work of the local model, as an answer of it and as a failure."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from heyken_glue import errors
from heyken_glue.gateway.activity import Activity


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def activity(clock: Clock) -> Activity:
    return Activity(clock)


def _ask(
    activity: Activity, clock: Clock, *, pieces: int, silence: float, end: BaseException | None
) -> dict[str, int]:
    raised = contextlib.suppress(errors.HeykenError, asyncio.CancelledError, GeneratorExit)
    with raised, activity.request(first_piece_seconds=30, gap_seconds=10) as request:
        assert activity.report()["running"] == 1
        for _ in range(pieces):
            request.piece()
        clock.time += silence
        if end is not None:
            raise end
    assert activity.report()["running"] == 0
    return activity.report()


def test_an_answer_counts_with_its_pieces(activity: Activity, clock: Clock) -> None:
    report = _ask(activity, clock, pieces=3, silence=0, end=None)
    assert report == {"running": 0, "pieces": 3, "answered": 1, "failed": 0, "silent": 0}


@pytest.mark.parametrize(
    ("pieces", "silence", "end", "counted"),
    [
        (3, 0.0, errors.TransientError("broke off"), "failed"),
        (0, 0.0, errors.PermanentError("nonsense was asked"), None),
        (3, 9.0, asyncio.CancelledError(), None),
        (3, 10.0, asyncio.CancelledError(), "silent"),
        (0, 29.0, GeneratorExit(), None),
        (0, 30.0, GeneratorExit(), "silent"),
    ],
    ids=["broke off", "refused", "left", "silent", "left early", "never began"],
)
def test_only_what_the_model_did_is_its_failure(
    clock: Clock, pieces: int, silence: float, end: BaseException, counted: str | None
) -> None:
    report = _ask(Activity(clock), clock, pieces=pieces, silence=silence, end=end)
    assert [name for name in ("failed", "silent", "answered") if report[name]] == (
        [counted] if counted else []
    )
