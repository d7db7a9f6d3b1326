"""Uploaded files: their content in a folder, the rest in the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.kept.store import Store, new_id

CONFIRM_WITHIN_MS = 24 * 3600 * 1000


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """An upload; it belongs to a message once that is sent."""

    id: str
    rid: str
    user_id: str
    name: str
    type: str
    size: int
    message_id: str | None = None
    created: int = 0

    @property
    def url(self) -> str:
        """The path under which the file is served."""
        return f"/file-upload/{self.id}/{quote(self.name, safe='')}"

    @property
    def short(self) -> Document:
        """The file as messages name it."""
        form = self.name.rpartition(".")[2] if "." in self.name else ""
        return {
            "_id": self.id,
            "name": self.name,
            "type": self.type,
            "size": self.size,
            "format": form,
        }

    def attachment(self, description: str) -> Document:
        """Return the attachment of the message that brings the file."""
        attachment: Document = {
            "title": self.name,
            "title_link": self.url,
            "title_link_download": True,
            "type": "file",
            "size": self.size,
            "fileId": self.id,
        }
        if description:
            attachment["description"] = description
        family = self.type.partition("/")[0]
        if family in {"image", "audio", "video"}:
            attachment |= {
                f"{family}_url": self.url,
                f"{family}_type": self.type,
                f"{family}_size": self.size,
            }
        return attachment


class Files:
    """All uploads."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store, self._now_ms = store, now_ms
        self.folder = store.folder / "files"
        self.folder.mkdir(exist_ok=True)

    def path(self, file_id: str) -> Path:
        """Return where a file's content lies; the id is one of our own."""
        return self.folder / file_id

    def new_path(self) -> tuple[str, Path]:
        """Return an id for a new file, and where its content goes."""
        file_id = new_id(24)
        return file_id, self.path(file_id)

    def add(self, file: StoredFile) -> None:
        """Keep note of a file whose content is written."""
        document = {"name": file.name, "type": file.type, "size": file.size}
        self._store.write(
            "INSERT INTO files (id, rid, user_id, created, doc) VALUES (?, ?, ?, ?, ?)",
            (file.id, file.rid, file.user_id, self._now_ms(), ejson.encode(document)),
        )

    def get(self, file_id: str) -> StoredFile | None:
        """Return a file by id."""
        row = self._store.one(
            "SELECT id, rid, user_id, message_id, created, doc FROM files WHERE id = ?", (file_id,)
        )
        if row is None:
            return None
        return StoredFile(
            id=row[0],
            rid=row[1],
            user_id=row[2],
            message_id=row[3],
            created=row[4],
            **ejson.decode(row[5]),
        )

    def confirmable(self, file_id: str, room_id: str, user_id: str) -> StoredFile | None:
        """Return a file that waits for its message: same user and room, not too old."""
        file = self.get(file_id)
        if file is None or file.message_id is not None:
            return None
        late = self._now_ms() - file.created > CONFIRM_WITHIN_MS
        return None if late or (file.rid, file.user_id) != (room_id, user_id) else file

    def confirm(self, file: StoredFile, message_id: str, name: str) -> None:
        """Say which message brings a file, and how it is called there."""
        document = {"name": name, "type": file.type, "size": file.size}
        self._store.write(
            "UPDATE files SET message_id = ?, doc = ? WHERE id = ?",
            (message_id, ejson.encode(document), file.id),
        )

    def of_message(self, message_id: str) -> list[StoredFile]:
        """Return the files that a message brings."""
        rows = self._store.all("SELECT id FROM files WHERE message_id = ?", (message_id,))
        return [file for file in (self.get(row[0]) for row in rows) if file is not None]

    def forget_message(self, message_id: str) -> None:
        """Delete the files of a message that is gone."""
        for file in self.of_message(message_id):
            self._store.write("DELETE FROM files WHERE id = ?", (file.id,))
            self.path(file.id).unlink(missing_ok=True)
