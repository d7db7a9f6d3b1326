"""Going on with a cut answer: what the model is asked, and which part of its reply is new."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heyken_glue.domain.continuing import DivergedError, Plan, Resumed, plan
from heyken_glue.domain.turns import Role, Turn

TURNS = (Turn(Role.SYSTEM, "Be brief."), Turn(Role.USER, "where?"))


def new_of(made: Plan, *pieces: str) -> str:
    """Return what the plan's sieve lets through."""
    text = "".join(made.sieve.new(piece) for piece in pieces)
    made.sieve.close()
    return text


@pytest.mark.parametrize("exact", [True, False])
def test_without_a_text_so_far_the_question_is_asked(exact: bool) -> None:
    made = plan(TURNS, "", exact=exact)
    assert (made.turns, made.resumed) == (TURNS, None)
    assert new_of(made, " War", "saw") == " Warsaw"


def test_continuing_gives_the_model_the_text_as_an_open_last_message() -> None:
    made = plan(TURNS, "War", exact=False)
    assert made.turns == (*TURNS, Turn(Role.ASSISTANT, "War"))
    assert made.resumed is Resumed.CONTINUED
    assert new_of(made, "saw", ".") == "saw."


@pytest.mark.parametrize(
    ("prefix", "pieces", "new"),
    [
        ("It is ", [" War", "saw"], "War saw".replace(" ", "")),
        ("It is ", ["War"], "War"),
        ("One.\n\n", ["\n", "\n", "Two"], "Two"),
        ("One.\n\n", ["\nTwo"], "Two"),
        ("One.\n", [" Two"], " Two"),
        ("One. \n", [" ", "\n  Two"], "  Two"),
    ],
)
def test_white_space_at_the_end_is_kept_from_the_model_and_said_once(
    prefix: str, pieces: list[str], new: str
) -> None:
    made = plan(TURNS, prefix, exact=False)
    assert made.turns[-1].content == prefix.rstrip()
    assert new_of(made, *pieces) == new


def test_nothing_but_white_space_is_no_message_to_go_on_with() -> None:
    made = plan(TURNS, "\n", exact=False)
    assert (made.turns, made.resumed) == (TURNS, Resumed.REGENERATED)
    assert new_of(made, "\n", "War") == "War"


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1), st.data())
def test_regenerating_skips_exactly_the_text_so_far(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    cut = data.draw(st.integers(0, len(text)))
    made = plan(TURNS, text[:cut], exact=True)
    assert made.turns == TURNS
    assert text[:cut] + new_of(made, *pieces) == text


@pytest.mark.parametrize("pieces", [["War", "ter"], ["X"], ["Wars"], []])
def test_another_text_is_noticed(pieces: list[str]) -> None:
    made = plan(TURNS, "Warsaw", exact=True)
    with pytest.raises(DivergedError):
        new_of(made, *pieces)
