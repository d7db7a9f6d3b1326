"""Runs `heyken` for the lab that the environment names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lab import settings
from lab.problem import Problem
from lab.settings import Lab


def main() -> None:
    """Replace this process by `heyken` with the lab's client file."""
    try:
        lab = settings.load()
        require(lab)
    except Problem as problem:
        sys.exit(f"✗ {problem}")
    os.environ["HEYKEN_CLIENT_FILE"] = str(lab.client_file)
    for variable in [name for name in os.environ if name.startswith("HEYKEN_")]:
        if variable != "HEYKEN_CLIENT_FILE":
            del os.environ[variable]
    program = Path(sys.executable).with_name("heyken")
    os.execv(program, [str(program), *sys.argv[1:]])  # noqa: S606 - our own program, no shell


def require(lab: Lab) -> None:
    """Refuse a lab that is not deployed."""
    if not lab.client_file.exists():
        raise Problem(
            f"there is no lab {lab.name}",
            why=f"{lab.client_file} does not exist",
            todo=lab.make("deploy")
            + ("" if os.geteuid() == 0 else ", and sudo before all other commands too"),
        )


if __name__ == "__main__":
    main()
