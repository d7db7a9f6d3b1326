"""Who may take the address over, and why it was taken: predicates return None or the reason."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from heyken_glue.domain.sentences import NOTHING, Sentence, say
from heyken_glue.domain.verdict import PeerView, StepDown, VerdictAnswer

# a core that hears no other one takes the address in a tenth of this
FINDS_NOBODY_SECONDS = 2.0
# a host that was started needs as long until its model is in memory, on a busy machine too
STARTING_SECONDS = 120.0


class Vrrp(enum.StrEnum):
    """What keepalived says about this core; UNKNOWN until it has said anything."""

    MASTER = "MASTER"
    BACKUP = "BACKUP"
    FAULT = "FAULT"
    STOP = "STOP"
    UNKNOWN = "UNKNOWN"


# with these a core takes the address from nobody
INELIGIBLE = frozenset({Vrrp.FAULT, Vrrp.STOP})


class Cause(enum.StrEnum):
    """Why the holder is the holder."""

    DEPLOY = "deploy"
    START = "start"
    PLANNED = "planned"
    FAILOVER = "failover"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Takeover:
    """Why this core took the address."""

    cause: Cause
    reason: Sentence = NOTHING
    requested_by: str = ""


def why_not_step_down(
    peer: PeerView | None, current: StepDown, *, peer_name: str, stale_seconds: float
) -> Sentence | None:
    """Return why this core may not hand over now, or None if it may."""
    if current.active:
        return say("already_stepping_down")
    if peer is None:
        return say("silent", core=peer_name)
    if peer.age_seconds > stale_seconds:
        return say("peer_stale", core=peer.name, seconds=round(peer.age_seconds, 1))
    if peer.stepping_down:
        return say("peer_stepping_down", core=peer.name)
    return None if peer.capable else peer.sentence


def why_not_yet(
    *, since: float | None, now: float, cooldown: float, force: bool
) -> Sentence | None:
    """Return why a switch comes too soon after the last change, or None if it does not."""
    # a change that is still to come: the clock was set back, and nothing is known
    if force or since is None or since > now:
        return None
    ago = now - since
    if ago >= cooldown:
        return None
    return say("cooldown", ago=round(ago, 1), wait=round(cooldown - ago, 1))


def why_taken(
    peer_name: str,
    answer: VerdictAnswer | None,
    *,
    up_seconds: float = math.inf,
    is_first: bool = False,
) -> Takeover:
    """Tell from what the other core answered (None: nothing) why the address came here.

    `up_seconds`: since keepalived spoke for the first time after the start of this host;
    `is_first`: this is the first takeover since then.
    """
    # who handed over and is ill now has had the address once more since, and lost it
    if answer is not None and answer.stepped_down and (answer.stepping_down or answer.capable):
        stated = answer.step_down_reason
        if stated == NOTHING:
            stated = say("asked_for", who=answer.requested_by or "?")
        return Takeover(Cause.PLANNED, stated, answer.requested_by)
    if is_first and up_seconds <= FINDS_NOBODY_SECONDS:
        return Takeover(Cause.START, say("hosts_started"))
    if answer is None:
        return Takeover(Cause.FAILOVER, say("silent", core=peer_name))
    if not answer.capable and not answer.was_capable and up_seconds <= STARTING_SECONDS:
        return Takeover(Cause.START, say("hosts_starting", why=answer.sentence))
    if not answer.capable:
        return Takeover(Cause.FAILOVER, answer.sentence)
    return Takeover(Cause.FAILOVER, say("took_from_healthy", core=peer_name))
