"""What of a conversation reaches the model."""

from __future__ import annotations

from heyken_glue.domain.turns import Role, Turn, newer_half, newest_within

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


def test_the_older_half_goes_until_one_turn_is_left() -> None:
    assert newer_half(TALK) == (RULES, SECOND, SECOND_ANSWER, LAST)
    assert newer_half(newer_half(TALK)) == (RULES, LAST)
    assert newer_half((RULES, LAST)) == (RULES, LAST)
    assert newer_half((LAST,)) == (LAST,)


def test_an_answer_that_goes_on_is_never_left_out() -> None:
    assert newer_half((FIRST, FIRST_ANSWER)) == (FIRST_ANSWER,)


def test_a_long_talk_is_short_after_a_few_halves() -> None:
    talk: tuple[Turn, ...] = (FIRST, FIRST_ANSWER) * 249 + (LAST,)
    halves = 0
    while len(talk) > 1:
        talk, halves = newer_half(talk), halves + 1
    assert talk == (LAST,)
    assert halves <= 10
