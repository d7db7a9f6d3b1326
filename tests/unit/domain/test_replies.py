"""Cutting an answer into messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heyken_glue.domain.conversation import CURSOR, MARK, PARTS_MAX, is_unfinished
from heyken_glue.domain.replies import harmless, pages, split, units

TEXTS = st.text(st.sampled_from("aż \n`😀"), max_size=1500)


def test_a_short_answer_is_one_message() -> None:
    assert pages("so it is", limit=5000, finished=True) == ("so it is",)
    assert pages("so it", limit=5000, finished=False) == ("so it" + MARK,)


def test_it_is_cut_at_a_paragraph_before_a_line_before_a_word() -> None:
    paragraphs = "one two three\n" * 5 + "\n" + "four\n" * 10
    assert split(paragraphs, 100)[0].endswith("three")
    lines = "a few words\n" * 20
    assert split(lines, 100)[0].endswith("words")
    words = "word " * 60
    assert split(words, 100)[0].endswith("word")
    assert len(split("x" * 300, 100)[0]) >= 90


def test_code_stays_code_in_every_message() -> None:
    code = "look:\n```python\n" + "print('hello')\n" * 20 + "```\nthat is all"
    parts = split(code, 120)
    assert len(parts) > 2
    assert all(part.count("```") % 2 == 0 for part in parts)
    assert parts[1].startswith("```python\n")
    assert parts[-1].endswith("that is all")


def test_only_the_first_and_the_last_part_carry_the_mark() -> None:
    parts = pages("word " * 100, limit=120, finished=False)
    assert [is_unfinished(part) for part in parts] == [True, *[False] * (len(parts) - 2), True]
    assert not any(is_unfinished(part) for part in pages("word " * 100, limit=120, finished=True))


@given(TEXTS, st.integers(100, 300))
def test_no_message_is_longer_than_the_server_takes(text: str, limit: int) -> None:
    for finished in (False, True):
        parts = pages(text, limit=limit, finished=finished)
        assert max(map(units, parts)) <= limit
        assert sum(map(is_unfinished, parts)) == (0 if finished else min(2, len(parts)))


@given(TEXTS, st.integers(100, 300))
def test_nothing_is_lost_but_spaces(text: str, limit: int) -> None:
    text = text.replace("`", "")
    kept = "".join("".join(part.split()) for part in split(text, limit))
    assert kept == "".join(text.split())


@given(TEXTS, st.integers(100, 200))
def test_a_growing_text_keeps_its_cuts(text: str, limit: int) -> None:
    former: tuple[str, ...] = ()
    for end in range(0, len(text), 37):
        parts = split(text[:end], limit)
        assert parts[: len(former) - 1] == former[:-1]
        former = parts


def test_an_endless_answer_ends() -> None:
    parts = split("x" * 100_000, 100)
    assert len(parts) == PARTS_MAX
    assert max(map(units, parts)) <= 100


@pytest.mark.parametrize(
    ("text", "calls"),
    [("@all come", True), ("hey @HERE", True), ("@allan", False), ("mail@all.example", False)],
)
def test_nobody_is_rung_for(text: str, *, calls: bool) -> None:
    assert (harmless(text) != text) is calls
    assert "@all " not in harmless(text)


def test_a_mark_that_the_model_wrote_is_none() -> None:
    parts = pages(f"{CURSOR} " * 200, limit=100, finished=True)
    assert not any(CURSOR in part for part in parts)
