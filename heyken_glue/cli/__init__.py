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
    from heyken_glue.cli import app  # noqa: PLC0415

    return app.run(arguments, chosen)
