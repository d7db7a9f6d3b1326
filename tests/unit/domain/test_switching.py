"""Why a switch is refused, why an address was taken, what the status says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heyken_glue.domain import status
from heyken_glue.domain.sentences import NOTHING, Sentence
from heyken_glue.domain.status import Chat, CoreHealth, CoreView, Holder, Pair
from heyken_glue.domain.switching import (
    Cause,
    Vrrp,
    why_not_step_down,
    why_not_yet,
    why_taken,
)
from heyken_glue.domain.verdict import PeerView, Phase, StepDown, VerdictAnswer

PEER = PeerView(2, "core2", True, 0.1, Sentence("core2 is ill", "core2 choruje"))
ANSWER = VerdictAnswer(True, Sentence("ill", "chory"), 1.0, False, NOTHING, "")


@pytest.mark.parametrize(
    ("peer", "current", "reason"),
    [
        (PEER, StepDown(), None),
        (None, StepDown(), "does not answer"),
        (replace(PEER, capable=False), StepDown(), "core2 is ill"),
        (replace(PEER, age_seconds=2.0), StepDown(), "not been heard for 2.0 s"),
        (replace(PEER, stepping_down=True), StepDown(), "handing over itself"),
        (PEER, StepDown(Phase.ASKED), "under way"),
        (PEER, StepDown(Phase.LINGERING), None),
    ],
)
def test_stepping_down(peer: PeerView | None, current: StepDown, reason: str | None) -> None:
    refusal = why_not_step_down(peer, current, peer_name="core2", stale_seconds=1.0)
    assert refusal is None if reason is None else refusal and reason in refusal.en


@given(st.floats(0, 100), st.floats(0, 100), st.booleans())
def test_a_switch_waits_for_the_cool_down_unless_forced(
    now: float, cooldown: float, force: bool
) -> None:
    refusal = why_not_yet(since=0.0, now=now, cooldown=cooldown, force=force)
    assert (refusal is None) == (force or now >= cooldown)


def test_a_clock_that_was_set_back_delays_no_switch() -> None:
    assert why_not_yet(since=3600.0, now=0.0, cooldown=10.0, force=False) is None


def test_without_a_former_change_there_is_no_cool_down() -> None:
    assert why_not_yet(since=None, now=0.0, cooldown=10.0, force=False) is None


@pytest.mark.parametrize(
    ("answer", "cause", "words"),
    [
        (None, Cause.FAILOVER, "core2 does not answer"),
        (replace(ANSWER, capable=False), Cause.FAILOVER, "ill"),
        (ANSWER, Cause.FAILOVER, "no longer announces"),
        (replace(ANSWER, stepped_down=True, requested_by="anna"), Cause.PLANNED, "anna"),
        (replace(ANSWER, stepped_down=True, capable=False), Cause.FAILOVER, "ill"),
        (
            replace(ANSWER, stepped_down=True, step_down_reason=Sentence("work", "praca")),
            Cause.PLANNED,
            "work",
        ),
    ],
)
def test_why_the_address_was_taken(answer: VerdictAnswer | None, cause: Cause, words: str) -> None:
    taken = why_taken("core2", answer)
    assert taken.cause is cause
    assert words in taken.reason.en


FRESH = replace(ANSWER, capable=False, was_capable=False)


@pytest.mark.parametrize(
    ("answer", "up", "is_first", "cause", "words"),
    [
        (None, 0.1, True, Cause.START, "the hosts were started"),
        (ANSWER, 0.1, True, Cause.START, "the hosts were started"),
        (FRESH, 0.1, True, Cause.START, "the hosts were started"),
        (None, 0.1, False, Cause.FAILOVER, "core2 does not answer"),
        (None, 5.0, True, Cause.FAILOVER, "core2 does not answer"),
        (ANSWER, 5.0, True, Cause.FAILOVER, "no longer announces"),
        (FRESH, 30.0, False, Cause.START, "still starting: ill"),
        (FRESH, 300.0, False, Cause.FAILOVER, "ill"),
        (replace(FRESH, was_capable=True), 30.0, False, Cause.FAILOVER, "ill"),
        (replace(FRESH, stepping_down=True, stepped_down=True), 0.1, True, Cause.PLANNED, "?"),
    ],
)
def test_a_start_is_no_failover(
    answer: VerdictAnswer | None, up: float, is_first: bool, cause: Cause, words: str
) -> None:
    taken = why_taken("core2", answer, up_seconds=up, is_first=is_first)
    assert (taken.cause, words in taken.reason.en) == (cause, True), taken


def _core(core_id: int, health: CoreHealth, vrrp: Vrrp) -> CoreView:
    return CoreView(core_id, f"core{core_id}", health, 9.0, Sentence("en", "pl"), vrrp)


def _pair(*cores: CoreView, holder: Holder | None = None, witness: bool = True) -> Pair:
    return Pair("lab", "lab", (), "0.1.0", "10.77.0.10", cores, holder, witness, 3)


HEALTHY, ILL = CoreHealth.HEALTHY, CoreHealth.UNHEALTHY


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (_pair(_core(1, HEALTHY, Vrrp.MASTER), _core(2, HEALTHY, Vrrp.BACKUP)), "online"),
        (_pair(_core(1, HEALTHY, Vrrp.MASTER), _core(2, ILL, Vrrp.BACKUP)), "degraded"),
        (_pair(_core(1, HEALTHY, Vrrp.MASTER), _core(2, HEALTHY, Vrrp.FAULT)), "degraded"),
        (_pair(_core(1, HEALTHY, Vrrp.MASTER), _core(2, HEALTHY, Vrrp.STOP)), "degraded"),
        (_pair(_core(1, HEALTHY, Vrrp.MASTER), _core(2, HEALTHY, Vrrp.UNKNOWN)), "online"),
        (_pair(_core(1, ILL, Vrrp.MASTER), _core(2, HEALTHY, Vrrp.BACKUP)), "offline"),
        (_pair(_core(1, HEALTHY, Vrrp.BACKUP), _core(2, HEALTHY, Vrrp.BACKUP)), "offline"),
        (
            _pair(_core(1, HEALTHY, Vrrp.MASTER), _core(2, HEALTHY, Vrrp.BACKUP), witness=False),
            "degraded",
        ),
        (
            replace(
                _pair(_core(1, HEALTHY, Vrrp.MASTER), _core(2, HEALTHY, Vrrp.BACKUP)),
                chat=Chat(connected=False),
            ),
            "degraded",
        ),
    ],
)
def test_the_overall_status(pair: Pair, expected: str) -> None:
    assert status.overall(pair) == expected


def test_a_twin_without_keepalived_is_named_as_what_is_not_well() -> None:
    pair = _pair(_core(1, HEALTHY, Vrrp.MASTER), _core(2, HEALTHY, Vrrp.STOP))
    told = status.why_not_whole(pair)
    assert told is not None
    assert "core2 can answer, but would not take the address over" in told.en


def test_who_just_handed_over_comes_back_by_itself() -> None:
    leaving = replace(_core(2, HEALTHY, Vrrp.FAULT), stepped_down=True)
    assert status.why_not_whole(_pair(_core(1, HEALTHY, Vrrp.MASTER), leaving)) is None


def test_two_masters_are_no_active_core() -> None:
    cores = (_core(1, HEALTHY, Vrrp.MASTER), _core(2, HEALTHY, Vrrp.MASTER))
    assert status.active_core(cores) is None


def test_the_status_body_speaks_the_readers_language() -> None:
    holder = Holder(1, 5.0, Cause.PLANNED, Sentence("why", "dlaczego"), "operator", 42)
    pair = _pair(_core(1, HEALTHY, Vrrp.MASTER), _core(2, HEALTHY, Vrrp.BACKUP), holder=holder)
    body = status.status_body(pair, language="pl")
    assert (body["reason"], body["cause"], body["epoch"]) == ("dlaczego", "planned", 42)
    assert (body["active_core"], body["holder"], body["since"]) == (1, "core1", 5.0)
    assert body["cores"]["2"]["vrrp"] == "BACKUP"
    assert body["rocketchat_connected"] is False
    assert body["dropped_events"] == 3


def test_a_record_about_another_holder_is_not_told_as_the_reason() -> None:
    holder = Holder(2, 5.0, Cause.PLANNED, Sentence("old", "stare"), epoch=41)
    pair = _pair(_core(1, HEALTHY, Vrrp.MASTER), _core(2, HEALTHY, Vrrp.BACKUP), holder=holder)
    body = status.status_body(pair, language="en")
    assert (body["reason"], body["cause"], body["epoch"]) == ("", "unknown", None)


def test_the_file_names_an_error_only_for_a_core_that_is_not_healthy() -> None:
    cores = (_core(1, HEALTHY, Vrrp.MASTER), _core(2, ILL, Vrrp.BACKUP))
    assert status.system_status(cores) == {
        "active_core": 1,
        "cores": {
            "1": {"status": "healthy", "last_check": 9.0},
            "2": {"status": "unhealthy", "last_check": 9.0, "error": "en"},
        },
    }
