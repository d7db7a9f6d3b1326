"""Commands in both languages, mentions, and guesses at a language."""

from __future__ import annotations

import pytest

from heyken_glue.domain import commands
from heyken_glue.domain.commands import Command, Verb


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("help", Command(Verb.HELP)),
        (" Pomoc! ", Command(Verb.HELP)),
        ("?", Command(Verb.HELP)),
        ("status?", Command(Verb.STATUS)),
        ("stan", Command(Verb.STATUS)),
        ("switch", Command(Verb.SWITCH)),
        ("switch to core 2", Command(Verb.SWITCH, "2")),
        ("przełącz na rdzeń 1.", Command(Verb.SWITCH, "1")),
        ("przelacz 2", Command(Verb.SWITCH, "2")),
        ("switch core2", Command(Verb.SWITCH, "2")),
        ("PRZEŁĄCZ", Command(Verb.SWITCH)),
        ("language", Command(Verb.LANGUAGE)),
        ("language PL", Command(Verb.LANGUAGE, "pl")),
        ("język angielski", Command(Verb.LANGUAGE, "en")),
        ("stop", Command(Verb.STOP)),
        ("przerwij", Command(Verb.STOP)),
    ],
)
def test_a_command_is_a_whole_message(text: str, expected: Command) -> None:
    assert commands.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "help me with my homework",
        "switch statements in C",
        "switch 1 and 2",
        "language models",
        "status of the project",
        "stop words",
        "helpful",
        "? what",
        "switch 123",
        "help" + " " * 100 + "x",
    ],
)
def test_anything_longer_is_a_question(text: str) -> None:
    assert commands.parse(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@heyken_bot help", "help"),
        ("@heyken_bot: help", "help"),
        ("  @heyken_bot, help", "help"),
        ("@heyken_bot", ""),
        ("can you @heyken_bot help", "can you help"),
        ("why, @heyken_bot?", "why,?"),
        ("@heyken_bot2 help", "@heyken_bot2 help"),
        ("me@heyken_bot", "me@heyken_bot"),
        ("@heyken_bot.example", "@heyken_bot.example"),
        ("thanks @heyken_bot.", "thanks."),
        ("@heyken_bot @heyken_bot help", "help"),
        ("@jan @heyken_bot help", "@jan help"),
    ],
)
def test_the_mention_is_taken_out(text: str, expected: str) -> None:
    assert commands.without_mention(text, "heyken_bot") == expected


def test_control_characters_are_taken_out_and_lines_stay() -> None:
    assert commands.readable("a\x00\x1b[31mb\r\nc\td\re") == "a[31mb\nc\td\ne"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ("plain text\r\nof\r\nWindows", False),
        ("\x00\x01\x02\x03", True),
        ("PNG\ufffd\ufffd\x00\x00", True),
        ("a long enough sentence with one \x07 bell", False),
    ],
)
def test_what_counts_as_binary(text: str, *, expected: bool) -> None:
    assert commands.is_binary(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is the capital of Poland?", "en"),
        ("Jaka jest stolica Polski?", "pl"),
        ("Cześć", "pl"),
        ("gdzie sa moje klucze", "pl"),
        ("pomoc", "pl"),
        ("help", "en"),
        ("status", None),
        ("2 + 2", None),
        ("", None),
        ("```\nfor x in the_list\n``` co to robi i dlaczego nie dziala?", "pl"),
    ],
)
def test_a_language_is_guessed(text: str, expected: str | None) -> None:
    assert commands.language_of(text) == expected
