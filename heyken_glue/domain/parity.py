"""Whether the two cores are alike: each tells facts about itself, mostly digests, to be compared.

A fact is a name and a short text. Names are `ollama`, `glue`, `settings`, and for each model
`model`, `template`, `prompt` and `parameters` followed by its name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heyken_glue.domain.sentences import Sentence, say

SHOWN = 12
MISSING = "–"
_KINDS: Mapping[str, str] = {
    "ollama": "parity_ollama",
    "glue": "parity_glue",
    "settings": "parity_settings",
    "model": "parity_model",
    "template": "parity_template",
    "prompt": "parity_prompt",
    "parameters": "parity_parameters",
}
_RECIPE: Mapping[str, str] = {
    "template": "template",
    "system": "prompt",
    "parameters": "parameters",
}


@dataclass(frozen=True)
class CoreFacts:
    """What a core says about itself."""

    name: str
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Parity:
    """How much of what should be equal is: 100 means all of it; the sentences name the rest."""

    percent: int
    differences: tuple[Sentence, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Tell whether the cores are alike."""
        return not self.differences

    def to_body(self, language: str) -> dict[str, Any]:
        """Return what `/status` tells."""
        return {
            "percent": self.percent,
            "equal": self.is_equal,
            "differences": [sentence.in_language(language) for sentence in self.differences],
        }


def digest_of(value: object) -> str:
    """Return the SHA-256 of a text, or of a value as JSON with its keys in order."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def facts_of_model(name: str, digest: str, recipe: Mapping[str, str]) -> dict[str, str]:
    """Return the facts about a model: its digest and those of the texts it was made with."""
    texts = {
        f"{fact} {name}": digest_of(recipe[key]) for key, fact in _RECIPE.items() if key in recipe
    }
    return {f"model {name}": digest, **texts}


def compare(one: CoreFacts, other: CoreFacts) -> Parity | None:
    """Compare two cores; None while one of them has not said anything."""
    if not one.facts or not other.facts:
        return None
    names = sorted(one.facts.keys() | other.facts.keys())
    different = [name for name in names if one.facts.get(name) != other.facts.get(name)]
    # rounded down, so that 100 means equal and nothing else
    percent = 100 * (len(names) - len(different)) // len(names)
    return Parity(percent, tuple(_difference(name, one, other) for name in different))


def _difference(fact: str, one: CoreFacts, other: CoreFacts) -> Sentence:
    kind, _, subject = fact.partition(" ")
    return say(
        _KINDS.get(kind, "parity_other"),
        subject=subject or kind,
        one=one.name,
        this=one.facts.get(fact, MISSING)[:SHOWN],
        other=other.name,
        that=other.facts.get(fact, MISSING)[:SHOWN],
    )
