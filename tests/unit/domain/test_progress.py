"""Hung or only slow: signs of life of processes, and when their absence counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heyken_glue.domain.checks import Process
from heyken_glue.domain.progress import Pulse, Stall, Work, check_progress, parse_work

LIMIT = 0.3


def _process(pid: int, state: str = "S", *, cpu: float = 0.0, faults: int = 0) -> Process:
    return Process(pid, "ollama", state, cpu, faults, started=100 + pid)


def test_a_process_shows_life_by_the_processor_by_the_disk_and_by_waiting_for_either() -> None:
    pulse = Pulse().after((_process(1),), now=1.0).after((_process(1),), now=2.0)
    assert pulse.moved_at == float("-inf")
    assert pulse.after((_process(1, cpu=0.01),), now=3.0).moved_at == 3.0
    assert pulse.after((_process(1, faults=1),), now=3.0).moved_at == 3.0
    assert pulse.after((_process(1, "D"),), now=3.0).moved_at == 3.0
    assert pulse.after((_process(1, "R"),), now=3.0).moved_at == 3.0
    assert pulse.after((_process(1, "T"),), now=3.0).moved_at < 3.0


def test_what_processes_used_is_counted_across_those_that_come_and_go() -> None:
    pulse = Pulse().after((_process(1, cpu=5.0), _process(2, cpu=1.0)), now=1.0)
    pulse = pulse.after((_process(1, cpu=5.5),), now=2.0)
    assert (pulse.cpu_seconds, pulse.lost) == (6.5, 1)
    pulse = pulse.after((_process(1, cpu=5.5), _process(3, cpu=0.25)), now=3.0)
    assert (pulse.cpu_seconds, pulse.lost) == (6.75, 1)
    assert pulse.starts == 1, "the oldest is still the same"
    pulse = pulse.after((), now=4.0).after((_process(9),), now=5.0)
    assert pulse.starts == 2


def test_another_process_with_the_same_number_is_another_one() -> None:
    pulse = Pulse().after((Process(1, "ollama", "S", started=7),), now=1.0)
    assert pulse.after((Process(1, "ollama", "S", started=8),), now=2.0).lost == 1


def _stall(looks: list[tuple[float, bool, bool, bool]]) -> Stall:
    stall, now = Stall(), 0.0
    for seconds, busy, moved, produced in looks:
        now += seconds
        stall = stall.after(
            now=now,
            asked_at=now if busy else None,
            moved=moved,
            produced=produced,
            limit_seconds=LIMIT,
        )
    return stall


def test_silence_counts_after_its_time_and_two_looks_at_least() -> None:
    begin = (0.1, True, False, False)
    assert not _stall([begin, *[(0.1, True, False, False)] * 2]).stalled
    assert _stall([begin, *[(0.1, True, False, False)] * 4]).stalled
    assert not _stall([begin, (60.0, True, False, False)]).stalled, "one late look proves nothing"
    assert _stall([begin, *[(60.0, True, False, False)] * 2]).stalled


def test_what_the_gateway_said_long_ago_is_no_evidence_of_silence_now() -> None:
    stall = Stall()
    for now in (1.0, 2.0, 3.0, 4.0):
        stall = stall.after(now=now, asked_at=1.1, moved=False, produced=False, limit_seconds=LIMIT)
    assert not stall.stalled
    assert stall.after(
        now=5.0, asked_at=4.9, moved=False, produced=False, limit_seconds=LIMIT
    ).stalled


@given(
    st.lists(
        st.tuples(st.floats(0.05, 5), st.booleans(), st.booleans(), st.booleans()), max_size=40
    )
)
def test_without_a_request_or_with_signs_of_life_nothing_stalls_and_only_text_ends_a_stall(
    looks: list[tuple[float, bool, bool, bool]],
) -> None:
    assert not _stall([(s, False, moved, made) for s, _, moved, made in looks]).stalled
    assert not _stall([(s, busy, True, made) for s, busy, _, made in looks]).stalled
    stalled = [(1.0, True, False, False)] * 4
    assert _stall([*stalled, *[(s, busy, moved, False) for s, busy, moved, _ in looks]]).stalled
    assert not _stall([*stalled, *looks, (0.1, True, False, True)]).stalled


def test_the_sentence_says_how_long_nothing_was_done() -> None:
    check = check_progress(_stall([(0.2, True, False, False)] * 6))
    assert not check.ok
    assert "for 1.0 s" in check.detail.en
    assert "zawiesił" in check.detail.pl


def test_what_the_gateway_tells_is_read_or_taken_for_nothing() -> None:
    told = {"running": 1, "pieces": 2, "answered": 3, "failed": 4, "silent": 5}
    assert parse_work({"model": told}) == Work(1, 2, 3, 4, 5)
    assert parse_work({}) is None
    for nonsense in (7, {}, {**told, "failed": "4"}):
        assert parse_work({"model": nonsense}) is None


def test_evidence_is_what_grew_since_the_last_look() -> None:
    former = Work(1, 10, 1, 2, 3)
    assert Work(1, 11, 1, 2, 3).made_something_since(former)
    assert Work(0, 10, 2, 2, 3).made_something_since(former), "an answer may be without text"
    assert not Work(1, 10, 1, 2, 3).made_something_since(former)
    assert not Work(0, 3, 9, 0, 0).made_something_since(former), "the gateway began anew"
    assert Work(1, 10, 1, 4, 3).failures_since(former) == 2
    assert Work(1, 0, 0, 0, 0).failures_since(former) == 0
    assert Work(0, 10, 1, 2, 4).was_silent_since(former)
    assert not Work(0, 0, 0, 0, 0).was_silent_since(former)
    assert not former.was_silent_since(None)
