"""Values about rooms and memberships, and how both are shown."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass, field

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.kept.people import User


class Kind(enum.StrEnum):
    """What a room is."""

    CHANNEL = "c"
    GROUP = "p"
    DIRECT = "d"


@dataclass(frozen=True, kw_only=True)
class Room:
    """A room; times in milliseconds, `last_message` as it goes over the wire."""

    id: str
    kind: Kind
    name: str = ""
    creator: Document = field(default_factory=dict)
    topic: str = ""
    description: str = ""
    announcement: str = ""
    read_only: bool = False
    react_when_read_only: bool = False
    archived: bool = False
    default: bool = False
    broadcast: bool = False
    encrypted: bool = False
    muted: tuple[str, ...] = ()
    unmuted: tuple[str, ...] = ()
    user_ids: tuple[str, ...] = ()
    usernames: tuple[str, ...] = ()
    messages: int = 0
    members: int = 0
    created: int = 0
    updated: int = 0
    last_message_at: int = 0
    last_message: Document | None = None
    custom_fields: Document = field(default_factory=dict)

    def row(self) -> str:
        """Return the room as the store keeps it."""
        return ejson.encode(dataclasses.asdict(self))

    def document(self) -> Document:
        """Return the room as it goes over the wire."""
        document: Document = {
            "_id": self.id,
            "t": self.kind.value,
            "msgs": self.messages,
            "usersCount": self.members,
            "u": self.creator,
            "ts": ejson.date(self.created),
            "_updatedAt": ejson.date(self.updated),
            "sysMes": True,
            "ro": self.read_only,
            "default": self.default,
        }
        if self.kind is Kind.DIRECT:
            document |= {"uids": list(self.user_ids), "usernames": list(self.usernames)}
        else:
            document |= {
                "name": self.name,
                "fname": self.name,
                "customFields": self.custom_fields,
                "broadcast": self.broadcast,
                "encrypted": self.encrypted,
                "topic": self.topic,
                "description": self.description,
                "announcement": self.announcement,
            }
        return document | self._seldom()

    def _seldom(self) -> Document:
        """Return the parts that are left out when there is nothing to say."""
        parts: Document = {
            "archived": self.archived,
            "reactWhenReadOnly": self.react_when_read_only,
            "muted": list(self.muted),
            "unmuted": list(self.unmuted),
            "lastMessage": self.last_message,
            "lm": ejson.date(self.last_message_at) if self.last_message_at else None,
        }
        return {key: value for key, value in parts.items() if value}


def room_from_row(text: str) -> Room:
    """Parse what `Room.row` made."""
    values = ejson.decode(text)
    values["kind"] = Kind(values["kind"])
    for name in ("muted", "unmuted", "user_ids", "usernames"):
        values[name] = tuple(values[name])
    return Room(**values)


@dataclass(frozen=True, kw_only=True)
class Membership:
    """A user's view of a room (the product calls it a subscription); times in milliseconds."""

    id: str
    rid: str
    user_id: str
    name: str
    full_name: str
    roles: tuple[str, ...] = ()
    unread: int = 0
    user_mentions: int = 0
    group_mentions: int = 0
    unread_threads: tuple[str, ...] = ()
    alert: bool = False
    open: bool = True
    favorite: bool = False
    last_seen: int = 0
    created: int = 0
    updated: int = 0

    def row(self) -> str:
        """Return the membership as the store keeps it."""
        return ejson.encode(dataclasses.asdict(self))

    def document(self, room: Room, user: User) -> Document:
        """Return the membership as it goes over the wire."""
        return {
            "_id": self.id,
            "rid": self.rid,
            "t": room.kind.value,
            "name": self.name,
            "fname": self.full_name,
            "u": user.short,
            "open": self.open,
            "alert": self.alert,
            "unread": self.unread,
            "userMentions": self.user_mentions,
            "groupMentions": self.group_mentions,
            "tunread": list(self.unread_threads),
            "roles": list(self.roles),
            "f": self.favorite,
            "archived": room.archived,
            "ts": ejson.date(self.created),
            "ls": ejson.date(self.last_seen),
            "lr": ejson.date(self.last_seen),
            "_updatedAt": ejson.date(self.updated),
        }


def membership_from_row(text: str) -> Membership:
    """Parse what `Membership.row` made."""
    values = ejson.decode(text)
    for name in ("roles", "unread_threads"):
        values[name] = tuple(values[name])
    return Membership(**values)
