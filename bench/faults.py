"""T33: random faults one after the other while our own clients go on asking."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import time
from dataclasses import dataclass

from bench.clients import Clients
from bench.fault_kinds import KINDS, Parts, series
from bench.figures import PAGE, Figure, tell
from bench.pair import Pair, until
from lab.faults import Host
from lab.problem import Problem

LIST = PAGE.with_name("faults.jsonl")
SEED = "BENCH_SEED"
HELD_SECONDS, CALM_SECONDS = (2.0, 12.0), (1.0, 3.0)
HEALED_SECONDS, GIVEN_UP_SECONDS = 30.0, 120.0
SUCCEED = 0.9995


@dataclass(frozen=True)
class Broken:
    """One fault and what it cost; `healed_seconds` from its end until the status said online."""

    number: int
    fault: str
    host: str
    held: bool
    begun: float
    held_seconds: float
    healed_seconds: float
    requests: int
    failed: int
    wrong: int


def measure(pair: Pair, repeats: int, *, write: bool) -> list[Figure]:
    """Break `repeats` things; the order, the core and the time are random."""
    seed = int(os.environ.get(SEED) or random.randrange(10**6))  # noqa: S311 - no secret
    tell(f"seed {seed}: {SEED}={seed} repeats the order")
    roll = random.Random(seed)  # noqa: S311 - no secret
    pair.wait_whole()
    found: list[Broken] = []
    if write:
        LIST.write_text("")
    with Clients(pair.lab.client_file) as clients:
        until(lambda: len(clients.requests) > 5, "the clients ask", GIVEN_UP_SECONDS)
        for number, name in enumerate(series(roll, repeats), start=1):
            found.append(_break(pair, clients, roll, number, name))
            if write:
                _keep(found[-1], seed)
            time.sleep(roll.uniform(*CALM_SECONDS))
    return [_requests(clients, found), _healed(found)]


def _break(pair: Pair, clients: Clients, roll: random.Random, number: int, name: str) -> Broken:
    holder = _holder(pair)
    victim = roll.choice(sorted(pair.cores))
    parts = Parts(
        pair.cores[victim],
        next(core for each, core in pair.cores.items() if each != victim),
        Host(pair.lab.name, "hub"),
    )
    begun = time.time()
    with KINDS[name](parts, roll):
        time.sleep(roll.uniform(*HELD_SECONDS))
        held = time.time() - begun
    over = time.time()
    until(lambda: clients.online_after(over) is not None, f"healed: {name}", GIVEN_UP_SECONDS)
    healed = (clients.online_after(over) or over) - over
    asked = clients.between(begun, over + healed)
    broken = Broken(
        number,
        name,
        victim,
        victim == holder,
        round(begun, 3),
        round(held, 3),
        round(healed, 3),
        len(asked),
        sum(not one.succeeded for one in asked),
        sum(one.wrong for one in asked),
    )
    tell(
        f"{number} {name} on {victim}{' (holder)' if broken.held else ''}: {held:.1f} s,"
        f" healed after {healed:.1f} s, {broken.failed} of {broken.requests} failed"
    )
    for one in asked:
        if not one.succeeded or one.wrong:
            tell(f"  {one.kind} after {one.took:.1f} s: {one.told[:200]}")
    return broken


def _holder(pair: Pair) -> str:
    """Return the holder; on a busy machine the first question about it may find nobody."""
    found: list[str] = []

    def known() -> bool:
        found.append(pair.holder())
        return found[-1] in pair.cores

    until(known, "a core holds the address", GIVEN_UP_SECONDS)
    return found[-1]


def _requests(clients: Clients, found: list[Broken]) -> Figure:
    asked = clients.requests
    if not asked:
        raise Problem("nobody asked", why="the clients did not start", todo="make status")
    failed = sum(not one.succeeded for one in asked)
    wrong = sum(one.wrong for one in asked)
    share = 1 - failed / len(asked)
    return Figure(
        name=f"T33 requests through {len(found)} random faults",
        value=f"{share * 100:.3f} % of {len(asked)} succeeded, {failed} failed, {wrong} wrong",
        reference=f"{len(asked)} requests",
        ratio=share,
        target=f"≥ {SUCCEED * 100:.2f} %, 0 wrong",
        reached=share >= SUCCEED and wrong == 0,
    )


def _healed(found: list[Broken]) -> Figure:
    worst = max(found, key=lambda one: one.healed_seconds)
    late = sum(one.healed_seconds > HEALED_SECONDS for one in found)
    return Figure(
        name=f"T33 online again after each of {len(found)} random faults",
        value=f"max {worst.healed_seconds:.1f} s ({worst.fault}), {late} later than the target",
        reference=f"{HEALED_SECONDS:.0f} s",
        ratio=worst.healed_seconds / HEALED_SECONDS,
        target=f"≤ {HEALED_SECONDS:.0f} s each",
        reached=late == 0,
    )


def _keep(one: Broken, seed: int) -> None:
    with LIST.open("a") as file:
        file.write(json.dumps({"seed": seed, **dataclasses.asdict(one)}) + "\n")
