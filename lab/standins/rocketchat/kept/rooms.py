"""Rooms and memberships in the store."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from lab.standins.rocketchat.kept.people import User
from lab.standins.rocketchat.kept.places import (
    Kind,
    Membership,
    Room,
    membership_from_row,
    room_from_row,
)
from lab.standins.rocketchat.kept.store import Store, new_id

GENERAL = "GENERAL"


def direct_id(users: Sequence[User]) -> str:
    """Return the id of the room between some people: always the same."""
    ids = sorted(user.id for user in users)
    return "".join(ids * 2 if len(ids) == 1 else ids)


class Rooms:
    """All rooms, and who is in which."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store, self._now_ms = store, now_ms

    def get(self, room_id: str) -> Room | None:
        """Return a room by id."""
        row = self._store.one("SELECT doc FROM rooms WHERE id = ?", (room_id,))
        return None if row is None else room_from_row(row[0])

    def named(self, name: str) -> Room | None:
        """Return a channel or group by name."""
        row = self._store.one("SELECT doc FROM rooms WHERE name_key = ?", (name,))
        return None if row is None else room_from_row(row[0])

    def all(self, *kinds: Kind) -> list[Room]:
        """Return all rooms of some kinds, by name."""
        marks = ",".join("?" * len(kinds))
        rows = self._store.all(
            f"SELECT doc FROM rooms WHERE kind IN ({marks}) ORDER BY name_key, id",  # noqa: S608 - question marks only
            [kind.value for kind in kinds],
        )
        return [room_from_row(row[0]) for row in rows]

    def add(self, room: Room) -> Room:
        """Make a room; the caller has seen that the name is free."""
        now = self._now_ms()
        room = dataclasses.replace(room, id=room.id or new_id(), created=now, updated=now)
        self._store.write(
            "INSERT INTO rooms (id, kind, name_key, updated, doc) VALUES (?, ?, ?, ?, ?)",
            (room.id, room.kind.value, room.name or None, now, room.row()),
        )
        return room

    def change(self, room: Room) -> Room:
        """Write a changed room."""
        room = dataclasses.replace(room, updated=self._now_ms())
        self._store.write(
            "UPDATE rooms SET kind = ?, name_key = ?, updated = ?, doc = ? WHERE id = ?",
            (room.kind.value, room.name or None, room.updated, room.row(), room.id),
        )
        return room

    def remove(self, room: Room) -> list[Membership]:
        """Delete a room with everything in it; returns who was in it."""
        members = self.memberships_in(room.id)
        with self._store.transaction():
            for member in members:
                self.leave(member)
            for table in ("messages", "deleted_messages", "files"):
                self._store.write(f"DELETE FROM {table} WHERE rid = ?", (room.id,))  # noqa: S608 - fixed names
            self._store.write("DELETE FROM rooms WHERE id = ?", (room.id,))
        return members

    def membership(self, room_id: str, user_id: str) -> Membership | None:
        """Return a user's membership in a room."""
        row = self._store.one(
            "SELECT doc FROM subscriptions WHERE rid = ? AND user_id = ?", (room_id, user_id)
        )
        return None if row is None else membership_from_row(row[0])

    def memberships_in(self, room_id: str) -> list[Membership]:
        """Return all memberships in a room, the oldest first."""
        rows = self._store.all("SELECT doc FROM subscriptions WHERE rid = ?", (room_id,))
        return [membership_from_row(row[0]) for row in rows]

    def memberships_of(self, user_id: str, *, since: int = 0) -> list[tuple[Room, Membership]]:
        """Return the rooms of a user whose membership changed after `since`."""
        rows = self._store.all(
            "SELECT r.doc, s.doc FROM subscriptions s JOIN rooms r ON r.id = s.rid "
            "WHERE s.user_id = ? AND s.updated > ? ORDER BY r.name_key, r.id",
            (user_id, since),
        )
        return [(room_from_row(room), membership_from_row(member)) for room, member in rows]

    def member_ids(self, room_id: str) -> frozenset[str]:
        """Return the ids of a room's members."""
        rows = self._store.all("SELECT user_id FROM subscriptions WHERE rid = ?", (room_id,))
        return frozenset(row[0] for row in rows)

    def join(self, room: Room, user: User, *, roles: tuple[str, ...] = ()) -> Membership:
        """Make a user a member; the caller has seen that they are none."""
        now = self._now_ms()
        name, full_name = self._names(room, user)
        member = Membership(
            id=new_id(),
            rid=room.id,
            user_id=user.id,
            name=name,
            full_name=full_name,
            roles=roles,
            created=now,
            updated=now,
            last_seen=now,
        )
        self._store.write(
            "INSERT INTO subscriptions (id, rid, user_id, updated, doc) VALUES (?, ?, ?, ?, ?)",
            (member.id, room.id, user.id, now, member.row()),
        )
        return member

    def change_membership(self, member: Membership) -> Membership:
        """Write a changed membership."""
        member = dataclasses.replace(member, updated=self._now_ms())
        self._store.write(
            "UPDATE subscriptions SET updated = ?, doc = ? WHERE id = ?",
            (member.updated, member.row(), member.id),
        )
        return member

    def leave(self, member: Membership) -> None:
        """End a membership, and keep note of it for those who ask what changed."""
        self._store.write("DELETE FROM subscriptions WHERE id = ?", (member.id,))
        self._store.write(
            "INSERT INTO removed_rooms (rid, user_id, subscription_id, removed) "
            "VALUES (?, ?, ?, ?)",
            (member.rid, member.user_id, member.id, self._now_ms()),
        )

    def removed_since(self, user_id: str, since: int) -> list[tuple[str, str, int]]:
        """Return (room, membership, when) of what a user left after `since` and is not in now."""
        return [
            (row[0], row[1], row[2])
            for row in self._store.all(
                "SELECT rid, subscription_id, removed FROM removed_rooms "
                "WHERE user_id = ? AND removed > ? AND rid NOT IN "
                "(SELECT rid FROM subscriptions WHERE user_id = ?)",
                (user_id, since, user_id),
            )
        ]

    def _names(self, room: Room, user: User) -> tuple[str, str]:
        """Return what a room is called for a user: a direct one after the others in it."""
        if room.kind is not Kind.DIRECT:
            return room.name, room.name
        others = [name for name in room.usernames if name != user.username] or [user.username]
        return ", ".join(others), ", ".join(others)
