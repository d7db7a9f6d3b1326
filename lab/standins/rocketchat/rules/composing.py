"""From a draft to a message: the document with everything the server adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import refused
from lab.standins.rocketchat.kept.people import User
from lab.standins.rocketchat.kept.places import Room
from lab.standins.rocketchat.kept.store import new_id
from lab.standins.rocketchat.rules import markup
from lab.standins.rocketchat.workspace import Workspace

EVERYBODY = {"all": "mention-all", "here": "mention-here"}


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A message before it is sent; `extra` is merged into the document as it is."""

    text: str = ""
    message_id: str | None = None
    thread_id: str | None = None
    time_ms: int | None = None
    extra: Document = field(default_factory=dict)


def compose(workspace: Workspace, user: User, room: Room, draft: Draft) -> Document:
    """Return the document of a new message."""
    now = workspace.now_ms()
    message: Document = {
        "_id": draft.message_id or new_id(),
        "rid": room.id,
        "msg": draft.text,
        "ts": ejson.date(now if draft.time_ms is None else draft.time_ms),
        "u": user.short,
        "_updatedAt": ejson.date(now),
    }
    if draft.thread_id:
        message["tmid"] = draft.thread_id
    return message | content(workspace, user, room, draft.text) | draft.extra


def content(workspace: Workspace, user: User, room: Room, text: str) -> Document:
    """Return the parts of a message that follow from its text."""
    return {
        "msg": text,
        "urls": markup.urls(text),
        "mentions": _mentions(workspace, user, room, text),
        "channels": _channels(workspace, text),
        "md": markup.parsed(text),
    }


def check_size(workspace: Workspace, text: str) -> None:
    """Refuse a text that is longer than the workspace allows."""
    if markup.length(text) > workspace.settings.number("Message_MaxAllowedSize"):
        raise refused("error-message-size-exceeded", "Message size exceeds Message_MaxAllowedSize")


def _mentions(workspace: Workspace, user: User, room: Room, text: str) -> list[Document]:
    found: dict[str, Document] = {}
    for names in markup.mentioned(text):
        everybody = next((name for name in names if name in EVERYBODY), None)
        if everybody is not None:
            if not workspace.rights.has(user, EVERYBODY[everybody], room.id):
                raise refused(
                    "error-action-not-allowed", f"Notify {everybody} in this room not allowed"
                )
            found[everybody] = {"_id": everybody, "username": everybody}
            continue
        mentioned = _first_user(workspace, names)
        if mentioned is not None:
            found[mentioned.id] = mentioned.short | {"type": "user"}
    return list(found.values())


def _first_user(workspace: Workspace, names: Sequence[str]) -> User | None:
    for name in names:
        user = workspace.accounts.named(name)
        if user is not None:
            return user
    return None


def _channels(workspace: Workspace, text: str) -> list[Document]:
    found: dict[str, Document] = {}
    for names in markup.channels(text):
        for room in (workspace.rooms.named(name) for name in names):
            if room is not None:
                found[room.id] = {"_id": room.id, "name": room.name, "fname": room.name}
                break
    return list(found.values())
