"""What a chat server holds: people, rooms and messages, as values."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True)
class User:
    """Somebody who can write; `username` is what people mention, and may change."""

    id: str
    username: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message as it stands now; `time` and `updated` are seconds since 1970 on the server.

    `thread_id` is the id of the message that the thread hangs on, None outside threads.
    `system_type` says what happened (somebody joined, a message was removed) where no person
    wrote. `from_integration` is set for webhooks and the like, not for users with the role bot.
    `edited_by` is the id of whoever edited it last. `mentions` holds user ids. The text of an
    `encrypted` message says nothing.
    """

    id: str
    room_id: str
    author: User
    text: str
    time: float
    updated: float
    thread_id: str | None = None
    system_type: str | None = None
    from_integration: bool = False
    edited: bool = False
    edited_by: str | None = None
    encrypted: bool = False
    mentions: frozenset[str] = frozenset()
    file_names: tuple[str, ...] = ()


class RoomKind(enum.StrEnum):
    """Who can be in a room: everybody, those who were invited, or those who talk directly."""

    CHANNEL = "c"
    GROUP = "p"
    DIRECT = "d"


@dataclass(frozen=True, kw_only=True)
class Room:
    """A place to write; direct rooms have no name."""

    id: str
    kind: RoomKind
    name: str = ""
    read_only: bool = False
    archived: bool = False
