"""Texts for people: English in the source, other languages from the gettext catalogues.

A text is kept as a value (`Text`) until it is known who reads it; only the edge renders it. Mark
messages with `text("… {name} …", name=value)`, imported as `_`; mark plain strings that something
else prints later with `mark`. `lab/artifacts/catalogues.py` compiles the catalogues; without them
every text is English.
"""

from __future__ import annotations

import functools
import gettext
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field

DOMAIN = "heyken"
SOURCE_LANGUAGE = "en"
LANGUAGES = ("en", "pl")
LOCALE_DIRECTORY = pathlib.Path(__file__).parent / "locale"


@dataclass(frozen=True)
class Text:
    """A message and the values of its placeholders, before it is known who reads it."""

    msgid: str
    values: Mapping[str, object] = field(default_factory=dict)

    def render(self, language: str) -> str:
        """Return the message in `language`, in English where no translation exists."""
        values = {
            name: value.render(language) if isinstance(value, Text) else value
            for name, value in self.values.items()
        }
        return translate(self.msgid, language).format_map(values)

    def __str__(self) -> str:
        return self.render(SOURCE_LANGUAGE)


def text(msgid: str, /, **values: object) -> Text:
    """Mark a message for translation and bind the values of its `{placeholders}`."""
    return Text(msgid, values)


def mark(msgid: str, /) -> str:
    """Mark a string for translation and return it as it is."""
    return msgid


def translate(msgid: str, language: str) -> str:
    """Return the translation of `msgid`, or `msgid` itself."""
    return _catalogue(language).gettext(msgid) if msgid else ""


def known(language: str | None) -> str | None:
    """Return the supported language that a tag such as `pl-PL` or `pl_PL.UTF-8` names, or None."""
    if not language:
        return None
    primary = language.replace("_", "-").split("-")[0].split(".")[0].strip().lower()
    return primary if primary in LANGUAGES else None


def negotiate(accept_language: str, default: str) -> str:
    """Return the supported language that an Accept-Language header prefers (RFC 9110, 12.5.4)."""
    best, best_weight = default, 0.0
    for item in accept_language[:512].split(","):
        tag, _, parameters = item.partition(";")
        language = known(tag)
        weight = _weight(parameters)
        if language is not None and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


@functools.cache
def _catalogue(language: str) -> gettext.NullTranslations:
    if language == SOURCE_LANGUAGE:
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, LOCALE_DIRECTORY, languages=[language], fallback=True)
