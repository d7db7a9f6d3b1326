"""`terraform fmt` with the program that a deployment uses: the machine's own, else the cached one.

Options and paths go on as they are: python -m tools.terraform_fmt -check -recursive terraform
"""

from __future__ import annotations

import os
import sys

from rich.console import Console

from lab import settings
from lab.artifacts import terraform
from lab.problem import Problem
from lab.progress import Progress


def main(words: list[str]) -> None:
    """Become `terraform fmt`; its exit code is ours.

    Raises Problem if there is no terraform that is new enough and none can be fetched.
    """
    # What is said about finding it goes beside the output, which is the formatter's own.
    progress = Progress(console=Console(stderr=True, highlight=False))
    program = terraform.find(settings.load().cache, progress)
    # The name and the options are ours.
    os.execv(program, [str(program), "fmt", *words])  # noqa: S606


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Problem as problem:
        sys.exit(f"✗ {problem}")
