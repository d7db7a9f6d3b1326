"""Talking: sending, editing, deleting and reacting, with everything that follows from it."""

from __future__ import annotations

import re

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import failure, refused
from lab.standins.rocketchat.kept.people import User
from lab.standins.rocketchat.kept.places import Kind, Room
from lab.standins.rocketchat.kept.store import new_id
from lab.standins.rocketchat.rules import composing, unread
from lab.standins.rocketchat.rules.composing import Draft
from lab.standins.rocketchat.workspace import Workspace

EMOJI = re.compile(r":[\w+-]{1,64}:")
# What the server fails with when an id is repeated: nothing is inserted, and its own
# normaliser then looks into nothing.
REPEATED = "Cannot read properties of undefined (reading 'starred')"
# Types that are no system messages: people send these themselves.
TYPES_OF_PEOPLE = frozenset({"e2e", "otr", "otr-ack"})
CAT = {"_id": "rocket.cat", "username": "rocket.cat", "name": "Rocket.Cat"}


def send(workspace: Workspace, user: User, room: Room, draft: Draft) -> Document:
    """Write a message; raises a refusal if the user may not, or if the id is taken."""
    workspace.refuse_if_restricted()
    refusal = workspace.rights.why_not_send(user, room)
    if refusal is not None:
        tell_privately(workspace, user, room, refusal.message)
        raise refusal
    if draft.message_id and workspace.messages.get(draft.message_id) is not None:
        raise failure(REPEATED)
    return _publish(workspace, room, composing.compose(workspace, user, room, draft))


def system(workspace: Workspace, room: Room, user: User, kind: str, text: str = "") -> Document:
    """Write a system message, for example that somebody joined."""
    message = composing.compose(workspace, user, room, Draft())
    return _publish(workspace, room, message | {"t": kind, "msg": text, "groupable": False})


def edit(
    workspace: Workspace, user: User, message: Document, text: str, extra: Document
) -> Document:
    """Change a message's text; raises a refusal if the user may not."""
    workspace.refuse_if_restricted()
    if text == message["msg"]:
        return message
    room, now = room_of(workspace, message), workspace.now_ms()
    rights = workspace.rights
    refusal = rights.why_not_edit(user, message, now) or rights.why_not_send(user, room)
    if refusal is not None:
        raise refusal
    composing.check_size(workspace, text)
    changed = message | composing.content(workspace, user, room, text) | extra
    editor = {"_id": user.id, "username": user.username}
    return _rewrite(workspace, room, changed | {"editedAt": ejson.date(now), "editedBy": editor})


def react(
    workspace: Workspace, user: User, message: Document, emoji: str, *, wanted: bool | None
) -> None:
    """Add or take back a reaction; without `wanted` it is turned over."""
    room = room_of(workspace, message)
    emoji = f":{emoji.strip(':')}:"
    if not EMOJI.fullmatch(emoji):
        raise refused("error-not-allowed", "Invalid emoji provided.", {"method": "setReaction"})
    refusal = workspace.rights.why_not_send(user, room)
    if refusal is not None and not (room.read_only and room.react_when_read_only):
        raise refusal
    reactions: Document = dict(message.get("reactions", {}))
    names: list[str] = list(reactions.pop(emoji, {}).get("usernames", []))
    if wanted is (user.username in names):
        return
    if user.username in names:
        names.remove(user.username)
    else:
        names.append(user.username)
    if names:
        reactions[emoji] = {"usernames": names}
    changed = {key: value for key, value in message.items() if key != "reactions"}
    _rewrite(workspace, room, changed | ({"reactions": reactions} if reactions else {}))


def delete(workspace: Workspace, user: User, message: Document) -> None:
    """Delete a message; raises a refusal if the user may not."""
    room, now = room_of(workspace, message), workspace.now_ms()
    refusal = workspace.rights.why_not_delete(user, message, now)
    if refusal is not None:
        raise refusal
    if not workspace.settings.flag("Message_ShowDeletedStatus"):
        erase(workspace, room, message)
        return
    kept: Document = {
        key: message[key] for key in ("_id", "rid", "ts", "u", "tmid") if key in message
    }
    kept |= {"msg": "", "t": "rm", "urls": [], "mentions": [], "channels": [], "md": []}
    editor = {"_id": user.id, "username": user.username}
    _rewrite(workspace, room, kept | {"editedAt": ejson.date(now), "editedBy": editor})


