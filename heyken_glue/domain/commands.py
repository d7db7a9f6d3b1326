"""What people say besides questions: commands in Polish and English, and their language."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass


class Verb(enum.StrEnum):
    """What can be asked of the assistant itself."""

    HELP = "help"
    STATUS = "status"
    SWITCH = "switch"
    LANGUAGE = "language"
    STOP = "stop"


@dataclass(frozen=True)
class Command:
    """A verb, and for `switch` a core's number or for `language` a code, where one was said."""

    verb: Verb
    argument: str | None = None


_VERBS: Mapping[str, Verb] = {
    **dict.fromkeys(("help", "pomoc", "?"), Verb.HELP),
    **dict.fromkeys(("status", "stan"), Verb.STATUS),
    **dict.fromkeys(("switch", "przełącz", "przelacz"), Verb.SWITCH),
    **dict.fromkeys(("language", "język", "jezyk"), Verb.LANGUAGE),
    **dict.fromkeys(("stop", "zatrzymaj", "przerwij"), Verb.STOP),
}
_LANGUAGES: Mapping[str, str] = {
    **dict.fromkeys(("pl", "polski", "polish", "po polsku"), "pl"),
    **dict.fromkeys(("en", "angielski", "english", "po angielsku"), "en"),
}
_CORE = re.compile(r"(?:(?:to|na) )?(?:(?:core|rdzeń|rdzen) ?)?(\d{1,2})")
_LONGEST = 40
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffd]")


def parse(text: str) -> Command | None:
    """Return the command that the whole text is, or None: "help me with…" is a question."""
    if len(text) > _LONGEST:
        return None
    words = " ".join(text.casefold().split()).rstrip(".! ")
    first, _, rest = words.partition(" ")
    if words != "?":
        first, rest = first.rstrip("?,:"), rest.rstrip("?")
    verb = _VERBS.get(first)
    if verb is None or not rest:
        return Command(verb) if verb is not None else None
    if verb is Verb.SWITCH and (core := _CORE.fullmatch(rest)):
        return Command(verb, core.group(1))
    if verb is Verb.LANGUAGE and rest in _LANGUAGES:
        return Command(verb, _LANGUAGES[rest])
    return None


def without_mention(text: str, username: str) -> str:
    """Return a text without `@username`, and without the colon or comma behind the first one."""
    mention = rf"(?<![\w@])@{re.escape(username)}(?![\w-]|\.\w)"
    text = re.sub(rf"^\s*{mention}\s*[:,]?", "", text)
    return re.sub(rf"[ \t]*{mention}", "", text).strip()


def readable(text: str) -> str:
    """Return a text without control characters; line ends become those of Unix."""
    return _CONTROL.sub("", _with_unix_lines(text))


def is_binary(text: str) -> bool:
    """Tell whether so much of a text is unreadable that the rest says nothing."""
    text = _with_unix_lines(text)
    return len(_CONTROL.findall(text)) * 4 > len(text.strip())


def _with_unix_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


_POLISH_LETTERS = frozenset("ąćęłńśźżĄĆĘŁŃŚŹŻ")
_POLISH_WORDS = """
    czy jest jak nie się sie co dla gdzie kiedy dlaczego ile kto jaka jaki jakie która ktora który
    ktory proszę prosze napisz podaj powiedz wyjaśnij możesz mozesz może moze mnie mi jego są być
    byc oraz lub albo tylko bardzo jeszcze tak cześć czesc dzień dzien dobry pomoc stan przelacz
    jezyk zatrzymaj przerwij polski
"""
_ENGLISH_WORDS = """
    the is are was what how why when where who which of and for with you your please write tell
    explain can could would should does did this that these my me it its hello hi help switch
    language an be not
"""
_POLISH, _ENGLISH = frozenset(_POLISH_WORDS.split()), frozenset(_ENGLISH_WORDS.split())


def language_of(text: str) -> str | None:
    """Guess the language of a text: `pl`, `en`, or None where it says too little."""
    if any(letter in _POLISH_LETTERS for letter in text):
        return "pl"
    words = re.findall(r"[^\W\d_]+", text[:2000].casefold())
    polish = sum(word in _POLISH for word in words)
    english = sum(word in _ENGLISH for word in words)
    if polish == english:
        return None
    return "pl" if polish > english else "en"
