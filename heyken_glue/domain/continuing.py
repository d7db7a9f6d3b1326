"""Going on with an answer that was cut: what the model is asked, and what of its reply is new."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from heyken_glue.domain.turns import Role, Turn


class Resume(enum.StrEnum):
    """How answers go on, as a setting."""

    CONTINUE = "continue"
    EXACT = "exact"


class Resumed(enum.StrEnum):
    """How an answer went on, as its readers are told."""

    CONTINUED = "continued"
    REGENERATED = "regenerated"


class DivergedError(Exception):
    """The model made another text this time."""


class Sieve(Protocol):
    """Lets through what is new of the pieces that the model makes."""

    def new(self, piece: str) -> str:
        """Return the new part of the next piece; DivergedError when it contradicts the old."""

    def close(self) -> None:
        """Note that no piece follows; DivergedError when some of the old text did not come."""


class Everything:
    """Nothing was there before."""

    def new(self, piece: str) -> str:
        """Return all of it."""
        return piece

    def close(self) -> None:
        """Accept any end."""


class BehindPrefix:
    """The text is made again from the beginning: it has to begin with `prefix`, which is known."""

    def __init__(self, prefix: str) -> None:
        self._awaited = prefix

    def new(self, piece: str) -> str:
        """Return what goes beyond the prefix."""
        awaited = self._awaited
        if piece.startswith(awaited):
            self._awaited = ""
            return piece[len(awaited) :]
        if not awaited.startswith(piece):
            raise DivergedError
        self._awaited = awaited[len(piece) :]
        return ""

    def close(self) -> None:
        """Demand that the whole prefix came."""
        if self._awaited:
            raise DivergedError


class BehindSpace:
    """The model goes on after a text whose last white space was kept from it."""

    def __init__(self, tail: str) -> None:
        self._tail = tail

    def new(self, piece: str) -> str:
        """Return the piece without the white space that is there already."""
        while self._tail and piece:
            if piece[0] != self._tail[0]:
                self._tail = ""
                break
            piece, self._tail = piece[1:], self._tail[1:]
        return piece

    def close(self) -> None:
        """Accept any end."""


@dataclass(frozen=True)
class Plan:
    """What to ask the model, how to read its reply, and what to call that."""

    turns: tuple[Turn, ...]
    sieve: Sieve
    resumed: Resumed | None


def plan(turns: Sequence[Turn], prefix: str, *, exact: bool) -> Plan:
    """Return how to come from the question and the text so far to the rest of the answer.

    To continue, the text goes to the model as an open last message. White space at its end stays
    behind: models cut it off, or make it part of their next token.
    """
    known = tuple(turns)
    head = prefix.rstrip()
    if not prefix:
        return Plan(known, Everything(), None)
    if exact:
        return Plan(known, BehindPrefix(prefix), Resumed.REGENERATED)
    if not head:
        return Plan(known, BehindSpace(prefix), Resumed.REGENERATED)
    going_on = (*known, Turn(Role.ASSISTANT, head))
    return Plan(going_on, BehindSpace(prefix[len(head) :]), Resumed.CONTINUED)
