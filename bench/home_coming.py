"""T11: what a lost core costs when it comes back, and how often a fault moves the address."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from bench.figures import Figure, tell
from bench.pair import Pair, until
from bench.probe import Prober

INTERVAL_SECONDS = 0.001
# longer than keepalived, Redis and the gateways need to be there again, so that nothing is missed
AFTERWARDS_SECONDS = 2.0
LOST_AT_LEAST, LOST_AT_MOST = 1.0, 3.0
PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Return:
    """One fault: attempts while the core came back, those lost, moves since the core was killed."""

    attempts: int
    lost: int
    moves: int
    late_ms: float


def measure(pair: Pair, repeats: int) -> list[Figure]:
    """Kill the holder `repeats` times, and probe while it comes back."""
    seen = [_return(pair) for _ in range(repeats)]
    attempts, lost = sum(one.attempts for one in seen), sum(one.lost for one in seen)
    most, late_ms = max(one.moves for one in seen), max(one.late_ms for one in seen)
    return [
        Figure(
            name="T11 return of the lost core",
            value=f"{lost} lost of {attempts} probes, at most {late_ms:.0f} ms apart, "
            f"in {repeats} returns",
            reference="keepalived's defaults pre-empt: the address moves again",
            ratio=lost / attempts,
            target="0 lost at 1 kHz",
            reached=lost == 0,
        ),
        Figure(
            name="T11 moves of the address for one lost core",
            value=f"at most {most}, {sum(one.moves for one in seen)} in {repeats} faults",
            reference="1, away from the lost core",
            ratio=float(most),
            target="≤ 1",
            reached=most <= 1,
        ),
    ]


def _return(pair: Pair) -> Return:
    pair.wait_whole()
    holder, begun = pair.holder(), time.time()
    pair.cores[holder].kill()
    until(lambda: pair.holder() != holder, "the other core holds the address", 30)
    time.sleep(random.uniform(LOST_AT_LEAST, LOST_AT_MOST))  # noqa: S311 - no secret
    with Prober(pair.vip, INTERVAL_SECONDS) as prober:
        pair.cores[holder].start()
        took = until(pair.is_whole, "both cores healthy", PATIENCE_SECONDS, every=0.5)
        time.sleep(AFTERWARDS_SECONDS)
    moves = pair.moves_since(begun)
    seen = Return(len(prober.attempts), prober.lost(), moves, prober.late() * 1000)
    tell(f"{holder} was back in {took:.1f} s: {seen.lost} of {seen.attempts} lost, {moves} move(s)")
    return seen
