"""The commands behind the Makefile; run without a word it lists them."""

from __future__ import annotations

import sys
from collections.abc import Callable

from lab import prepare, settings
from lab.problem import Problem
from lab.progress import Progress
from lab.settings import Lab
from tools import deploy, lifecycle

INTERRUPTED = 130
COMMANDS: dict[str, Callable[[Lab, Progress], object]] = {
    "deploy": deploy.deploy,
    "provision": deploy.provision,
    "plan": deploy.plan,
    "equip": prepare.equip_tests,
    "verify": deploy.verify,
    "stop": lifecycle.stop,
    "start": lifecycle.start,
    "destroy": lifecycle.destroy,
}


def main() -> int:
    """Run one command; a Problem or an interrupt becomes a message and an exit code."""
    action = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        if action not in COMMANDS:
            sys.stderr.write(f"usage: python -m tools {'|'.join(COMMANDS)}\n")
            return 2
        COMMANDS[action](settings.load(), Progress())
    except Problem as problem:
        sys.stderr.write(f"\n✗ {problem}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"\n✗ interrupted\n  do:   make {action} again: it goes on from here\n")
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
