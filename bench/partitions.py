"""T10: six shapes of partition, and a holder that is frozen and wakes up at random moments."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import watch
from bench.chat_record import ChatRecord
from bench.figures import Figure, tell
from bench.pair import Pair, until
from bench.watch import Watch
from lab.faults import Host, hosts, network
from lab.faults.network import Cut
from lab.problem import Problem

ADVERT_SECONDS, ADVERTS = 0.01, 3
# long enough for a lease to run out and for the other core to take it
APART_SECONDS, AFTER_SECONDS = 10.0, 2.0
FROZEN_SECONDS = (0.2, 15.0)
STALE_SECONDS = 5.0
QUESTION = "Write three sentences about a river."
ANSWERED_SECONDS = 120.0
TAKEN = (
    "journalctl --unit heyken@core-manager --since @{:.3f} --output cat --no-pager"
    " | awk '/vip_taken/ {{ n++ }} END {{ print n + 0 }}'"
)


@dataclass(frozen=True)
class Healed:
    """What one fault came to: how long there were two owners after it, None for no end of it."""

    name: str
    two_owners_seconds: float | None
    acted_together: int
    answered: bool = True


@dataclass(frozen=True)
class Parts:
    """Who is cut from whom."""

    core1: Host
    core2: Host
    hub: Host

    def shapes(self) -> dict[str, list[Cut]]:
        """Return the six shapes; in each the first cut is the one between the cores."""
        one, two, hub = self.core1, self.core2, self.hub
        return {
            "core1 | core2": network.cuts([one], [two]),
            "core1 | core2 and hub": network.cuts([one], [two, hub]),
            "core2 | core1 and hub": network.cuts([two], [one, hub]),
            "core2 does not hear core1": [Cut(two, deaf_to=[one])],
            "core1 does not hear core2": [Cut(one, deaf_to=[two])],
            "all three apart": network.cuts([one], [two], [hub]),
        }


def measure(pair: Pair, repeats: int) -> list[Figure]:
    """Make each shape once, then freeze the holder `repeats` times; 20 belong to the target."""
    seed = random.randrange(10**6)  # noqa: S311 - no secret
    tell(f"seed {seed}")
    roll, begun = random.Random(seed), time.time()  # noqa: S311 - no secret
    pair.wait_whole()
    record = ChatRecord(pair.lab)
    parts = Parts(pair.cores["core1"], pair.cores["core2"], Host(pair.lab.name, "hub"))
    cut = [part(pair, record, name, cuts) for name, cuts in parts.shapes().items()]
    frozen = [freeze(pair, record, roll) for _ in range(repeats)]
    return [
        _owners("six shapes of partition", cut),
        _owners(f"{repeats} freezes of the holder", frozen),
        _effects(pair, record, [*cut, *frozen], begun),
    ]


def part(pair: Pair, record: ChatRecord, name: str, cuts: Sequence[Cut]) -> Healed:
    """Make one shape of partition, look at what people get, heal it."""
    pair.wait_whole()
    question = record.ask(QUESTION)
    with Watch(pair.cores) as watching:
        with contextlib.ExitStack() as stack:
            for cut in cuts:
                stack.enter_context(cut)
            answered = _is_answered(pair)
            time.sleep(APART_SECONDS)
            answered = _is_answered(pair) and answered
            healed = cuts[0].heal().earliest
        time.sleep(AFTER_SECONDS)
    _settle(pair, record, question)
    return _healed(name, watching, healed, answered=answered)


def freeze(pair: Pair, record: ChatRecord, roll: random.Random) -> Healed:
    """Freeze the holder at a random moment of an answer, for a random time."""
    pair.wait_whole()
    holder, seconds = pair.holder(), roll.uniform(*FROZEN_SECONDS)
    with Watch(pair.cores) as watching:
        question = record.ask(QUESTION)
        time.sleep(roll.uniform(0.0, 3.0))
        with hosts.frozen(pair.cores[holder]):
            time.sleep(seconds)
            woken = time.time()
        time.sleep(AFTER_SECONDS * 2)
    _settle(pair, record, question)
    # the engine takes its time to thaw: what it sends first tells when that was
    since = next((sent for sent in watching.seen[holder].adverts if sent > woken), woken)
    return _healed(f"{holder} frozen for {seconds:.1f} s", watching, since, answered=True)


def _healed(name: str, watching: Watch, since: float, *, answered: bool) -> Healed:
    one, other = watching.seen.values()
    two = watch.until_one_owner(one, other, since, watched_seconds=AFTER_SECONDS)
    together = len(watch.acting_together(one, other))
    told = "never one owner" if two is None else f"one owner after {two * 1000:.0f} ms"
    tell(f"{name}: {told}, acting together {together}, answered {answered}")
    return Healed(name, two, together, answered)


def _settle(pair: Pair, record: ChatRecord, question: str) -> None:
    pair.wait_whole()
    until(lambda: record.is_whole(question), "the answer in the chat", ANSWERED_SECONDS)
    record.keep(question)
    time.sleep(STALE_SECONDS)


def _is_answered(pair: Pair) -> bool:
    """Tell whether somebody gets an answer at the address, or the reason why not."""
    try:
        answer = pair.ask("What is the capital of Poland?")
    except Problem as problem:
        tell(f"not answered: {problem.why}")
        return False
    return bool(str(answer["response"]).strip())


def _takeovers(pair: Pair, since: float) -> int:
    return sum(int(core.run(TAKEN.format(since))) for core in pair.cores.values())


def _owners(what: str, healed: Sequence[Healed]) -> Figure:
    limit = ADVERT_SECONDS * ADVERTS
    known = [one.two_owners_seconds for one in healed if one.two_owners_seconds is not None]
    never = len(healed) - len(known)
    worst = max(known, default=0.0)
    silent = sum(not one.answered for one in healed)
    median = statistics.median(known) if known else 0.0
    return Figure(
        name=f"T10 one owner after {what}",
        value=f"median {median * 1000:.0f} ms, max {worst * 1000:.0f} ms, {never} never,"
        f" {silent} without an answer meanwhile",
        reference=f"{limit * 1000:.0f} ms, {ADVERTS} adverts",
        ratio=worst / limit,
        target=f"≤ {ADVERTS} adverts, each answered",
        reached=never == 0 and worst <= limit and silent == 0,
    )


def _effects(pair: Pair, record: ChatRecord, healed: Sequence[Healed], begun: float) -> Figure:
    together = sum(one.acted_together for one in healed)
    doubled, stale = record.doubled(), record.stale()
    told, taken = record.announced(), _takeovers(pair, begun)
    repeated = max(0, len(told) - taken)
    return Figure(
        name=f"T10 effects in {len(healed)} partitions and freezes, in Rocket.Chat too",
        value=f"{together} moments with two leases, {doubled} of {len(record.asked)} questions"
        f" answered twice, {stale} stale after {STALE_SECONDS:.0f} s, {len(told)} announcements of"
        f" {taken} takeovers",
        reference=f"{len(record.asked)} questions",
        ratio=float(together + doubled + stale + repeated),
        target="0 twice, 0 stale, one announcement for a takeover at most",
        reached=together + doubled + stale + repeated == 0,
    )
