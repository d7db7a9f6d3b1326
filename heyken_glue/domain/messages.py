"""The life of a message, from the question to the delivered answer."""

from __future__ import annotations

import enum
from collections.abc import Mapping


class State(enum.StrEnum):
    """Where a message stands."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    ANSWERING = "answering"
    ANSWERED = "answered"
    DELIVERED = "delivered"
    FAILED = "failed"


NEXT: Mapping[State, frozenset[State]] = {
    State.RECEIVED: frozenset({State.ACCEPTED, State.FAILED}),
    State.ACCEPTED: frozenset({State.ANSWERING, State.FAILED}),
    State.ANSWERING: frozenset({State.ANSWERED, State.FAILED}),
    State.ANSWERED: frozenset({State.DELIVERED, State.FAILED}),
    State.DELIVERED: frozenset(),
    State.FAILED: frozenset(),
}


class IllegalStepError(ValueError):
    """A message cannot go that way; the caller has a bug."""


def step(current: State, following: State) -> State:
    """Return `following` if a message may go there from `current`."""
    if following not in NEXT[current]:
        allowed = ", ".join(sorted(NEXT[current])) or "nothing"
        raise IllegalStepError(f"after {current} comes {allowed}, not {following}")
    return following


def is_final(state: State) -> bool:
    """Tell whether nothing can follow."""
    return not NEXT[state]
