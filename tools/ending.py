"""How a command of the Makefile ends: done, or people are told of a Problem or an interrupt."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from lab.problem import Problem

INTERRUPTED = 130
TYPED = "TYPED"  # the Makefile sets it: the command with its settings, as the person gave it


def run(work: Callable[[], object], *, otherwise: str) -> int:
    """Do the work and return the exit code: 0, 1 after a Problem, 130 after an interrupt.

    A terminal that is closed and a request to end count as interrupts too: what the work has
    started is then ended with it. otherwise: the command to repeat where make did not call us.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        work()
    except Problem as problem:
        sys.stderr.write(f"\n✗ {problem}\n")
        return 1
    except KeyboardInterrupt:
        again = os.environ.get(TYPED) or otherwise
        sys.stderr.write(f"\n✗ interrupted\n  why:  what was finished is kept\n  do:   {again}\n")
        return INTERRUPTED
    return 0
