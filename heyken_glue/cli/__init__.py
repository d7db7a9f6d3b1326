"""The command line for people and scripts."""

from __future__ import annotations

import os
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 ok, 1 no, 2 usage, 78 configuration."""
    if arguments in (["version"], ["version", "--json"]):
        from heyken_glue.cli import local, output  # noqa: PLC0415

        # the parser takes longer to import than this takes altogether
        return local.version(output.Console("en", as_json=len(arguments) > 1))
    from heyken_glue.cli import app, language  # noqa: PLC0415 - completion and --help stay quick

    chosen = language.choose(arguments, os.environ)
    return app.run(arguments, chosen)
