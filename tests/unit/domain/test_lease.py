"""The lease is certain for less than the store gives it, and never for two cores at once."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heyken_glue.domain.lease import (
    MARGIN_SECONDS,
    Attention,
    Claim,
    Lease,
    Standing,
    Step,
    Tenant,
    may_take_anew,
)
from heyken_glue.domain.sentences import say

TTL = 5.0
HOLDER = Claim(holds_address=True, epoch=7)


def granted(*, asked: float = 0.0) -> Lease:
    lease = Lease(TTL)
    lease.granted(lease_id=1, epoch=7, asked=asked, ttl_seconds=TTL)
    return lease


def test_it_counts_from_the_question_and_ends_before_the_store_ends_it() -> None:
    lease = granted(asked=100.0)
    assert lease.holding(100.0, HOLDER) is not None
    assert lease.holding(100.0 + TTL - MARGIN_SECONDS, HOLDER) is None
    assert lease.holding(100.0 + TTL - 2 * MARGIN_SECONDS, HOLDER) is not None


def test_whoever_slept_finds_it_over() -> None:
    assert granted().holding(3600.0, HOLDER) is None


@pytest.mark.parametrize(
    "claim", [Claim(holds_address=False, epoch=7), Claim(holds_address=True, epoch=8)]
)
def test_without_the_address_or_with_another_epoch_it_is_given_up(claim: Claim) -> None:
    lease = granted()
    assert lease.step(0.1, claim) is Step.GIVE_UP
    assert lease.holding(0.1, claim) is None


@pytest.mark.parametrize(
    "claim",
    [
        Claim(holds_address=False),
        Claim(holds_address=False, epoch=7),
        Claim(holds_address=True, epoch=None),
    ],
)
def test_nobody_asks_without_the_address_and_an_epoch(claim: Claim) -> None:
    assert Lease(TTL).step(0.0, claim) is Step.WAIT


def test_it_is_asked_for_at_once_and_then_a_few_times_a_second() -> None:
    lease = Lease(TTL)
    assert lease.step(0.0, HOLDER) is Step.TAKE
    lease.asked(0.0)
    assert lease.step(0.1, HOLDER) is Step.WAIT
    assert lease.step(0.3, HOLDER) is Step.TAKE
    lease.asked(0.3)
    lease.hurry()
    assert lease.step(0.3, HOLDER) is Step.TAKE


def test_it_is_renewed_several_times_in_its_life() -> None:
    lease = granted()
    lease.asked(0.0)
    assert lease.step(0.5, HOLDER) is Step.WAIT
    assert lease.step(1.0, HOLDER) is Step.RENEW


def test_a_store_that_is_away_takes_nothing_that_is_certain() -> None:
    lease = granted()
    lease.failed(say("lease_unheard", error="silence"))
    assert lease.holding(1.0, HOLDER) is not None
    assert lease.why_not(1.0, HOLDER, core="core1") is None
    reason = lease.why_not(5.0, HOLDER, core="core1")
    assert reason is not None
    assert "silence" in reason.en
    assert "silence" in reason.pl


def test_why_not_says_what_is_missing() -> None:
    lease = Lease(TTL)
    for claim, said in (
        (Claim(holds_address=False), "core1 does not hold the address"),
        (Claim(holds_address=True), "not recorded"),
        (HOLDER, "not asked for yet"),
    ):
        reason = lease.why_not(0.0, claim, core="core1")
        assert reason is not None
        assert said in reason.en


def test_a_life_too_short_to_be_certain_of_is_refused() -> None:
    with pytest.raises(ValueError, match="before it is certain"):
        Lease(0.5)


def test_who_did_not_run_is_believed_only_after_a_while() -> None:
    attention = Attention(0.0, gap_seconds=1.0, settle_seconds=1.0)
    assert not attention.beat(0.9)
    assert attention.is_settled(0.9)
    assert not attention.is_settled(5.0), "it has not run since"
    assert attention.beat(5.0)
    assert not attention.is_settled(5.5)
    attention.beat(5.9)
    assert attention.is_settled(6.0)


@pytest.mark.parametrize(
    ("tenant", "peer_holds", "free", "may"),
    [
        (Tenant(2, 9, 1), False, 60.0, False),
        (None, False, 0.0, True),
        (None, True, 1.0, False),
        (None, None, 1.0, False),
        (None, True, 2.0, True),
        (None, None, 2.0, True),
    ],
)
def test_a_newer_takeover_counts_while_somebody_uses_it(
    tenant: Tenant | None, peer_holds: bool | None, free: float, may: bool
) -> None:
    standing = Standing(9, tenant)
    found = may_take_anew(standing, peer_holds=peer_holds, free_seconds=free, patience_seconds=2.0)
    assert found is may


_EPOCHS = st.integers(1, 4)
_CLAIMS = st.builds(Claim, st.sampled_from([True, True, False]), st.none() | _EPOCHS)
_EVENTS = st.one_of(
    st.tuples(st.just("time"), st.floats(0.0, 3.0)),
    st.tuples(st.just("granted"), _EPOCHS),
    st.tuples(st.just("saw"), st.none() | _EPOCHS),
    st.tuples(st.just("claim"), _CLAIMS),
    st.tuples(st.sampled_from(["failed", "lost"]), st.none()),
)


@dataclass
class Witness:
    """Remembers what happened to a lease, and says by the rules whether its core may act."""

    lease: Lease = field(default_factory=lambda: Lease(TTL))
    now: float = 0.0
    claim: Claim = field(default_factory=lambda: Claim(holds_address=False))
    granted_for: int | None = None
    asked: float = 0.0
    newest: int | None = None

    def meet(self, what: str, value: Any) -> None:
        match what:
            case "time":
                self.now += value
            case "granted":
                self.granted_for, self.asked = value, self.now
                self.lease.granted(lease_id=1, epoch=value, asked=self.now, ttl_seconds=TTL)
            case "saw":
                self.newest = value
                self.lease.saw(value)
            case "claim":
                self.claim = value
            case "failed":
                self.lease.failed(say("lease_unheard", error="silence"))
            case "lost":
                self.granted_for = None
                self.lease.lost(say("lease_gone"))

    @property
    def is_superseded(self) -> bool:
        epoch = self.claim.epoch
        return epoch is not None and self.newest is not None and self.newest > epoch

    @property
    def may_act(self) -> bool:
        claim, lasts = self.claim, self.now < self.asked + TTL - MARGIN_SECONDS
        is_ours = (
            claim.holds_address and claim.epoch is not None and claim.epoch == self.granted_for
        )
        return is_ours and lasts and not self.is_superseded


@settings(max_examples=400)
@given(st.lists(_EVENTS, max_size=25))
def test_no_superseded_core_acts_whatever_it_was_granted(events: list[tuple[str, Any]]) -> None:
    seen = Witness()
    for what, value in events:
        seen.meet(what, value)
        held = seen.lease.holding(seen.now, seen.claim)
        if held is not None:
            assert seen.may_act, f"it acts by {held} although {seen}"
        reason = seen.lease.why_not(seen.now, seen.claim, core="core1")
        assert (reason is None) == (held is not None), "whoever may not act is told why"
        if seen.claim.holds_address and seen.is_superseded:
            assert reason == say("lease_superseded")


@given(_EPOCHS, _EPOCHS | st.none())
def test_the_newest_one_does_act(epoch: int, newest: int | None) -> None:
    seen, claim = Witness(), Claim(holds_address=True, epoch=epoch)
    for event in (("claim", claim), ("granted", epoch), ("saw", newest)):
        seen.meet(*event)
    assert (seen.lease.holding(seen.now, claim) is not None) == seen.may_act
    assert seen.may_act == (newest is None or newest <= epoch)


@dataclass
class Store:
    """A store with one lease; it ends by the true time."""

    owner: int = 0
    until: float = 0.0

    def ask(self, core: int, now: float) -> bool:
        """Grant or renew."""
        if now >= self.until or self.owner == core:
            self.owner, self.until = core, now + TTL
        return self.owner == core


@dataclass
class Core:
    """A core whose clock is off and slow or fast, and which may sleep in the middle of anything."""

    number: int
    offset: float
    rate: float
    lease: Lease = field(default_factory=lambda: Lease(TTL))
    under_way: tuple[float, float, bool] | None = None  # asked (own), heard (true), granted
    awake_at: float = 0.0

    def clock(self, now: float) -> float:
        return self.offset + self.rate * now

    def live(self, now: float, store: Store, roll: random.Random) -> None:
        if now < self.awake_at:
            return
        if roll.random() < 0.02:
            self.awake_at = now + roll.uniform(0.1, 12.0)
            return
        if self.under_way is not None:
            asked, heard, is_granted = self.under_way
            if now >= heard:
                self.under_way = None
                if is_granted:
                    self.lease.granted(lease_id=1, epoch=7, asked=asked, ttl_seconds=TTL)
                else:
                    self.lease.lost(say("lease_gone"))
        elif self.lease.step(self.clock(now), HOLDER) is not Step.WAIT and roll.random() < 0.7:
            asked = self.clock(now)
            self.lease.asked(asked)
            # the question arrives at once, the answer whenever; lost ones are very late
            self.under_way = (
                asked,
                now + roll.choice([0.0, 0.1, 9.0]),
                store.ask(self.number, now),
            )

    def believes(self, now: float) -> bool:
        return self.lease.holding(self.clock(now), HOLDER) is not None


@pytest.mark.parametrize("seed", range(40))
def test_two_cores_are_never_certain_at_once(seed: int) -> None:
    roll = random.Random(seed)  # noqa: S311 - a scripted chance
    store = Store()
    cores = [Core(n, roll.uniform(-1e6, 1e6), roll.uniform(0.996, 1.004)) for n in (1, 2)]
    held = {1: 0, 2: 0}
    for step in range(6000):
        now = step * 0.05
        for core in roll.sample(cores, 2):
            core.live(now, store, roll)
        certain = [core.number for core in cores if core.believes(now)]
        assert len(certain) <= 1, f"seed {seed}, at {now:.2f} s"
        if certain:
            assert store.owner == certain[0]
            assert now < store.until
            held[certain[0]] += 1
    assert min(held.values()) > 100, f"both have it now and then: {held}"
