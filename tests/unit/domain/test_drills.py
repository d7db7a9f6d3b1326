"""Drills: what passes, what fails, what may begin, and what a history proves."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from typing import Any

import pytest

from heyken_glue.domain import drills, status
from heyken_glue.domain.drills import DrillKind, Limits, Measures, Proof, Running
from heyken_glue.domain.events import Event, Outcome
from heyken_glue.domain.sentences import Sentence
from heyken_glue.domain.status import Chat, CoreHealth, CoreView, Pair
from heyken_glue.domain.switching import Vrrp

GOOD = Measures(
    rto_ms=420.0,
    reach_ms=110.0,
    text_ms=420.0,
    calm_ms=60.0,
    late_ms=55.0,
    whole_ms=9000.0,
    requests=300,
    requests_failed=2,
    answers=3,
    answers_lost=0,
    answers_resumed=1,
    characters_lost=0,
    characters_doubled=0,
)
LIMITS = Limits(rto_ms_max=5000)
RUNNING = Running(
    id="d1", kind=DrillKind.CORE, began=100.0, seconds=10, core="core1", requested_by="operator"
)
HEALTHY, ILL = CoreHealth.HEALTHY, CoreHealth.UNHEALTHY


def _core(core_id: int, health: CoreHealth, vrrp: Vrrp) -> CoreView:
    return CoreView(core_id, f"core{core_id}", health, 9.0, Sentence("ill", "chory"), vrrp)


def _pair(twin: CoreHealth = HEALTHY, **more: Any) -> Pair:
    cores = (_core(1, HEALTHY, Vrrp.MASTER), _core(2, twin, Vrrp.BACKUP))
    pair = Pair("lab", "lab", (), "0.1.0", "10.77.0.10", cores, None, True, 0)
    return replace(pair, **more)


def test_a_drill_that_cost_little_passes() -> None:
    assert drills.why_failed(GOOD, LIMITS) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rto_ms": 5001.0}, "5001 ms, more than 5000"),
        ({"whole_ms": None}, "not whole again"),
        ({"characters_lost": 1}, "1 characters were lost"),
        ({"characters_doubled": 3}, "3 came twice"),
        ({"answers_lost": 2}, "2 answers came to no end"),
        ({"requests": 0}, "nothing was measured"),
        ({"answers": 0}, "nothing was measured"),
    ],
)
def test_a_drill_fails_and_says_why(change: dict[str, Any], words: str) -> None:
    why = drills.why_failed(replace(GOOD, **change), LIMITS)
    assert why is not None
    assert words in why.en


def test_every_reason_is_told() -> None:
    why = drills.why_failed(replace(GOOD, rto_ms=9000.0, whole_ms=None), LIMITS)
    assert why is not None
    assert "; " in why.en
    assert "; " in why.pl


def test_measures_are_read_back() -> None:
    assert Measures.parse(json.loads(json.dumps(dataclasses.asdict(GOOD)))) == GOOD
    assert Measures.parse({**dataclasses.asdict(GOOD), "whole_ms": None}).whole_ms is None


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {**dataclasses.asdict(GOOD), "rto_ms": "1"},
        {**dataclasses.asdict(GOOD), "rto_ms": True},
        {**dataclasses.asdict(GOOD), "rto_ms": None},
        {**dataclasses.asdict(GOOD), "rto_ms": float("nan")},
        {**dataclasses.asdict(GOOD), "requests": -1},
        {**dataclasses.asdict(GOOD), "more": 1},
    ],
)
def test_measures_that_are_none_are_refused(content: object) -> None:
    with pytest.raises(ValueError, match="measures"):
        Measures.parse(content)


@pytest.mark.parametrize("value", [0, 4, 121, "10", 10.0, True, None])
def test_a_time_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="seconds"):
        drills.seconds_of(value)


@pytest.mark.parametrize("kind", [kind for kind in DrillKind if kind is not DrillKind.CHAT])
def test_a_whole_pair_may_be_broken(kind: DrillKind) -> None:
    assert drills.why_not(kind, _pair()) is None


@pytest.mark.parametrize("kind", list(DrillKind))
@pytest.mark.parametrize(
    "pair",
    [
        _pair(ILL, chat=Chat(connected=True)),
        _pair(witness_reachable=False, chat=Chat(connected=True)),
        _pair(chat=Chat(connected=False)),
    ],
    ids=["twin ill", "witness away", "chat away"],
)
def test_nothing_is_broken_while_something_is(kind: DrillKind, pair: Pair) -> None:
    assert drills.why_not(kind, pair) is not None


def test_what_is_not_there_is_not_broken() -> None:
    assert drills.why_not(DrillKind.CHAT, _pair()) is not None
    assert drills.why_not(DrillKind.CHAT, _pair(chat=Chat(connected=True))) is None


def test_a_drill_under_way_is_read_back() -> None:
    assert Running.from_json(json.loads(json.dumps(RUNNING.to_json()))) == RUNNING


@pytest.mark.parametrize(
    ("measures", "why", "outcome"),
    [
        (GOOD, None, Outcome.OK),
        (GOOD, Sentence("too long", "za długo"), Outcome.FAILED),
        (None, Sentence("interrupted", "przerwano"), Outcome.REFUSED),
    ],
)
def test_a_drill_becomes_an_event(
    measures: Measures | None, why: Sentence | None, outcome: Outcome
) -> None:
    event = drills.event_of(RUNNING, now=130.0, host="core2", measures=measures, why=why)
    assert (event.id, event.subject, event.outcome) == ("d1", "core", outcome)
    assert event == Event.from_line(event.to_line())


def _event(time: float, outcome: Outcome = Outcome.OK) -> Event:
    why = Sentence("slow", "wolno") if outcome is Outcome.FAILED else None
    measures = None if outcome is Outcome.REFUSED else GOOD
    event = drills.event_of(RUNNING, now=time, host="core2", measures=measures, why=why)
    return replace(event, id=str(time))


DAY = 86400.0


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([_event(0)], None),
        ([], "nothing has been proven"),
        ([_event(7 * DAY, Outcome.REFUSED)], "nothing has been proven"),
        ([_event(-0.1 * DAY)], "7.1 days old"),
        ([_event(6 * DAY, Outcome.FAILED), _event(5 * DAY)], "the drill core failed: slow"),
        ([_event(6 * DAY), _event(5 * DAY, Outcome.FAILED)], None),
        ([_event(6 * DAY, Outcome.REFUSED), _event(5 * DAY)], None),
        ([_event(5 * DAY, Outcome.FAILED), _event(6 * DAY)], "the drill core failed: slow"),
    ],
    ids=[
        "fresh",
        "none",
        "broken off",
        "old",
        "failed later",
        "failed before",
        "broken off later",
        "failed later by a slow clock",
    ],
)
def test_what_a_history_proves(events: list[Event], words: str | None) -> None:
    proof = Proof.of(events, now=7 * DAY, days_max=7)
    why = proof.why_not()
    assert (why is None) == (words is None), why
    assert words is None or words in (why.en if why else "")
    green = status.overall(_pair(proof=proof))
    assert green == ("online" if words is None else "degraded")


def test_what_is_remembered_counts_and_says_so() -> None:
    proof = Proof.of([_event(0)], now=DAY, days_max=7, remembered=True)
    body = proof.to_body("en")
    assert (body["kind"], body["age_seconds"], body["rto_ms"]) == ("core", DAY, 420.0)
    assert (body["passed"], body["remembered"], body["reason"]) == (True, True, "")
    assert status.overall(_pair(proof=proof)) == "online"


def test_an_unread_history_is_told_from_an_empty_one() -> None:
    why = Proof.of([], now=0.0, days_max=7, remembered=True).why_not()
    assert why is not None
    assert "cannot be read" in why.en


def test_a_proof_makes_no_ill_pair_green() -> None:
    proof = Proof.of([_event(0)], now=0.0, days_max=7)
    assert status.overall(_pair(ILL, proof=proof)) == "degraded"
