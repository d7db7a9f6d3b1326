"""The health verdict of a core: from checks to a sentence, and from verdicts to the track file."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from heyken_glue.domain.checks import Check
from heyken_glue.domain.sentences import NOTHING, Sentence, join, say

STEP_DOWN_SECONDS = 5.0
LINGER_SECONDS = 2.0
_FALLS_KEPT = 32
# a model that is not in memory was not asked either, and needs no second reason
_FOLLOWING = frozenset({"probe"})


@dataclass(frozen=True)
class Damping:
    """How many good looks in a row bring a core back.

    Each further fall within `relapse_seconds` doubles them, up to `looks_max`: a core that comes
    and goes would drag the address with it.
    """

    looks: int
    relapse_seconds: float
    looks_max: int

    def needed(self, falls: int) -> int:
        """Return the looks needed after so many falls within the time."""
        doubled = self.looks << min(max(0, falls - 1), _FALLS_KEPT)
        return max(self.looks, min(self.looks_max, doubled))


@dataclass(frozen=True)
class Steadiness:
    """Falls at the first bad look, comes back only after several good ones in a row.

    Its checks see to it that uncertain evidence is no bad look until it came twice. `falls` are
    the moments of its falls of late, `needed` the good looks it takes to come back now.
    """

    capable: bool = False
    good_looks: int = 0
    falls: tuple[float, ...] = ()
    needed: int = 1

    def after(self, *, good: bool, now: float, damping: Damping) -> Steadiness:
        """Return the state after one more look."""
        falls = tuple(fall for fall in self.falls if now - fall < damping.relapse_seconds)
        if not good:
            falls = (*falls, now)[-_FALLS_KEPT:] if self.capable else falls
            return Steadiness(falls=falls, needed=damping.needed(len(falls)))
        # those that are forgotten meanwhile shorten the way back
        looks, needed = self.good_looks + 1, damping.needed(len(falls))
        return Steadiness(self.capable or looks >= needed, looks, falls, needed)


class Phase(enum.StrEnum):
    """Where a planned hand-over stands; who lingers is done and still tells whose wish it was."""

    IDLE = "idle"
    ASKED = "asked"
    LINGERING = "lingering"


@dataclass(frozen=True)
class StepDown:
    """A planned hand-over, as the core that hands over sees it."""

    phase: Phase = Phase.IDLE
    since: float = 0.0
    reason: Sentence = NOTHING
    requested_by: str = ""

    @property
    def active(self) -> bool:
        """Tell whether this core keeps away from the address now."""
        return self.phase is Phase.ASKED

    def advance(self, now: float, *, peer_holds: bool, peer_counts: bool) -> StepDown:
        """Go on: until the peer holds the address or 5 s passed; for 2 s more it is told of.

        Only until then this core keeps away: after that it stands by for the new holder. A peer
        that cannot answer any more, or hands back, ends all of it: nobody else would take the
        address, and what is told is not why this core loses it the next time.
        """
        if not peer_counts:
            return StepDown()
        if self.phase is Phase.ASKED and (peer_holds or now - self.since >= STEP_DOWN_SECONDS):
            return StepDown(Phase.LINGERING, now, self.reason, self.requested_by)
        if self.phase is Phase.LINGERING and now - self.since >= LINGER_SECONDS:
            return StepDown()
        return self


@dataclass(frozen=True)
class PeerView:
    """What this core knows about the other one; `age_seconds` since its last answer."""

    core_id: int
    name: str
    capable: bool
    age_seconds: float
    sentence: Sentence
    stepping_down: bool = False

    def counts(self, *, stale_seconds: float) -> bool:
        """Tell whether the peer is known to be able to answer, by a recent answer of its own."""
        return self.capable and not self.stepping_down and self.age_seconds <= stale_seconds


def track_value(*, stepping_down: bool, capable: bool, peer_counts: bool) -> int:
    """Return what keepalived is told: 1 gives the address up, 0 keeps or takes it.

    A core that cannot answer keeps the address while the other is not known to be better: it then
    says why it cannot answer, which is more than silence.
    """
    if stepping_down:
        return 1
    if capable:
        return 0
    return 1 if peer_counts else 0


@dataclass(frozen=True)
class Verdict:
    """What the health unit says about its core."""

    core_id: int
    capable: bool
    sentence: Sentence
    checks: tuple[Check, ...]
    time: float
    step_down: StepDown = StepDown()
    peer: PeerView | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    was_capable: bool = True
    answers: int | None = None

    def to_body(self) -> dict[str, Any]:
        """Return the JSON that `/verdict` answers."""
        return {
            "core_id": self.core_id,
            "capable": self.capable,
            "was_capable": self.was_capable,
            "sentence": self.sentence.en,
            "sentence_pl": self.sentence.pl,
            "checks": [
                {"name": c.name, "ok": c.ok, "detail": c.detail.en, "detail_pl": c.detail.pl}
                for c in self.checks
            ],
            "time": self.time,
            "stepping_down": self.step_down.active,
            # what the new holder asks for: why it holds the address now
            "step_down": {
                "reason": self.step_down.reason.en,
                "reason_pl": self.step_down.reason.pl,
                "requested_by": self.step_down.requested_by,
            }
            if self.step_down.phase is not Phase.IDLE
            else None,
            "peer": _peer_body(self.peer),
            "facts": dict(self.facts),
            "answers": self.answers,
        }


def judge(*, core: str, model: str, checks: tuple[Check, ...], steady: Steadiness) -> Sentence:
    """Say in one sentence whether the core can answer, and why not; the process comes first."""
    failed = [check.detail for check in checks if not check.ok and check.name not in _FOLLOWING]
    if checks and not checks[0].ok:
        failed = failed[:1]  # without its process all else fails too, and that would hide the cause
    # what only follows from something else is said where there is nothing else
    failed = failed or [check.detail for check in checks if not check.ok]
    if failed:
        return say("not_capable", core=core, why=join(failed))
    if not checks:
        return say("not_looked", core=core)
    if not steady.capable:
        return say("recovering", core=core, done=steady.good_looks, needed=steady.needed)
    return say("capable", core=core, model=model)


@dataclass(frozen=True)
class HeardPeer:
    """What a core's health unit heard from the other core's, and how long ago in seconds."""

    capable: bool
    sentence: Sentence
    age_seconds: float


@dataclass(frozen=True)
class VerdictAnswer:
    """A verdict as another unit or host receives it.

    `stepped_down`: it hands over or just did, on somebody's wish. `was_capable`: it was, at some
    time since its unit started.
    """

    capable: bool
    sentence: Sentence
    time: float
    stepping_down: bool
    step_down_reason: Sentence
    requested_by: str
    stepped_down: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    was_capable: bool = True
    heard_peer: HeardPeer | None = None
    answers: int | None = None


def parse_verdict(body: Mapping[str, Any]) -> VerdictAnswer:
    """Read the JSON of `/verdict`; ValueError when it is something else."""
    try:
        step_down = body.get("step_down") or {}
        return VerdictAnswer(
            capable=_flag(body["capable"]),
            sentence=Sentence(str(body["sentence"]), str(body["sentence_pl"])),
            time=float(body["time"]),
            stepping_down=_flag(body["stepping_down"]),
            step_down_reason=Sentence(
                str(step_down.get("reason", "")), str(step_down.get("reason_pl", ""))
            ),
            requested_by=str(step_down.get("requested_by", "")),
            stepped_down=bool(step_down),
            facts={str(key): str(value) for key, value in (body.get("facts") or {}).items()},
            was_capable=body.get("was_capable") is not False,
            heard_peer=_heard(body.get("peer")),
            answers=body["answers"] if isinstance(body.get("answers"), int) else None,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no verdict: {error!r}") from error


def _heard(peer: Mapping[str, Any] | None) -> HeardPeer | None:
    if peer is None:
        return None
    told = Sentence(str(peer["sentence"]), str(peer["sentence_pl"]))
    return HeardPeer(_flag(peer["capable"]), told, float(peer["age_seconds"]))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _peer_body(peer: PeerView | None) -> dict[str, Any] | None:
    if peer is None:
        return None
    return {
        "core_id": peer.core_id,
        "capable": peer.capable,
        "age_seconds": round(peer.age_seconds, 3),
        "sentence": peer.sentence.en,
        "sentence_pl": peer.sentence.pl,
    }
