"""T9: how often the address moves without need, on a busy machine and over a network that loses."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.figures import Figure, tell
from bench.pair import Pair
from lab.faults import network
from lab.problem import Problem

LOSS_PERCENT = 10
# Twice as many busy processes as processors, and every other thing that keeps a machine busy.
STRESS = ("--cpu", "4", "--vm", "2", "--vm-bytes", "256M", "--io", "2")
STRESS_MORE = ("--hdd", "1", "--hdd-bytes", "256M", "--sock", "2")


def measure(pair: Pair, minutes: int) -> list[Figure]:
    """Make noise for `minutes` each way, and count the moves."""
    return [
        _figure(pair, f"T9 false failovers, {minutes} min of stress-ng", minutes, _busy(minutes)),
        _figure(pair, f"T9 false failovers, {minutes} min at 10 % loss", minutes, _lossy(pair)),
    ]


def _figure(pair: Pair, name: str, minutes: int, noise: Iterator[None]) -> Figure:
    pair.wait_whole()
    tell(name)
    begun = time.time()
    with contextmanager(lambda: noise)():
        time.sleep(minutes * 60)
    moves = pair.moves_since(begun)
    return Figure(
        name=name,
        value=str(moves),
        reference="0, a quiet machine",
        ratio=float(moves),
        target="0",
        reached=moves == 0,
    )


def _busy(minutes: int) -> Iterator[None]:
    program = shutil.which("stress-ng")
    if program is None:
        raise Problem(
            "nothing makes this machine busy",
            why="stress-ng is not installed",
            todo="python -m tools equip",
        )
    command = [program, *STRESS, *STRESS_MORE, "--timeout", f"{minutes}m"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as stress:
        try:
            yield
        finally:
            stress.terminate()


def _lossy(pair: Pair) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for core in pair.cores.values():
            stack.enter_context(network.lossy(core, LOSS_PERCENT))
        yield
