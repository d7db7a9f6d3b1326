"""T5: a hung model is left soon, a slow one is not, and looking costs next to nothing."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable

from bench.figures import Figure, tell
from bench.pair import Pair, until
from bench.talk import talking
from lab.faults import Host
from lab.problem import Problem

BUSY_LIMIT_MS, IDLE_LIMIT_MS = 500, 2000
COST_LIMIT_PERCENT = 2.0
COST_SECONDS = 20.0
# a conversation that lies idle this long meets several of health's looks and one of its questions
IDLE_SECONDS = 15.0
LEFT_SECONDS = 30.0
STALL_MS = 250
RUNNER = "pgrep --full '[o]llama runner'"
MOVED = (
    "journalctl --unit keepalived --since @{:.3f} --output short-unix --no-pager"
    " | grep 'Entering MASTER STATE' | head -n 1 | cut -d ' ' -f 1"
)
TICKS = "cut -d ')' -f 2- /proc/$(systemctl show --property MainPID --value {})/stat"
TALE = "Write a long story about a lighthouse keeper and the sea."
# the toy model cuts numbers into digits, so this is about as long as its context
DIGITS = "".join(str(number % 10) for number in range(3600))


def measure(pair: Pair, repeats: int) -> list[Figure]:
    """Freeze the holder's model `repeats` times in an answer and as often while idle."""
    busy = [_left_after(pair, _in_an_answer) for _ in range(repeats)]
    idle = [_left_after(pair, _idle) for _ in range(repeats)]
    return [
        _left("T5 out when hung in an answer", busy, BUSY_LIMIT_MS),
        _left("T5 out when hung while idle", idle, IDLE_LIMIT_MS),
        _long_question(pair),
        _cache(pair),
        *_costs(pair),
    ]


def _left_after(pair: Pair, freeze: Callable[[Pair, Host], float]) -> float:
    """Return the ms from the freeze to the moment the other core holds the address."""
    pair.wait_whole()
    name = pair.holder()
    host = pair.cores[name]
    other = next(core for core in pair.cores.values() if core is not host)
    frozen = freeze(pair, host)
    try:
        taken: list[str] = []

        def moved() -> bool:
            taken[:] = [other.run(MOVED.format(frozen)).strip()]
            return bool(taken[0])

        until(moved, f"{other.name} holds the address", LEFT_SECONDS)
    finally:
        host.run(f"{RUNNER} | xargs --no-run-if-empty kill -CONT")
        pair.forget_falls(name)
    seconds = float(taken[0]) - frozen
    tell(f"{name} was left {seconds * 1000:.0f} ms after {freeze.__name__.strip('_')}")
    return seconds * 1000


def _freeze(host: Host) -> float:
    """Stop the model's process; returns when, in seconds since 1970."""
    return float(host.run(f"runner=$({RUNNER}) && date +%s.%N && kill -STOP $runner"))


def _in_an_answer(pair: Pair, host: Host) -> float:
    with talking(pair, [("user", TALE)]) as talk:
        talk.read(random.randint(3, 30))  # noqa: S311 - no secret
        if not talk.first:
            raise Problem("nothing was answered", why=str(talk.end), todo="make status")
        return _freeze(host)


def _idle(pair: Pair, host: Host) -> float:
    del pair
    time.sleep(random.uniform(0.5, 3.0))  # noqa: S311 - no secret
    return _freeze(host)


def _left(name: str, milliseconds: list[float], limit: int) -> Figure:
    median, worst = statistics.median(milliseconds), max(milliseconds)
    return Figure(
        name=name,
        value=f"median {median:.0f} ms, max {worst:.0f} ms of {len(milliseconds)}",
        reference=f"{STALL_MS} ms, the silence that a model may keep",
        ratio=median / STALL_MS,
        target=f"max ≤ {limit} ms",
        reached=worst <= limit,
    )


def _long_question(pair: Pair) -> Figure:
    """Ask something that takes long to read; the address has to stay."""
    pair.wait_whole()
    begun = time.time()
    with talking(pair, [("user", f"{random.random()} {DIGITS}")]) as talk:  # noqa: S311 - no secret
        talk.read(1)
    moves = pair.moves_since(begun)
    tell(f"{talk.seconds_to_first:.1f} s to read about {len(DIGITS)} tokens, {moves} moves")
    answered = math.isfinite(talk.seconds_to_first)
    return Figure(
        name="T5 a long question is no hang",
        value=f"{moves} moves in {talk.seconds_to_first:.1f} s without a word",
        reference=f"{STALL_MS / 1000} s, the silence that a model may keep",
        ratio=talk.seconds_to_first / (STALL_MS / 1000),
        target="0 moves",
        reached=moves == 0 and answered,
    )


def _cache(pair: Pair) -> Figure:
    """Go on with a conversation at once and after a pause; reading it anew would show."""
    pair.wait_whole()
    opening = f"{random.random()} {DIGITS[:2000]} What is the next digit?"  # noqa: S311 - no secret
    turns = [("user", opening)]
    cold = _turn(pair, turns, "And the next one?")
    at_once = _turn(pair, turns, "And then?")
    time.sleep(IDLE_SECONDS)
    later = _turn(pair, turns, "And after that?")
    tell(f"first words after {cold:.2f} s cold, {at_once:.2f} s at once, {later:.2f} s later")
    return Figure(
        name="T5 a conversation keeps its cache",
        value=f"first words after {later:.2f} s when it lay idle for {IDLE_SECONDS:.0f} s",
        reference=f"{cold:.2f} s when it is read anew, {at_once:.2f} s at once",
        ratio=later / cold,
        target="≤ half of reading it anew",
        reached=later <= cold / 2,
    )


def _turn(pair: Pair, turns: list[tuple[str, str]], following: str) -> float:
    """Have the last turn answered in full, add answer and next question; returns to first word."""
    with talking(pair, turns) as talk:
        turns += [("assistant", talk.read()), ("user", following)]
    return talk.seconds_to_first


def _costs(pair: Pair) -> list[Figure]:
    pair.wait_whole()
    host = pair.cores[pair.holder()]
    time.sleep(2.0)
    idle = _share(host, lambda: time.sleep(COST_SECONDS))

    def talk_on() -> None:
        until_then = time.monotonic() + COST_SECONDS
        while time.monotonic() < until_then:
            with talking(pair, [("user", f"{random.random()} {TALE}")]) as talk:  # noqa: S311 - no secret
                talk.read(200)

    busy = _share(host, talk_on)
    return [_cost("idle", idle), _cost("while somebody waits", busy)]


def _share(host: Host, live: Callable[[], None]) -> float:
    """Return how many per cent of a processor health used meanwhile."""
    before, begun = _ticks(host), time.monotonic()
    live()
    return (_ticks(host) - before) / (time.monotonic() - begun)


def _ticks(host: Host) -> int:
    """Return health's processor time in hundredths of a second."""
    fields = host.run(TICKS.format("heyken@health")).split()
    return int(fields[11]) + int(fields[12])


def _cost(when: str, percent: float) -> Figure:
    tell(f"looking costs {percent:.1f} % of a processor {when}")
    return Figure(
        name=f"T5 looking costs, {when}",
        value=f"{percent:.1f} % of a processor",
        reference=f"{COST_LIMIT_PERCENT:.0f} %",
        ratio=percent / COST_LIMIT_PERCENT,
        target=f"≤ {COST_LIMIT_PERCENT:.0f} %",
        reached=percent <= COST_LIMIT_PERCENT,
    )
