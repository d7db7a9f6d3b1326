"""T4: the model server is killed while people ask, here and behind nginx and HAProxy."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import rivals
from bench.asking import NEW, Asked, Asking, Order
from bench.figures import Figure, tell
from bench.pair import Pair
from bench.plot import Series, draw
from bench.staging import scripted

QUESTION = "Count to 5 every 10 ms"
PER_SECOND = 20.0
BEFORE_SECONDS, AFTER_SECONDS = 2.5, 2.5
# each of the rivals' losses takes as long as several of ours
RIVALS_SHARE = 2
STALLED_MS, LIMIT_MS = 1000, 50
KILL = "systemctl kill --signal=SIGKILL ollama"


@dataclass(frozen=True)
class Outcome:
    """Requests around the kills (seconds each) and just before them; how many failed."""

    disturbed: list[float]
    calm: list[float]
    failed: int
    why: list[str]

    @property
    def p99_ms(self) -> float:
        """The 99th percentile of the disturbed ones, in ms."""
        return percentile(self.disturbed) * 1000

    @property
    def added_ms(self) -> float:
        """By how much that is more than undisturbed, in ms."""
        return self.p99_ms - percentile(self.calm) * 1000

    @property
    def text(self) -> str:
        """The outcome in a line."""
        stalled = sum(took * 1000 > STALLED_MS for took in self.disturbed)
        longest = max(self.disturbed) * 1000
        return (
            f"{self.failed} failed, {stalled} over {STALLED_MS / 1000:.0f} s of "
            f"{len(self.disturbed)}, p99 +{self.added_ms:.0f} ms, longest {longest:.0f} ms"
        )


def percentile(seconds: Sequence[float], share: float = 0.99) -> float:
    """Return the value that `share` of the values do not exceed."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))]


def around(asked: Sequence[Asked], kills: Sequence[float]) -> Outcome:
    """Sort requests into those that a kill may have hit and those of a moment before it."""
    disturbed, calm = list[Asked](), list[Asked]()
    for kill in kills:
        for one in asked:
            if one.ended >= kill and one.begun <= kill + AFTER_SECONDS:
                disturbed.append(one)
            elif kill - BEFORE_SECONDS <= one.begun and one.ended < kill:
                calm.append(one)
    failed = [one for one in disturbed if not one.ok]
    return Outcome(
        [one.took for one in disturbed],
        [one.took for one in calm],
        len(failed),
        sorted({one.outcome for one in failed}),
    )


def measure(pair: Pair, repeats: int, *, write: bool) -> list[Figure]:
    """Kill the holder's model server `repeats` times; nginx and HAProxy lose theirs as often."""
    others = rivals.model_loss(max(1, repeats // RIVALS_SHARE), _order)
    seen = {name: around(asked, kills) for name, (asked, kills) in others.items()}
    ours = _ours(pair, repeats)
    for name, outcome in {"ours": ours, **seen}.items():
        tell(f"{name}: {outcome.text} {outcome.why or ''}")
    if write:
        rows = {"Heyken": ours, **seen}
        draw(
            "model-loss",
            f"Requests around {repeats} kills of the model server that answers",
            [Series(name, [took * 1000 for took in one.disturbed], f"{one.failed} failed")
             for name, one in rows.items()],
        )  # fmt: skip
    return [
        Figure(
            name="T4 Ollama killed under load",
            value=ours.text + f", {repeats} kills",
            reference="; ".join(f"{name}: {outcome.text}" for name, outcome in seen.items()),
            ratio=ours.p99_ms / statistics.mean(one.p99_ms for one in seen.values()),
            target=f"0 failed, p99 at most +{LIMIT_MS} ms",
            reached=not ours.failed and ours.added_ms <= LIMIT_MS,
        )
    ]


def _ours(pair: Pair, repeats: int) -> Outcome:
    order = _order(
        pair.vip, "/api/v1/chat", {"message": QUESTION}, pair.token, str(pair.lab.state / "ca.crt")
    )
    kills = []
    with scripted(pair), Asking(order) as asking:
        for _ in range(repeats):
            pair.wait_whole()
            holder = pair.holder()
            time.sleep(BEFORE_SECONDS + random.uniform(0, 1 / PER_SECOND))  # noqa: S311 - no secret
            kills.append(time.monotonic())
            pair.cores[holder].run(KILL)
            tell(f"the model server of {holder} was killed")
            time.sleep(AFTER_SECONDS)
            pair.forget_falls(holder)
    return around(asking.of(NEW), kills)


def _order(
    address: tuple[str, int],
    path: str,
    body: dict[str, object],
    token: str = "",
    ca_file: str | None = None,
) -> Order:
    return Order(
        address, ca_file, path, PER_SECOND, patience=30.0, token=token, body=json.dumps(body)
    )
