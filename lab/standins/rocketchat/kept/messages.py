"""Messages in the store; a message is a document with dates as `{"$date": ms}`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.kept.store import Store, Value

_EVER = 1 << 62


@dataclass(frozen=True)
class Page:
    """A part of a list, and how long the list is."""

    items: list[Document]
    total: int


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which messages of a room are wanted; times in milliseconds, ends exclusive unless told."""

    offset: int = 0
    count: int = 50
    oldest: int = -1
    latest: int = _EVER
    inclusive: bool = False
    replies: bool = True
    ascending: bool = False


class Messages:
    """All messages."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store, self._now_ms = store, now_ms

    def get(self, message_id: str) -> Document | None:
        """Return a message by id."""
        row = self._store.one("SELECT doc FROM messages WHERE id = ?", (message_id,))
        return None if row is None else ejson.decode(row[0])

    def add(self, message: Document) -> None:
        """Keep a new message; its id must be free."""
        self._store.write(
            "INSERT INTO messages (id, rid, user_id, tmid, ts, updated, doc) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                message["_id"],
                message["rid"],
                message["u"]["_id"],
                message.get("tmid"),
                message["ts"]["$date"],
                message["_updatedAt"]["$date"],
                ejson.encode(message),
            ),
        )

    def change(self, message: Document) -> Document:
        """Write a changed message, with a new `_updatedAt`."""
        now = self._now_ms()
        message = message | {"_updatedAt": ejson.date(now)}
        self._store.write(
            "UPDATE messages SET updated = ?, doc = ? WHERE id = ?",
            (now, ejson.encode(message), message["_id"]),
        )
        return message

    def remove(self, message: Document) -> None:
        """Delete a message, and keep note of it for those who synchronise."""
        self._store.write("DELETE FROM messages WHERE id = ?", (message["_id"],))
        self._store.write(
            "INSERT INTO deleted_messages (id, rid, deleted) VALUES (?, ?, ?)",
            (message["_id"], message["rid"], self._now_ms()),
        )

    def of_user(self, user_id: str) -> list[Document]:
        """Return everything a user wrote."""
        rows = self._store.all("SELECT doc FROM messages WHERE user_id = ?", (user_id,))
        return [ejson.decode(row[0]) for row in rows]

    def last(self, room_id: str) -> Document | None:
        """Return the newest message of a room that is no reply in a thread."""
        row = self._store.one(
            "SELECT doc FROM messages WHERE rid = ? AND tmid IS NULL ORDER BY ts DESC, rowid DESC "
            "LIMIT 1",
            (room_id,),
        )
        return None if row is None else ejson.decode(row[0])

    def page(self, room_id: str, window: Window) -> Page:
        """Return messages of a room, the newest first unless the window says otherwise."""
        edge = 1 if window.inclusive else 0
        where = "rid = ? AND ts > ? AND ts < ?" + ("" if window.replies else " AND tmid IS NULL")
        values: list[Value] = [room_id, window.oldest - edge, window.latest + edge]
        return self._page(where, values, window)

    def thread(self, thread_id: str, window: Window) -> Page:
        """Return the replies of a thread."""
        return self._page("tmid = ?", [thread_id], window)

    def threads(self, room_id: str, window: Window) -> Page:
        """Return the messages of a room that have replies."""
        where = "rid = ? AND id IN (SELECT tmid FROM messages WHERE tmid IS NOT NULL)"
        return self._page(where, [room_id], window)

    def search(self, room_id: str, text: str, window: Window) -> Page:
        """Return the messages of a room that contain a text; case of ASCII does not matter."""
        where = "rid = ? AND instr(lower(json_extract(doc, '$.msg')), lower(?)) > 0"
        return self._page(where, [room_id, text], window)

    def updated_since(
        self, room_id: str, since: int, *, until: int = _EVER, count: int = -1
    ) -> list[Document]:
        """Return what changed in between, exclusive, the oldest change first."""
        rows = self._store.all(
            "SELECT doc FROM messages WHERE rid = ? AND updated > ? AND updated < ? "
            "ORDER BY updated, rowid LIMIT ?",
            (room_id, since, until, count),
        )
        return [ejson.decode(row[0]) for row in rows]

    def deleted_since(
        self, room_id: str, since: int, *, until: int = _EVER, count: int = -1
    ) -> list[Document]:
        """Return what was deleted in between, exclusive, the oldest first."""
        rows = self._store.all(
            "SELECT id, deleted FROM deleted_messages WHERE rid = ? AND deleted > ? "
            "AND deleted < ? ORDER BY deleted, rowid LIMIT ?",
            (room_id, since, until, count),
        )
        return [{"_id": row[0], "_deletedAt": ejson.date(row[1])} for row in rows]

    def count(self) -> int:
        """Return how many messages there are."""
        row = self._store.one("SELECT count(*) FROM messages")
        return 0 if row is None else int(row[0])

    def _page(self, where: str, values: list[Value], window: Window) -> Page:
        # `where` is one of this module's own texts; what a caller sends is bound, never pasted.
        total = self._store.one(f"SELECT count(*) FROM messages WHERE {where}", values)  # noqa: S608
        order = "ASC" if window.ascending else "DESC"
        rows = self._store.all(
            f"SELECT doc FROM messages WHERE {where} "  # noqa: S608 - as above
            f"ORDER BY ts {order}, rowid {order} LIMIT ? OFFSET ?",
            [*values, window.count if window.count else -1, window.offset],
        )
        return Page([ejson.decode(row[0]) for row in rows], total[0] if total else 0)
