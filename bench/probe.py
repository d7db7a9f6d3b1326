"""An open-loop prober: a new connection every few milliseconds, whatever became of the last."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Self

PATIENCE_SECONDS = 0.25


@dataclass
class Prober:
    """Connects to one address again and again and keeps when each attempt began and if it got in.

    A gap shorter than `interval_seconds` cannot be seen. Attempts do not wait for each other, so a
    stall is seen in full (a closed loop would hide it). `attempts` holds (begun, seconds until
    connected or None), times from time.monotonic().
    """

    address: tuple[str, int]
    interval_seconds: float
    attempts: list[tuple[float, float | None]] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End after the attempts under way are decided."""
        time.sleep(PATIENCE_SECONDS)
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def gap(self) -> float:
        """Return the longest time between the begin of two attempts that got in, in seconds."""
        good = sorted(begun for begun, took in self.attempts if took is not None)
        return max((later - earlier for earlier, later in itertools.pairwise(good)), default=0)

    def lost(self) -> int:
        """Return how many attempts did not get in."""
        return sum(took is None for _, took in self.attempts)

    def _run(self) -> None:
        pending: dict[socket.socket, float] = {}
        due = time.monotonic()
        while not self._stopped.is_set():
            self._open(pending)
            self._settle(pending)
            due += self.interval_seconds
            time.sleep(max(0.0, due - time.monotonic()))
        for probe, begun in pending.items():
            self.attempts.append((begun, None))
            probe.close()

    def _open(self, pending: dict[socket.socket, float]) -> None:
        probe = socket.socket()
        probe.setblocking(False)
        begun = time.monotonic()
        probe.connect_ex(self.address)
        pending[probe] = begun

    def _settle(self, pending: dict[socket.socket, float]) -> None:
        now = time.monotonic()
        for probe, begun in list(pending.items()):
            error = probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            connected = error == 0 and _is_connected(probe)
            if not connected and error == 0 and now - begun < PATIENCE_SECONDS:
                continue
            self.attempts.append((begun, now - begun if connected else None))
            del pending[probe]
            probe.close()


def _is_connected(probe: socket.socket) -> bool:
    try:
        probe.getpeername()
    except OSError:
        return False
    return True
