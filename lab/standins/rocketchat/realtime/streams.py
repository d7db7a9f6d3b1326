"""Streams: who subscribed to which event, and the frames that go to them.

One frame per subscription, as the server sends them; its text is made once per event.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lab.standins.rocketchat import ejson

ROOM_MESSAGES = "stream-room-messages"
NOTIFY_ROOM = "stream-notify-room"
NOTIFY_USER = "stream-notify-user"
MY_MESSAGES = "__my_messages__"
# Streams that clients subscribe to as a matter of course and on which nothing happens here.
SILENT = frozenset(
    {
        "apps",
        "importers",
        "meteor.loginServiceConfiguration",
        "meteor_autoupdate_clientVersions",
        "roles",
        "stream-apps",
        "stream-notify-all",
        "stream-notify-logged",
        "stream-roles",
        "stream-user-presence",
        "userData",
    }
)


class Listener(Protocol):
    """A connection, as far as streams know it."""

    @property
    def user_id(self) -> str | None:
        """Who is logged in."""

    def push(self, frame: str) -> None:
        """Queue a frame."""


@dataclass(frozen=True, eq=False)
class Subscription:
    """One `sub` of one connection."""

    id: str
    listener: Listener
    stream: str
    event: str


class Streams:
    """All subscriptions of all connections."""

    def __init__(self) -> None:
        # A dictionary of None keeps the order in which they subscribed.
        self._subscriptions: dict[tuple[str, str], dict[Subscription, None]] = {}
        # Who is logged in, with how many connections.
        self.present: collections.Counter[str] = collections.Counter()

    def add(self, subscription: Subscription) -> None:
        """Begin to send an event to a connection."""
        key = (subscription.stream, subscription.event)
        self._subscriptions.setdefault(key, {})[subscription] = None

    def remove(self, subscription: Subscription) -> None:
        """Stop sending."""
        key = (subscription.stream, subscription.event)
        listening = self._subscriptions.get(key, {})
        listening.pop(subscription, None)
        if not listening:
            self._subscriptions.pop(key, None)

    def of(self, stream: str, event: str) -> list[Subscription]:
        """Return who listens to an event."""
        return list(self._subscriptions.get((stream, event), ()))

    def emit(
        self,
        stream: str,
        event: str,
        arguments: Sequence[object],
        *,
        allowed: Callable[[str | None], bool] | None = None,
        skip: Listener | None = None,
    ) -> None:
        """Send an event to everybody who listens and is allowed to (by user id)."""
        listening = self.of(stream, event)
        if not listening:
            return
        frame = changed_frame(stream, event, arguments)
        for subscription in listening:
            listener = subscription.listener
            if listener is not skip and (allowed is None or allowed(listener.user_id)):
                listener.push(frame)


def changed_frame(stream: str, event: str, arguments: Sequence[object]) -> str:
    """Return the frame of one event."""
    fields = {"eventName": event, "args": arguments}
    return ejson.encode({"msg": "changed", "collection": stream, "id": "id", "fields": fields})
