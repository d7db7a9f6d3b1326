"""The commands behind the Makefile; run without a word it lists them."""

from __future__ import annotations

import sys
from collections.abc import Callable

from lab import prepare, settings
from lab.progress import Progress
from lab.settings import Lab
from tools import deploy, ending, lifecycle

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
    if action not in COMMANDS:
        sys.stderr.write(f"usage: python -m tools {'|'.join(COMMANDS)}\n")
        return 2
    return ending.run(
        lambda: COMMANDS[action](settings.load(), Progress()),
        otherwise=f"python -m tools {action}",
    )


if __name__ == "__main__":
    sys.exit(main())
