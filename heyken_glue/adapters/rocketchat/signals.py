"""What the live feed tells."""

from __future__ import annotations

from dataclasses import dataclass

from heyken_glue.domain.chat import Message


@dataclass(frozen=True)
class Connected:
    """Messages come in from here on.

    `gap_since` says since when some may have been missed, in seconds since 1970 and rather a
    little too early; None means that nothing is known of the time before.
    """

    gap_since: float | None


@dataclass(frozen=True)
class Seen:
    """A message as it stands now: new, edited, reacted to, or with a reply more in its thread."""

    message: Message


@dataclass(frozen=True)
class Deleted:
    """A message is gone."""

    room_id: str
    message_id: str


@dataclass(frozen=True)
class Lost:
    """Nothing comes in at the moment, and the feed is trying to change that."""

    reason: str


@dataclass(frozen=True)
class Rejected:
    """The server does not want us: somebody has to do something, though the feed tries again."""

    reason: str


Signal = Connected | Seen | Deleted | Lost | Rejected
