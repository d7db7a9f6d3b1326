"""What both cores know of an answer: which copy counts, and that nonsense in a store is no copy."""

from __future__ import annotations

import itertools

import pytest

from heyken_glue.domain import copies
from heyken_glue.domain.copies import Copy, Question, Run, RunName, RunState
from heyken_glue.domain.turns import Role, Turn

QUESTION = Question("owner", "name", "en", (Turn(Role.USER, "ü?"),), "d", "m@1", 2.0)


def copy(
    generation: int = 0, core: int = 1, texts: int = 0, state: RunState = RunState.RUNNING
) -> Copy:
    return Copy(QUESTION, Run(RunName(generation, core), state, {}, ("x",) * texts))


def test_the_latest_run_wins_then_the_finished_then_the_longer() -> None:
    ranked = [
        copy(texts=9, state=RunState.ANSWERED),
        copy(1, 2, texts=1),
        copy(1, 2, texts=3),
        copy(1, 2, texts=2, state=RunState.ANSWERED),
        copy(10, 1),
    ]
    for worse, better in itertools.combinations(ranked, 2):
        assert copies.best([worse, None, better]) is better
        assert copies.best([better, worse]) is better
    assert copies.best([None, None]) is None


def test_a_question_is_read_as_it_was_written() -> None:
    assert copies.question_from(QUESTION.to_json()) == QUESTION


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"turns": 1}', QUESTION.to_json().replace("user", "who")]
)
def test_what_is_no_question_is_none(text: str) -> None:
    assert copies.question_from(text) is None


def test_runs_are_counted_as_numbers_and_other_fields_passed_over() -> None:
    assert copies.latest(["question", "2.1", "10.2", "x.1", "1.", "-1.2", "¹.1"]) == RunName(10, 2)
    assert copies.latest(["question"]) is None


def test_an_id_follows_from_owner_and_key() -> None:
    ids = {copies.answer_id(owner, key) for owner in ("a", "b") for key in ("k", "l")}
    assert len(ids) == 4
    assert copies.answer_id("a", "k") in ids
    assert all(len(id_) == copies.ID_LENGTH for id_ in ids)


def test_a_question_is_told_from_another() -> None:
    turn = Turn(Role.USER, "a")
    digests = {copies.digest_of(turns) for turns in ([turn], [turn, turn], [])}
    assert len(digests) == 3
