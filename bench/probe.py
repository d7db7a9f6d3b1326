"""An open-loop prober: a new connection every few milliseconds, whatever became of the last.

It is a process of its own (`python -m bench.probe ADDRESS PORT SECONDS`), so that what the bench
does meanwhile delays no attempt. It writes `begun took` for each attempt, in seconds, `took` is `-`
for one that did not get in; it ends when its standard input does.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

PATIENCE_SECONDS = 0.25
END_SECONDS = 10.0
PRIORITY = 10  # among real-time processes; keepalived has more
RESET = struct.pack("ii", 1, 0)
Attempt = tuple[float, float | None]


@dataclass
class Prober:
    """Connects to one address again and again and keeps when each attempt began and if it got in.

    A gap shorter than `interval_seconds` cannot be seen. Attempts do not wait for each other, so a
    stall is seen in full (a closed loop would hide it). `attempts` holds (begun, seconds until
    connected or None), times from time.monotonic(); it is there after the end. `inside`: a command
    that runs it in another place, such as a network namespace.
    """

    address: tuple[str, int]
    interval_seconds: float
    attempts: list[Attempt] = field(default_factory=list)
    inside: Sequence[str] = ()
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Begin; returns when the first attempt is about to be made."""
        host, port = self.address
        command = [*self.inside, sys.executable, "-m", "bench.probe", host, str(port)]
        command.append(str(self.interval_seconds))
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        self._process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        """End after the attempts under way are decided."""
        assert self._process is not None  # noqa: S101
        time.sleep(PATIENCE_SECONDS)
        told, _nothing = self._process.communicate("", timeout=END_SECONDS)
        for line in told.splitlines():
            begun, took = line.split()
            self.attempts.append((float(begun), None if took == "-" else float(took)))

    def gap(self) -> float:
        """Return the longest time in which nobody got in, in seconds.

        It lies between the begin of two attempts that got in. Where none failed in between, only
        the prober was held up; if none failed at all, the gap is shorter than what it can see.
        """
        begins = sorted(begun for begun, _ in self.attempts)
        good = sorted(begun for begun, took in self.attempts if took is not None)
        following = dict(itertools.pairwise(begins))
        gaps = (
            later - earlier
            for earlier, later in itertools.pairwise(good)
            if following[earlier] != later
        )
        return max(gaps, default=self.late())

    def late(self) -> float:
        """Return the longest time between two attempts, in seconds: what cannot be seen."""
        return max(_steps(sorted(begun for begun, _ in self.attempts)))

    def lost(self) -> int:
        """Return how many attempts did not get in."""
        return sum(took is None for _, took in self.attempts)


def _steps(begins: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(begins)] or [0.0]


def _probe(address: tuple[str, int], interval_seconds: float) -> list[Attempt]:
    attempts: list[Attempt] = []
    pending: dict[socket.socket, float] = {}
    due = time.monotonic()
    while not select.select([sys.stdin], [], [], 0)[0]:
        _open(address, pending)
        attempts += _settle(pending)
        due += interval_seconds
        time.sleep(max(0.0, due - time.monotonic()))
    attempts += [(begun, None) for begun in pending.values()]
    return attempts


def _open(address: tuple[str, int], pending: dict[socket.socket, float]) -> None:
    probe = socket.socket()
    probe.setblocking(False)
    # closed with a reset: waiting ends of thousands of connections would use up all ports
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    begun = time.monotonic()
    probe.connect_ex(address)
    pending[probe] = begun


def _settle(pending: dict[socket.socket, float]) -> list[Attempt]:
    now, settled = time.monotonic(), []
    for probe, begun in list(pending.items()):
        error = probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        connected = error == 0 and _is_connected(probe)
        if not connected and error == 0 and now - begun < PATIENCE_SECONDS:
            continue
        settled.append((begun, now - begun if connected else None))
        del pending[probe]
        probe.close()
    return settled


def _is_connected(probe: socket.socket) -> bool:
    try:
        probe.getpeername()
    except OSError:
        return False
    return True


def main() -> None:
    """Probe until standard input ends, then tell."""
    host, port, interval = sys.argv[1:]
    with contextlib.suppress(OSError):  # where it is not allowed, `late` shows what that costs
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    sys.stdout.write("probing\n")
    sys.stdout.flush()
    for begun, took in _probe((host, int(port)), float(interval)):
        sys.stdout.write(f"{begun:.6f} {'-' if took is None else f'{took:.6f}'}\n")


if __name__ == "__main__":
    main()
