"""Which language the command line speaks: --language, else the locale, else English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heyken_glue import texts

OPTION = "--language"
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


def choose(arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return a supported language; help texts need it before the arguments are parsed."""
    for position, argument in enumerate(arguments):
        if argument == OPTION and position + 1 < len(arguments):
            return texts.known(arguments[position + 1]) or texts.SOURCE_LANGUAGE
        if argument.startswith(f"{OPTION}="):
            return texts.known(argument.partition("=")[2]) or texts.SOURCE_LANGUAGE
    named = next((environ[name] for name in LOCALE_VARIABLES if environ.get(name)), None)
    return texts.known(named) or texts.SOURCE_LANGUAGE
