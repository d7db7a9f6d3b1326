"""The command line for people and scripts."""

from __future__ import annotations

import os
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 ok, 1 no, 2 usage, 78 configuration."""
    from heyken_glue.cli import language, output  # noqa: PLC0415 - completion stays quick

    console = output.Console(language.of_locale(os.environ), as_json="--json" in arguments)
    return output.guarded(console, lambda: _run(arguments))


def _run(arguments: Sequence[str]) -> int:
    from heyken_glue.cli import environment, language  # noqa: PLC0415

    environment.refuse_unknown(os.environ)
    if arguments in (["version"], ["version", "--json"]):
        from heyken_glue.cli import local, output  # noqa: PLC0415

        # the parser takes longer to import than this takes altogether
        return local.version(output.Console("en", as_json=len(arguments) > 1))
    chosen = language.choose(arguments, os.environ)
    if len(arguments) == 2 and arguments[0] == "unit" and not arguments[1].startswith("-"):  # noqa: PLR2004
        from heyken_glue.cli import local, output  # noqa: PLC0415

        # a unit runs for months: without the parser each of them is 1 MB smaller
        console = output.Console(chosen)
        return output.guarded(console, lambda: local.unit(arguments[1]))
    from heyken_glue.cli import app  # noqa: PLC0415

    return app.run(arguments, chosen)
