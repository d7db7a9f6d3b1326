"""From what was seen to the verdict, and from verdicts to the track file."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heyken_glue.domain import checks, sentences
from heyken_glue.domain.checks import Check, Probe, Process
from heyken_glue.domain.sentences import Sentence, say
from heyken_glue.domain.verdict import (
    LINGER_SECONDS,
    STEP_DOWN_SECONDS,
    Damping,
    PeerView,
    Phase,
    Steadiness,
    StepDown,
    Verdict,
    judge,
    parse_verdict,
    track_value,
)

DIGEST = "ab" * 32
GOOD = Check("process", True, say("process_ok", unit="ollama.service"))
BAD = Check("models", False, say("model_missing", model="m"))


def _peer(*, capable: bool = True, age: float = 0.1, stepping_down: bool = False) -> PeerView:
    return PeerView(2, "core2", capable, age, Sentence("s", "z"), stepping_down)


@given(st.booleans(), st.booleans(), st.booleans(), st.booleans(), st.floats(0, 10))
def test_the_address_is_given_up_only_to_a_better_core_or_on_request(
    stepping_down: bool, capable: bool, peer_capable: bool, peer_leaves: bool, age: float
) -> None:
    peer = _peer(capable=peer_capable, age=age, stepping_down=peer_leaves)
    value = track_value(
        stepping_down=stepping_down, capable=capable, peer_counts=peer.counts(stale_seconds=1.0)
    )
    if value == 1 and not stepping_down:
        assert not capable
        assert peer_capable
        assert age <= 1.0
    if stepping_down:
        assert value == 1


@pytest.mark.parametrize(
    ("capable", "peer", "value"),
    [
        (True, _peer(), 0),
        (False, _peer(), 1),
        (False, _peer(capable=False), 0),
        (False, _peer(age=1.1), 0),
        (False, _peer(stepping_down=True), 0),
    ],
)
def test_the_track_file_rule(capable: bool, peer: PeerView, value: int) -> None:
    counts = peer.counts(stale_seconds=1.0)
    assert track_value(stepping_down=False, capable=capable, peer_counts=counts) == value


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 5))
def test_a_core_falls_at_once_and_returns_after_good_looks_in_a_row(
    looks: list[bool], needed: int
) -> None:
    state = Steadiness()
    for moment, good in enumerate(looks):
        state = state.after(good=good, now=float(moment), damping=Damping(needed, 0.5, needed))
    if looks and not looks[-1]:
        assert not state.capable
    if len(looks) >= needed:
        assert not all(looks[-needed:]) or state.capable
    if state.capable:
        assert any(all(looks[i : i + needed]) for i in range(len(looks) - needed + 1))


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 5), st.integers(1, 40))
def test_the_way_back_grows_with_each_relapse_and_never_beyond_its_limit(
    looks: list[bool], needed: int, most: int
) -> None:
    damping, state = Damping(needed, 1e9, most), Steadiness()
    former = 0
    for moment, good in enumerate(looks):
        state = state.after(good=good, now=float(moment), damping=damping)
        assert needed <= state.needed <= max(needed, most)
        assert state.needed >= former, "nothing is forgotten within the time"
        former = state.needed


def test_an_old_fall_is_forgotten_and_looks_that_never_were_good_are_no_falls() -> None:
    damping, state = Damping(3, 10.0, 100), Steadiness()
    for moment in range(5):
        state = state.after(good=False, now=float(moment), damping=damping)
    assert (state.falls, state.needed) == ((), 3)
    for moment in range(5, 8):
        state = state.after(good=True, now=float(moment), damping=damping)
    assert state.capable
    for moment in (8, 9):
        state = state.after(good=moment != 8, now=float(moment), damping=damping)
    assert (state.falls, state.needed) == ((8.0,), 3)
    assert state.after(good=True, now=18.5, damping=damping).falls == ()


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=30))
def test_a_hand_over_always_ends_and_never_skips_its_tail(
    steps: list[tuple[float, bool]],
) -> None:
    now, state = 0.0, StepDown(Phase.ASKED, 0.0)
    for seconds, peer_holds in steps:
        now += seconds
        former, state = state, state.advance(now, peer_holds=peer_holds, peer_counts=True)
        if former.phase is Phase.ASKED:
            assert state.phase is not Phase.IDLE
        if state.phase is Phase.ASKED:
            assert now < STEP_DOWN_SECONDS
    for later in (STEP_DOWN_SECONDS, STEP_DOWN_SECONDS + LINGER_SECONDS + 0.01):
        state = state.advance(now + later, peer_holds=False, peer_counts=True)
    assert state.phase is Phase.IDLE


def test_a_hand_over_ends_at_once_when_the_other_core_is_lost() -> None:
    state = StepDown(Phase.ASKED, 0.0).advance(0.1, peer_holds=False, peer_counts=False)
    assert not state.active, "nobody would hold the address"


def test_who_handed_over_stands_by_at_once_and_tells_of_it_for_a_while() -> None:
    state = StepDown(Phase.ASKED, 0.0).advance(0.1, peer_holds=True, peer_counts=True)
    assert not state.active, "the new holder may be lost as well"
    body = Verdict(1, True, Sentence("fine", "dobrze"), (GOOD,), 5.0, state).to_body()
    answer = parse_verdict(body)
    assert (answer.stepping_down, answer.stepped_down) == (False, True)
    returned = state.advance(0.2, peer_holds=True, peer_counts=False)
    assert returned.phase is Phase.IDLE, "it is not why this core loses the address again"
    later = state.advance(0.2 + LINGER_SECONDS, peer_holds=True, peer_counts=True)
    body = Verdict(1, True, Sentence("fine", "dobrze"), (GOOD,), 5.0, later).to_body()
    assert not parse_verdict(body).stepped_down


@pytest.mark.parametrize(
    ("processes", "ok"),
    [
        ((), False),
        ((Process(1, "ollama", "S"),), True),
        ((Process(1, "ollama", "S"), Process(2, "ollama", "D")), True),
        ((Process(1, "ollama", "T"),), False),
        ((Process(1, "ollama", "S"), Process(2, "ollama", "t")), False),
        ((Process(1, "ollama", "Z"),), False),
        ((Process(1, "ollama", "S"), Process(2, "ollama", "Z")), True),
    ],
)
def test_processes(processes: tuple[Process, ...], ok: bool) -> None:
    check = checks.check_processes("ollama.service", processes)
    assert check.ok is ok, check


def test_models_are_compared_by_digest_with_or_without_a_tag() -> None:
    assert checks.check_models({"m": DIGEST}, {"m:latest": DIGEST}).ok
    assert "is missing" in checks.check_models({"m": DIGEST}, {"m:other": DIGEST}).detail.en
    assert "expected abab" in checks.check_models({"m": DIGEST}, {"m:latest": "00"}).detail.en
    assert "no answer" in checks.check_models({"m": DIGEST}, "no answer").detail.en


def test_disk() -> None:
    assert checks.check_disk({"/": 300, "/var": 256}, least_mib=256).ok
    full = checks.check_disk({"/": 300, "/var": 255}, least_mib=256)
    assert (full.ok, "disk of /var" in full.detail.en) == (False, True)
    assert not checks.check_disk({"/": "no such file"}, least_mib=256).ok


def test_one_lost_probe_is_no_failure_but_two_are() -> None:
    probe = Probe()
    assert not checks.check_probe(probe).ok
    probe = probe.after(None)
    assert checks.check_probe(probe).ok
    probe = probe.after("slow")
    assert checks.check_probe(probe).ok
    probe = probe.after("slow")
    assert not checks.check_probe(probe).ok
    assert checks.check_probe(probe.after(None)).ok


def _judge(seen: tuple[Check, ...], steady: Steadiness) -> Sentence:
    return judge(core="core1", model="m", checks=seen, steady=steady)


def test_the_sentence_names_the_cause() -> None:
    assert _judge((GOOD,), Steadiness(True, 3)).en == "core1 can answer with m"
    assert _judge((GOOD, BAD), Steadiness()).pl.endswith("brakuje modelu m")
    assert "1 of 3" in _judge((GOOD,), Steadiness(False, 1, needed=3)).en
    assert "not checked" in _judge((), Steadiness()).en


def test_what_only_follows_from_something_else_is_not_said_beside_it() -> None:
    waits = checks.check_probe(Probe())
    loading = checks.check_memory("m", loaded=False, loading_seconds=7.9)
    assert _judge((GOOD, loading, waits), Steadiness()).en == (
        "core1 cannot answer: model m is being loaded, for 7 s now"
    )
    assert _judge((GOOD, waits), Steadiness()).en.endswith("the model was not asked yet")


def test_one_late_answer_is_no_silence_and_a_busy_machine_is_excused_for_a_while() -> None:
    silence = checks.Silence()
    assert not silence.after("late").counts
    assert silence.after("late").after("late").counts
    assert not silence.after("late").after(None).after("late").counts
    for _ in range(checks.EXCUSES_MAX):
        silence = silence.after("late", excused=True)
        assert not silence.counts
    assert silence.after("late", excused=True).after("late", excused=True).counts


def test_a_dead_process_hides_what_follows_from_it() -> None:
    dead = Check("process", False, say("process_none", unit="ollama.service"))
    assert _judge((dead, BAD), Steadiness()).en == (
        "core1 cannot answer: ollama.service has no process"
    )


def test_a_verdict_survives_the_way_to_the_other_core() -> None:
    step_down = StepDown(Phase.ASKED, 1.0, Sentence("why", "po co"), "operator")
    verdict = Verdict(
        1, True, Sentence("fine", "dobrze"), (GOOD,), 5.0, step_down, _peer(), {"glue": DIGEST}
    )
    body = json.loads(json.dumps(verdict.to_body()))
    answer = parse_verdict(body)
    assert (answer.capable, answer.stepping_down, answer.time) == (True, True, 5.0)
    assert answer.stepped_down
    assert answer.step_down_reason == Sentence("why", "po co")
    assert answer.sentence.pl == "dobrze"
    assert body["peer"]["core_id"] == 2
    assert answer.facts == {"glue": DIGEST}
    del body["facts"]
    assert parse_verdict(body).facts == {}, "a core of an older version tells none"


@pytest.mark.parametrize("change", [{"capable": "yes"}, {"time": None}, {"step_down": 7}])
def test_nonsense_is_no_verdict(change: dict[str, object]) -> None:
    body = Verdict(1, True, Sentence("a", "b"), (), 5.0).to_body()
    parse_verdict(body)
    with pytest.raises(ValueError, match=r"no verdict|could not convert"):
        parse_verdict({**body, **change})


def test_every_sentence_asks_for_the_same_values_in_both_languages() -> None:
    table = sentences._TABLE
    assert len(table) > 20
    for key, sentence in table.items():
        fields = [
            {name for _, name, _, _ in string.Formatter().parse(text) if name}
            for text in (sentence.en, sentence.pl)
        ]
        assert fields[0] == fields[1], key
