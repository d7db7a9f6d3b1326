"""What of a conversation reaches the model."""

from __future__ import annotations

from heyken_glue.domain.turns import Role, Turn, newest_within, without_oldest

RULES = Turn(Role.SYSTEM, "be brief")
FIRST, FIRST_ANSWER = Turn(Role.USER, "a" * 10), Turn(Role.ASSISTANT, "b" * 10)
SECOND, SECOND_ANSWER = Turn(Role.USER, "c" * 10), Turn(Role.ASSISTANT, "d" * 10)
LAST = Turn(Role.USER, "e" * 10)
TALK = (RULES, FIRST, FIRST_ANSWER, SECOND, SECOND_ANSWER, LAST)


def test_what_fits_is_left_as_it_is() -> None:
    assert newest_within(TALK, 58) == TALK


def test_the_oldest_goes_first_and_no_answer_stands_without_its_question() -> None:
    for room in range(38, 58):
        assert newest_within(TALK, room) == (RULES, SECOND, SECOND_ANSWER, LAST), room
    assert newest_within(TALK, 37) == (RULES, LAST)


def test_the_question_always_stays() -> None:
    assert newest_within(TALK, 0) == (RULES, LAST)
    assert newest_within((LAST,), 1) == (LAST,)


def test_sizes_are_those_of_utf8() -> None:
    turns = (Turn(Role.USER, "żółw"), LAST)
    assert newest_within(turns, 16) == (LAST,)
    assert newest_within(turns, 17) == turns


def test_the_oldest_question_goes_with_its_answer_until_one_turn_is_left() -> None:
    assert without_oldest(TALK) == (RULES, SECOND, SECOND_ANSWER, LAST)
    assert without_oldest(without_oldest(TALK)) == (RULES, LAST)
    assert without_oldest((RULES, LAST)) == (RULES, LAST)
    assert without_oldest((LAST,)) == (LAST,)


def test_an_answer_that_goes_on_is_never_left_out() -> None:
    assert without_oldest((FIRST, FIRST_ANSWER)) == (FIRST_ANSWER,)
