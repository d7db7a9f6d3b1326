"""The lease: the right to cause what cannot be undone or repeated, and for how long it is certain.

Pure: no clock, no I/O. All times are seconds of one clock of this host that goes on while the
machine is suspended. Every success counts from the moment it was *asked for*, not from the moment
the answer was read: a process that slept in between believes too little, never too much.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from heyken_glue.domain.sentences import Sentence, say

# What lies between the last look at the clock and the effect outside, and a former leader of the
# store that renews a lease for up to a second after the others gave it up.
MARGIN_SECONDS = 0.5
# Two clocks of two machines go at rates that differ by far less than this.
RATE_DIFFERENCE = 0.01
TAKE_SECONDS = 0.2
RENEWALS = 6


class Step(enum.StrEnum):
    """What to do next."""

    WAIT = "wait"
    TAKE = "take"
    RENEW = "renew"
    GIVE_UP = "give_up"


@dataclass(frozen=True)
class Claim:
    """What entitles a core to the lease: the address, and a takeover recorded as `epoch`."""

    holds_address: bool
    epoch: int | None = None

    @property
    def is_good(self) -> bool:
        """Whether it suffices to ask for the lease."""
        return self.holds_address and self.epoch is not None


@dataclass(frozen=True)
class Holding:
    """The right to act as `epoch`, which is certain before `until`."""

    epoch: int
    until: float

    def lasts(self, now: float, seconds: float = 0.0) -> bool:
        """Tell whether it is certain for so many seconds more."""
        return now + seconds < self.until


@dataclass(frozen=True)
class Tenant:
    """Who the store says has the lease; `lease_id` is the store's own number for it."""

    core_id: int
    epoch: int
    lease_id: int


@dataclass(frozen=True)
class Standing:
    """One look into the store: the newest recorded takeover, and who has the lease."""

    newest_epoch: int | None = None
    tenant: Tenant | None = None


class Lease:
    """One core's end of the lease: when to ask for it, and whether it is certain to have it.

    Invariants: `holding` is None unless the store granted or renewed the lease less than its time
    to live before, counted from the question and shortened by the margin; and it is None once a
    takeover was seen that is newer than the one it was granted for, however long it would last.
    """

    def __init__(self, ttl_seconds: float) -> None:
        self.ttl_seconds = ttl_seconds
        if self._certain(ttl_seconds) <= 0:
            raise ValueError(f"a lease of {ttl_seconds} s is over before it is certain")
        self._renew_every = ttl_seconds / RENEWALS
        self._holding: Holding | None = None
        self._asked = float("-inf")
        self._newest: int | None = None
        self.lease_id: int | None = None
        self.reason = say("lease_not_asked")

    def step(self, now: float, claim: Claim) -> Step:
        """Decide what to do next."""
        if self.lease_id is not None and self._holding is not None:
            if not claim.holds_address or claim.epoch != self._holding.epoch:
                return Step.GIVE_UP
            return Step.RENEW if now - self._asked >= self._renew_every else Step.WAIT
        if claim.is_good and now - self._asked >= TAKE_SECONDS:
            return Step.TAKE
        return Step.WAIT

    def asked(self, now: float) -> None:
        """Note that the store is being asked."""
        self._asked = now

    def granted(self, *, lease_id: int, epoch: int, asked: float, ttl_seconds: float) -> None:
        """Note that the store granted or renewed the lease, upon a question asked at `asked`."""
        self.lease_id = lease_id
        self._holding = Holding(epoch, asked + self._certain(ttl_seconds))

    def saw(self, newest_epoch: int | None) -> None:
        """Note which takeover is the newest one that the store knows."""
        self._newest = newest_epoch

    def is_superseded(self, claim: Claim) -> bool:
        """Tell whether a takeover is known that is newer than this one."""
        return claim.epoch is not None and self._newest is not None and self._newest > claim.epoch

    def failed(self, reason: Sentence) -> None:
        """Note that the store did not answer; what was certain stays so until it runs out."""
        self.reason = reason

    def lost(self, reason: Sentence) -> None:
        """Note that the lease is not, or not any more, this core's."""
        self.lease_id, self._holding, self.reason = None, None, reason

    def hurry(self) -> None:
        """Let the next step come at once."""
        self._asked = float("-inf")

    def holding(self, now: float, claim: Claim) -> Holding | None:
        """Return the right to act, if it is certain now."""
        held = self._holding
        if held is None or not held.lasts(now) or self.is_superseded(claim):
            return None
        return held if claim.holds_address and claim.epoch == held.epoch else None

    def why_not(self, now: float, claim: Claim, *, core: str) -> Sentence | None:
        """Return why this core may not act now, or None if it may."""
        if self.holding(now, claim) is not None:
            return None
        if not claim.holds_address:
            return say("lease_not_holder", core=core)
        if self.is_superseded(claim):
            return say("lease_superseded")
        return say("lease_no_epoch") if claim.epoch is None else self.reason

    @staticmethod
    def _certain(ttl_seconds: float) -> float:
        return ttl_seconds * (1 - RATE_DIFFERENCE) - MARGIN_SECONDS


class Attention:
    """Notices that this process did not run for a while, as when the machine was frozen.

    What it believed before may be wrong then, and whoever tells it better needs a moment too.
    """

    def __init__(self, now: float, *, gap_seconds: float, settle_seconds: float) -> None:
        self._gap, self._settle = gap_seconds, settle_seconds
        self._beat, self._woke = now, float("-inf")

    def beat(self, now: float) -> bool:
        """Say that it runs; True if it did not run for longer than the gap."""
        slept = now - self._beat > self._gap
        if slept:
            self._woke = now
        self._beat = now
        return slept

    def is_settled(self, now: float) -> bool:
        """Tell whether it has run long enough to believe itself."""
        return now - self._beat <= self._gap and now - self._woke >= self._settle


def may_take_anew(
    standing: Standing, *, peer_holds: bool | None, free_seconds: float, patience_seconds: float
) -> bool:
    """Tell whether a holder whose takeover is not the newest one shall record another.

    `peer_holds` is None if the other core is silent. While somebody has the lease nothing is taken
    from them; afterwards at once if the other core says that it holds the address no more, else
    when nobody has used the lease for a while.
    """
    if standing.tenant is not None:
        return False
    return peer_holds is False or free_seconds >= patience_seconds
