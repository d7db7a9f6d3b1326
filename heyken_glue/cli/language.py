"""Which language the command line speaks: --language, else the locale, else English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heyken_glue import texts
from heyken_glue.cli.output import EXIT_USAGE, CliProblem
from heyken_glue.texts import text as _

OPTION = "--language"
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


def choose(arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return a supported language; help texts need it before the arguments are parsed.

    Raises CliProblem with exit code 2 for one that is asked for and not there.
    """
    asked = _asked(arguments)
    if asked is None:
        return of_locale(environ)
    language = texts.known(asked)
    if language is None:
        raise CliProblem(
            _("“{language}” is no language of Heyken.", language=asked),
            _("Choose one of: {known}.", known=", ".join(texts.LANGUAGES)),
            exit_code=EXIT_USAGE,
        )
    return language


def of_locale(environ: Mapping[str, str]) -> str:
    """Return the language of the locale, English where Heyken does not speak it."""
    named = next((environ[name] for name in LOCALE_VARIABLES if environ.get(name)), None)
    return texts.known(named) or texts.SOURCE_LANGUAGE


def _asked(arguments: Sequence[str]) -> str | None:
    for argument, following in zip(arguments, [*arguments[1:], None], strict=True):
        if argument == "--":
            return None  # what follows are words, not options
        if argument == OPTION:
            return following
        if argument.startswith(f"{OPTION}="):
            return argument.partition("=")[2]
    return None