def erase(workspace: Workspace, room: Room, message: Document) -> None:
    """Delete a message without asking."""
    with workspace.store.transaction():
        workspace.messages.remove(message)
        workspace.files.forget_message(message["_id"])
        parent = _parent_after(workspace, message, added=-1)
        room = unread.room_after(workspace, room, added=-1)
    workspace.events.deleted(room, message["_id"])
    if parent is not None:
        workspace.events.message(room, parent)
    workspace.events.room(room)


def tell_privately(workspace: Workspace, user: User, room: Room, text: str) -> None:
    """Show a notice to one user only; it is kept nowhere."""
    now = ejson.date(workspace.now_ms())
    notice: Document = {"_id": new_id(), "rid": room.id, "msg": text, "ts": now, "_updatedAt": now}
    notice |= {"u": CAT, "private": True, "groupable": False}
    workspace.events.user(user.id, "message", [notice])


def is_system(message: Document) -> bool:
    """Tell whether the server wrote a message, for example that somebody joined."""
    return message.get("t", "e2e") not in TYPES_OF_PEOPLE


def room_of(workspace: Workspace, message: Document) -> Room:
    """Return the room of a message; messages go when their room goes."""
    room = workspace.rooms.get(message["rid"])
    if room is None:
        raise failure("error-invalid-room")
    return room


def _publish(workspace: Workspace, room: Room, message: Document) -> Document:
    with workspace.store.transaction():
        workspace.messages.add(message)
        parent = _parent_after(workspace, message, added=1)
        room = unread.room_after(workspace, room, added=1)
        members = (
            [] if is_system(message) else unread.members_after(workspace, room, message, parent)
        )
    workspace.events.message(room, message)
    if parent is not None:
        workspace.events.message(room, parent)
    workspace.events.room(room)
    for member in members:
        workspace.events.membership(room, member)
    _notify(workspace, room, message)
    return message


def _rewrite(workspace: Workspace, room: Room, message: Document) -> Document:
    with workspace.store.transaction():
        message = workspace.messages.change(message)
        shown = room.last_message is not None and room.last_message["_id"] == message["_id"]
        if shown:
            room = unread.room_after(workspace, room, added=0)
    workspace.events.message(room, message)
    if shown:
        workspace.events.room(room)
    return message


def _parent_after(workspace: Workspace, message: Document, *, added: int) -> Document | None:
    """Count a reply in its thread; returns the changed parent."""
    parent = workspace.messages.get(message["tmid"]) if "tmid" in message else None
    if parent is None:
        return None
    count = max(0, parent.get("tcount", 0) + added)
    parent = parent | {"tcount": count}
    if added > 0:
        # Who replies follows the thread, and so does whoever began it or is named in it.
        followers = [*parent.get("replies", [parent["u"]["_id"]]), message["u"]["_id"]]
        named = [mention["_id"] for mention in message.get("mentions", [])]
        followers += [user_id for user_id in named if workspace.accounts.get(user_id)]
        parent |= {"tlm": message["ts"], "replies": list(dict.fromkeys(followers))}
    elif count == 0:
        parent = {key: parent[key] for key in parent if key not in {"tcount", "tlm", "replies"}}
    return workspace.messages.change(parent)


def _notify(workspace: Workspace, room: Room, message: Document) -> None:
    """Tell those whom a message means: the other in a direct room, the mentioned elsewhere."""
    if is_system(message):
        return
    named = {mention["_id"] for mention in message["mentions"]}
    meant = set(room.user_ids) if room.kind is Kind.DIRECT else named
    payload = {
        "_id": message["_id"],
        "rid": room.id,
        "sender": message["u"],
        "type": room.kind.value,
        "name": room.name,
        "message": {"msg": message["msg"]},
    }
    title = f"#{room.name}" if room.name else f"@{message['u']['username']}"
    notice = {"title": title, "text": message["msg"], "payload": payload}
    for user_id in meant - {message["u"]["_id"]}:
        workspace.events.user(user_id, "notification", [notice])
