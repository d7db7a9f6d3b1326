"""The store: one SQLite file, used from the event loop's thread only.

Every call that writes commits before it is answered. The write-ahead log is not flushed to the
disk for each message (`synchronous=NORMAL`): what was answered survives the end of the process,
and a power cut costs the last moments, never the file.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

Value: TypeAlias = str | int | None
# Letters and digits that people do not mistake for one another, as the server's own ids have.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz"
FILE_NAME = "standin.sqlite3"
# A message is kept as the document that goes over the wire.
VERSION = 1

TABLES = """
CREATE TABLE users (
    id TEXT PRIMARY KEY,
    username_key TEXT NOT NULL UNIQUE,
    email_key TEXT UNIQUE,
    password TEXT,
    created INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    last_part TEXT NOT NULL,
    bypass_second_factor INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    second_factor_until INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX tokens_of_user ON tokens (user_id);
CREATE TABLE settings (id TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE roles (id TEXT PRIMARY KEY, doc TEXT NOT NULL) STRICT;
CREATE TABLE permissions (
    id TEXT PRIMARY KEY,
    roles TEXT NOT NULL,
    updated INTEGER NOT NULL
) STRICT;
CREATE TABLE rooms (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name_key TEXT UNIQUE,
    updated INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY,
    rid TEXT NOT NULL,
    user_id TEXT NOT NULL,
    updated INTEGER NOT NULL,
    doc TEXT NOT NULL,
    UNIQUE (rid, user_id)
) STRICT;
CREATE INDEX subscriptions_of_user ON subscriptions (user_id);
CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    rid TEXT NOT NULL,
    user_id TEXT NOT NULL,
    tmid TEXT,
    ts INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX messages_by_time ON messages (rid, ts);
CREATE INDEX messages_by_update ON messages (rid, updated);
CREATE INDEX messages_of_thread ON messages (tmid, ts) WHERE tmid IS NOT NULL;
CREATE INDEX messages_of_user ON messages (user_id);
CREATE TABLE deleted_messages (
    id TEXT NOT NULL,
    rid TEXT NOT NULL,
    deleted INTEGER NOT NULL
) STRICT;
CREATE INDEX deleted_by_time ON deleted_messages (rid, deleted);
CREATE TABLE removed_rooms (
    rid TEXT NOT NULL,
    user_id TEXT NOT NULL,
    subscription_id TEXT NOT NULL,
    removed INTEGER NOT NULL
) STRICT;
CREATE INDEX removed_by_time ON removed_rooms (user_id, removed);
CREATE TABLE files (
    id TEXT PRIMARY KEY,
    rid TEXT NOT NULL,
    user_id TEXT NOT NULL,
    message_id TEXT,
    created INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
"""


class StoreError(Exception):
    """The file cannot be used."""


def new_id(length: int = 17) -> str:
    """Return a random id; 43 characters make a secret."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say which file it is that cannot be used."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be used: {error}") from error


class Store:
    """An open store; `folder` is made if it is missing. Raises StoreError if it cannot be used."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._depth = 0
        with contextlib.ExitStack() as undo, _told(folder / FILE_NAME):
            self._connection = sqlite3.connect(folder / FILE_NAME, isolation_level=None)
            undo.callback(self._connection.close)
            for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=NORMAL"):
                self._connection.execute(f"PRAGMA {pragma}").fetchall()
            self._prepare()
            undo.pop_all()

    def close(self) -> None:
        """Close the file; the log is folded into it."""
        self._connection.close()

    def all(self, query: str, parameters: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Return all rows."""
        return self._connection.execute(query, parameters).fetchall()

    def one(self, query: str, parameters: Sequence[Value] = ()) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        row: tuple[Any, ...] | None = self._connection.execute(query, parameters).fetchone()
        return row

    def write(self, statement: str, parameters: Sequence[Value] = ()) -> int:
        """Execute one statement and return the number of rows it touched."""
        if self._depth > 0 and not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")
        return self._connection.execute(statement, parameters).rowcount

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing; a transaction inside another belongs to it.

        It begins with the first write, so that calls that only read cost nothing.
        """
        self._depth += 1
        try:
            yield
        except BaseException:
            self._end("ROLLBACK")
            raise
        self._end("COMMIT")

    def _end(self, how: str) -> None:
        self._depth -= 1
        if self._depth == 0 and self._connection.in_transaction:
            self._connection.execute(how)

    def _prepare(self) -> None:
        row = self.one("PRAGMA user_version")
        version = row[0] if row is not None else 0
        if version == 0:
            self._connection.executescript(f"BEGIN;{TABLES}PRAGMA user_version={VERSION};COMMIT;")
        elif version != VERSION:
            raise StoreError(
                f"{self.folder / FILE_NAME} has layout {version}, this server knows "
                f"{VERSION}: move the file away or use the server that wrote it"
            )
