"""Texts: languages, fallbacks, and a Polish catalogue that is complete."""

from __future__ import annotations

import string

import pytest
from babel.messages import pofile

from heyken_glue import texts
from lab.artifacts import catalogues

PO_FILE = catalogues.LOCALE_DIRECTORY / "pl" / "LC_MESSAGES" / "heyken.po"


@pytest.fixture
def catalogue() -> dict[str, str]:
    with PO_FILE.open("rb") as stream:
        read = pofile.read_po(stream, locale="pl", abort_invalid=True)
    assert not any(message.fuzzy for message in read if message.id), "a guess is no translation"
    return {str(message.id): str(message.string or "") for message in read if message.id}


def placeholders(message: str) -> list[tuple[str, str]]:
    """Return names and formats of a message's placeholders."""
    fields = string.Formatter().parse(message)
    return sorted((name, form or "") for _text, name, form, _conversion in fields if name)


def test_the_polish_catalogue_holds_exactly_what_the_sources_mark(
    catalogue: dict[str, str],
) -> None:
    marked = catalogues.source_messages()
    assert len(marked) > 90, "the extraction found too little to prove anything"
    assert sorted(catalogue) == sorted(marked)
    assert [message for message, translated in catalogue.items() if not translated] == []


def test_placeholders_are_the_same_in_both_languages(catalogue: dict[str, str]) -> None:
    different = {
        message: translated
        for message, translated in catalogue.items()
        if placeholders(message) != placeholders(translated)
    }
    assert different == {}


def test_a_text_renders_nested_texts_in_the_same_language() -> None:
    catalogues.compile_catalogues()
    texts._catalogue.cache_clear()
    inner = texts.text("it is not UTF-8")
    outer = texts.text(
        "The body could not be read: {why}. Send a JSON object such as {example}.",
        why=inner,
        example="{…}",
    )
    assert outer.render("pl").startswith("Nie udało się odczytać treści: nie jest w UTF-8.")
    assert str(outer).startswith("The body could not be read: it is not UTF-8.")


def test_without_compiled_catalogues_texts_are_english(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(texts, "LOCALE_DIRECTORY", tmp_path_factory.mktemp("empty"))
    texts._catalogue.cache_clear()
    try:
        assert texts.text("online").render("pl") == "online"
    finally:
        texts._catalogue.cache_clear()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "en"),
        ("pl", "pl"),
        ("pl-PL,pl;q=0.9", "pl"),
        ("de, fr", "en"),
        ("en;q=0.4, pl;q=0.5", "pl"),
        ("pl;q=0, en;q=0.1", "en"),
        ("pl;q=much", "en"),
        (";;,,=;q", "en"),
        ("*", "en"),
        ("x" * 100_000, "en"),
    ],
)
def test_a_language_is_negotiated_from_any_header(header: str, expected: str) -> None:
    assert texts.negotiate(header, "en") == expected


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("pl_PL.UTF-8", "pl"),
        ("pl", "pl"),
        ("PL", "pl"),
        ("C.UTF-8", None),
        ("", None),
        (None, None),
    ],
)
def test_locales_name_languages(tag: str | None, expected: str | None) -> None:
    assert texts.known(tag) == expected
