"""Drills: one thing broken on purpose, what was measured meanwhile, and what that proves."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from heyken_glue.domain.events import Event, Kind, Outcome
from heyken_glue.domain.sentences import NOTHING, Sentence, join, say
from heyken_glue.domain.status import Pair, why_not_whole

DAY_SECONDS = 86400.0
SECONDS_MIN, SECONDS_MAX = 5, 120
# how long a drill may take besides the fault itself: it is announced, measured, waited for
AROUND_SECONDS = 600
# what `subject` says of the proof that a deployment gives by itself
DEPLOY = "deploy"


class DrillKind(enum.StrEnum):
    """What a drill breaks."""

    CORE = "core"
    HANG = "hang"
    NETWORK = "network"
    CHAT = "chat"
    DISK = "disk"
    WITNESS = "witness"


# Kinds that break the core which holds the address; the others break another host.
AT_THE_HOLDER = frozenset({DrillKind.CORE, DrillKind.HANG, DrillKind.NETWORK, DrillKind.DISK})


@dataclass(frozen=True)
class Measures:
    """What was measured from before the fault until the pair was whole again.

    rto_ms: the longest time nothing was answered, the longer of the next two, in milliseconds.
    reach_ms: in which no small request was answered; 0 when none failed.
    text_ms: in which somebody who waited got no text. calm_ms: the same before the fault.
    late_ms: the longest time between two small requests; nothing shorter can be seen.
    whole_ms: from the end of the fault until the pair was whole; None if it did not become so.
    lost and doubled: characters; answers_lost: answers that came to no end.
    """

    rto_ms: float
    reach_ms: float
    text_ms: float
    calm_ms: float
    late_ms: float
    whole_ms: float | None
    requests: int
    requests_failed: int
    answers: int
    answers_lost: int
    answers_resumed: int
    characters_lost: int
    characters_doubled: int

    @classmethod
    def parse(cls, content: object) -> Measures:
        """Read what the prober told; ValueError names what is wrong."""
        if not isinstance(content, Mapping):
            raise ValueError("measures: no object")  # noqa: TRY004 - a caller's mistake, no type's
        names = {field.name for field in fields(cls)}
        if set(content) != names:
            raise ValueError(f"measures: {sorted(names ^ set(content))} missing or unknown")
        for name, value in content.items():
            if name == "whole_ms" and value is None:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or value < 0:
                raise ValueError(f"measures: {name} is {value!r}")
        return cls(**content)

    @property
    def rpo(self) -> int:
        """Characters and answers that were lost or doubled."""
        return self.characters_lost + self.characters_doubled + self.answers_lost


@dataclass(frozen=True)
class Limits:
    """What a drill may cost."""

    rto_ms_max: float


def why_failed(measures: Measures, limits: Limits) -> Sentence | None:
    """Return why a drill failed, or None if it passed."""
    reasons = []
    if measures.whole_ms is None:
        reasons.append(say("drill_not_whole"))
    if measures.rto_ms > limits.rto_ms_max:
        reasons.append(say("drill_too_long", ms=round(measures.rto_ms),
                           most=round(limits.rto_ms_max)))  # fmt: skip
    if measures.rpo:
        reasons.append(say("drill_lost", lost=measures.characters_lost,
                           doubled=measures.characters_doubled,
                           answers=measures.answers_lost))  # fmt: skip
    if not measures.requests or not measures.answers:
        reasons.append(say("drill_not_measured"))
    return join(reasons) if reasons else None


def why_not(kind: DrillKind, pair: Pair) -> Sentence | None:
    """Return why nothing may be broken now, or None if it may.

    A whole pair has another core that can answer, and two of three that agree.
    """
    if kind is DrillKind.CHAT and pair.chat is None:
        return say("no_chat")
    return why_not_whole(pair)


def seconds_of(value: object) -> int:
    """Return how long a fault shall last; ValueError if it is no such number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"seconds is {value!r}, which is no whole number")  # noqa: TRY004
    if not SECONDS_MIN <= value <= SECONDS_MAX:
        raise ValueError(f"seconds is {value}, and has to be {SECONDS_MIN} to {SECONDS_MAX}")
    return value


@dataclass(frozen=True, kw_only=True)
class Running:
    """A drill under way: the lock that keeps others out."""

    id: str
    kind: DrillKind
    began: float
    seconds: int
    core: str
    requested_by: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Running:
        """Read back what `to_json` gave; ValueError, KeyError or TypeError if it is not that."""
        return cls(**{**content, "kind": DrillKind(content["kind"])})


def event_of(
    running: Running, *, now: float, host: str, measures: Measures | None, why: Sentence | None
) -> Event:
    """Return the event of a drill that ended; without measures it was broken off."""
    outcome = Outcome.REFUSED if measures is None else Outcome.FAILED if why else Outcome.OK
    return Event(
        id=running.id,
        time=now,
        host=host,
        actor=running.requested_by,
        kind=Kind.DRILL,
        subject=running.kind.value,
        cause=(why or NOTHING).en,
        outcome=outcome,
        payload={
            "core": running.core,
            "began": running.began,
            "seconds": running.seconds,
            "cause_pl": (why or NOTHING).pl,
            "measures": None if measures is None else asdict(measures),
        },
    )


@dataclass(frozen=True)
class Proof:
    """What is known of how well the system survives, and how old that is.

    `newest` is the newest drill that passed, or the deployment's own question; `failed` a drill
    that failed after it. `remembered`: the history cannot be read now, this is what it said last.
    """

    newest: Event | None
    failed: Event | None
    age_seconds: float | None
    days_max: float
    remembered: bool = False

    @classmethod
    def of(
        cls, events: Sequence[Event], *, now: float, days_max: float, remembered: bool = False
    ) -> Proof:
        """Find the proof in the history, newest event first."""
        decided = [event for event in events if event.outcome in {Outcome.OK, Outcome.FAILED}]
        newest = next((event for event in decided if event.outcome is Outcome.OK), None)
        # by their order: the cores' clocks may differ
        failed = decided[0] if decided and decided[0].outcome is Outcome.FAILED else None
        age = None if newest is None else max(0.0, now - newest.time)
        return cls(newest, failed, age, days_max, remembered)

    def why_not(self) -> Sentence | None:
        """Return why this proves nothing now, or None if it does."""
        if self.failed is not None:
            pl = str(self.failed.payload.get("cause_pl", ""))
            why = Sentence(self.failed.cause, pl)
            return say("proof_failed", kind=self.failed.subject, why=why)
        if self.age_seconds is None:
            return say("proof_unread" if self.remembered else "proof_none")
        if self.age_seconds > self.days_max * DAY_SECONDS:
            days = round(self.age_seconds / DAY_SECONDS, 1)
            return say("proof_old", days=days, most=self.days_max)
        return None

    def to_body(self, language: str) -> dict[str, Any]:
        """Return what `/status` says of it."""
        event, why = self.failed or self.newest, self.why_not() or NOTHING
        measures = event.payload.get("measures") if event is not None else None
        return {
            "kind": event.subject if event is not None else None,
            "at": event.time if event is not None else None,
            "passed": event is not None and event.outcome is Outcome.OK,
            "rto_ms": measures.get("rto_ms") if isinstance(measures, Mapping) else None,
            "age_seconds": self.age_seconds,
            "remembered": self.remembered,
            "reason": why.in_language(language),
        }
