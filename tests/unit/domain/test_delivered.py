"""What a reader tells of an answer: which tokens are taken from it, and what is refused."""

from __future__ import annotations

import base64
import json

import pytest

from heyken_glue.domain.delivered import BYTES_MAX, TOKENS_MAX, Delivered, decoded, encoded

STORED = ("a", "b", "c", "d")


def packed(content: object) -> str:
    """Return the header's value for any content."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode()


@pytest.mark.parametrize(
    ("number", "texts", "beyond"),
    [
        (6, "cdef", "ef"),
        (6, "abcdef", "ef"),
        (6, "ef", "ef"),  # touches exactly
        (5, "e", "e"),
        (7, "fg", ""),  # token 5 is missing in between
        (6, "f", ""),
        (6, "cxef", ""),  # they differ where both have them
        (6, "abcxef", ""),
        (6, "xabcdef", ""),  # more tokens than its number says
        (4, "cd", ""),  # nothing that is not stored
        (3, "bc", ""),
        (6, "", ""),
        (0, "", ""),
    ],
)
def test_what_follows_the_stored_tokens_is_taken(number: int, texts: str, beyond: str) -> None:
    assert Delivered(number, tuple(texts)).beyond(STORED) == tuple(beyond)


def test_where_nothing_is_stored_all_is_taken_or_nothing() -> None:
    assert Delivered(2, ("a", "b")).beyond(()) == ("a", "b")
    assert Delivered(3, ("b", "c")).beyond(()) == ()


@pytest.mark.parametrize("texts", [["a"], ["", " \n"], ["ż", "\u2028", "🙂", '"\\'], ["ab"] * 64])
def test_what_was_encoded_is_decoded(texts: list[str]) -> None:
    assert decoded(encoded(texts)) == tuple(texts)
    assert decoded(packed(texts)) == tuple(texts), "padded, and with escapes"


def test_only_so_many_of_the_newest_are_encoded() -> None:
    texts = [f"{number}" for number in range(TOKENS_MAX + 9)]
    assert decoded(encoded(texts)) == tuple(texts[9:])


def test_of_long_ones_fewer_are_encoded() -> None:
    texts = [f"{number}" + "ż" * 500 for number in range(20)]
    value = encoded(texts)
    kept = decoded(value)
    assert BYTES_MAX - 1400 < len(value) <= BYTES_MAX
    assert kept == tuple(texts[-len(kept) :])


def test_nothing_is_encoded_of_nothing_or_of_one_too_long() -> None:
    assert encoded([]) == ""
    assert encoded(["short", "x" * BYTES_MAX]) == ""


def test_half_a_surrogate_pair_is_encoded_as_streams_show_it() -> None:
    assert decoded(encoded(["\ud83d", "b"])) == ("?", "b")


@pytest.mark.parametrize("texts", [["a"] * (TOKENS_MAX + 1), ["x" * BYTES_MAX], []])
def test_too_many_too_long_or_none_count_for_nothing(texts: list[str]) -> None:
    assert decoded(packed(texts)) == ()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "A",
        "!!!!",
        "żółw",
        "WyJh Il0=",
        packed("a"),
        packed({"a": "b"}),
        packed(None),
        packed(["a", 1]),
        packed([["a"]]),
        packed(b'["a"'),
        packed(b'["\xff"]'),
        packed(["\ud83d"]),
        packed(b"[" * 6000),
    ],
)
def test_anything_else_is_refused(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text is for nobody
        decoded(value)
