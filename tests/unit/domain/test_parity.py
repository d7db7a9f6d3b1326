"""How alike two cores are, in one number and in sentences."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from heyken_glue.domain import parity
from heyken_glue.domain.parity import CoreFacts, compare, digest_of, facts_of_model

FACTS = {"ollama": "b1", "glue": "g1", "settings": "s1", "model m": "d1"}
RECIPE = {"template": "t", "system": "s", "parameters": "p"}


def _compare(**change: str) -> parity.Parity:
    other = {**FACTS, **{key.replace("_", " "): value for key, value in change.items()}}
    result = compare(CoreFacts("core1", FACTS), CoreFacts("core2", other))
    assert result is not None
    return result


def test_equal_cores_are_alike_by_a_hundred() -> None:
    result = _compare()
    assert (result.percent, result.is_equal, result.differences) == (100, True, ())


def test_a_difference_is_named_with_both_sides() -> None:
    result = _compare(ollama="b2")
    assert (result.percent, result.is_equal) == (75, False)
    (sentence,) = result.differences
    assert sentence.en == "the Ollama builds differ: core1 has b1, core2 has b2"
    assert sentence.pl.startswith("różnią się wersje Ollama")
    assert result.to_body("pl")["differences"] == [sentence.pl]


def test_what_one_core_lacks_is_a_difference() -> None:
    result = _compare(model_n="d9")
    assert result.percent == 80
    assert "model n differs: core1 has –, core2 has d9" in result.differences[0].en


def test_a_core_that_says_nothing_is_compared_with_nobody() -> None:
    assert compare(CoreFacts("core1", FACTS), CoreFacts("core2", {})) is None
    assert compare(CoreFacts("core1", {}), CoreFacts("core2", FACTS)) is None


def test_a_fact_of_a_newer_version_is_compared_too() -> None:
    (sentence,) = _compare(moon="full").differences
    assert sentence.en.startswith("moon differs")


@given(
    st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=3), min_size=1, max_size=9),
    st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=3), min_size=1, max_size=9),
)
def test_a_hundred_means_equal_and_the_order_of_the_cores_does_not_matter(
    one: dict[str, str], other: dict[str, str]
) -> None:
    there = compare(CoreFacts("core1", one), CoreFacts("core2", other))
    back = compare(CoreFacts("core2", other), CoreFacts("core1", one))
    assert there is not None
    assert back is not None
    assert (there.percent == 100) == (one == other)
    assert there.percent == back.percent


def test_a_model_is_its_digest_and_the_digests_of_its_texts() -> None:
    facts = facts_of_model("m", "d1", RECIPE)
    assert set(facts) == {"model m", "template m", "prompt m", "parameters m"}
    changed = facts_of_model("m", "d1", {**RECIPE, "system": "other"})
    assert {key for key in facts if facts[key] != changed[key]} == {"prompt m"}
    assert facts_of_model("m", parity.MISSING, {}) == {"model m": parity.MISSING}


def test_the_order_of_settings_makes_no_difference() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
