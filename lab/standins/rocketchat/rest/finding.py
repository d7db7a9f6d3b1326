"""Finding the room and the users that a call names."""

from __future__ import annotations

from lab.standins.rocketchat.errors import invalid, not_allowed, refused
from lab.standins.rocketchat.kept.people import User
from lab.standins.rocketchat.kept.places import Kind, Room
from lab.standins.rocketchat.rest.calls import Call


def room(call: Call, *kinds: Kind) -> Room:
    """Return the room named by `roomId` or `roomName`, which the caller may see."""
    found = any_room(call, *kinds)
    administers = call.workspace.rights.has(call.user, "view-room-administration")
    if not administers and not call.workspace.rights.sees(call.user, found):
        # A private room that one is not in is not told from one that is not there.
        raise _no_room() if found.kind is Kind.GROUP else not_allowed()
    return found


def any_room(call: Call, *kinds: Kind) -> Room:
    """Return the room named by `roomId` or `roomName`, whoever asks."""
    room_id = call.optional_text("roomId") or call.optional_text("rid")
    name = call.optional_text("roomName")
    if not room_id and not name:
        text = 'The parameter "roomId" or "roomName" is required'
        raise invalid(text, "error-roomid-param-not-provided")
    rooms = call.workspace.rooms
    found = rooms.get(room_id) if room_id else rooms.named(name or "")
    if found is None or (kinds and found.kind not in kinds):
        raise _no_room()
    return found


def readable(call: Call, room_id: str) -> Room:
    """Return a room by id, which the caller may read."""
    found = call.workspace.rooms.get(room_id)
    if found is None or not call.workspace.rights.sees(call.user, found):
        raise not_allowed()
    return found


def users(call: Call) -> list[User]:
    """Return the users named by `userId`, `username`, `userIds`, `usernames`."""
    accounts = call.workspace.accounts
    ids = call.texts("userIds") or [it for it in [call.optional_text("userId")] if it]
    names = call.texts("usernames") or [
        it for it in [call.optional_text("username") or call.optional_text("user")] if it
    ]
    if not ids and not names:
        text = 'Please provide "userId" or "username" or "userIds" as array'
        raise invalid(text, "error-user-param-not-provided")
    found = [accounts.get(user_id) for user_id in ids] + [accounts.named(name) for name in names]
    known = [user for user in found if user is not None]
    if len(known) < len(found):
        raise refused("error-invalid-user", "Invalid user")
    return known


def _no_room() -> Exception:
    text = 'The required "roomId" or "roomName" param provided does not match any channel'
    return refused("error-room-not-found", text)
