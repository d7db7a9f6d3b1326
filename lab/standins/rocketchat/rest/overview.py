"""REST: the caller's rooms and what is unread in them."""

from __future__ import annotations

import dataclasses

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import invalid, not_allowed, refused
from lab.standins.rocketchat.kept.places import Kind, Membership, Room
from lab.standins.rocketchat.rest import finding
from lab.standins.rocketchat.rest.calls import Call, Registry
from lab.standins.rocketchat.rules import unread


def register(registry: Registry) -> None:
    """Register the calls."""
    registry.get("rooms.get", rooms)
    registry.get("rooms.info", info)
    registry.get("rooms.nameExists", name_exists)
    registry.get("rooms.adminRooms", administered, permission="view-room-administration")
    registry.post("rooms.favorite", favorite)
    registry.get("subscriptions.get", subscriptions)
    registry.get("subscriptions.getOne", subscription)
    registry.post("subscriptions.read", read)
    registry.post("subscriptions.unread", mark_unread)


def rooms(call: Call) -> Document:
    """Return the caller's rooms, or what changed since a time."""
    since = call.moment("updatedSince") or 0
    mine = [room for room, _ in call.workspace.rooms.memberships_of(call.user.id)]
    update = [room.document() for room in mine if room.updated > since]
    removed = call.workspace.rooms.removed_since(call.user.id, since) if since else []
    remove = [{"_id": rid, "_deletedAt": ejson.date(when)} for rid, _, when in removed]
    return {"update": update, "remove": remove}


def info(call: Call) -> Document:
    """Return one room."""
    return {"room": finding.room(call).document()}


def name_exists(call: Call) -> Document:
    """Tell whether a room has a name."""
    return {"exists": call.workspace.rooms.named(call.text("roomName")) is not None}


def administered(call: Call) -> Document:
    """Return all rooms, for those who administer them."""
    found = call.workspace.rooms.all(*Kind)
    return call.listing("rooms", [room.document() for room in found])


def favorite(call: Call) -> Document:
    """Mark a room as a favorite, or not."""
    room, wanted = finding.room(call), call.flag("favorite", default=True)
    member = _own(call, room)
    if member.favorite is not wanted:
        member = dataclasses.replace(member, favorite=wanted)
        member = call.workspace.rooms.change_membership(member)
        call.workspace.events.membership(room, member)
    return {}


def subscriptions(call: Call) -> Document:
    """Return the caller's memberships, or what changed since a time."""
    since = call.moment("updatedSince") or 0
    mine = call.workspace.rooms.memberships_of(call.user.id, since=since)
    removed = call.workspace.rooms.removed_since(call.user.id, since) if since else []
    return {
        "update": [member.document(room, call.user) for room, member in mine],
        "remove": [{"_id": it, "_deletedAt": ejson.date(when)} for _, it, when in removed],
    }


def subscription(call: Call) -> Document:
    """Return the caller's membership in one room."""
    room_id = call.text("roomId")
    room = call.workspace.rooms.get(room_id)
    member = call.workspace.rooms.membership(room_id, call.user.id)
    if room is None or member is None:
        return {"subscription": None}
    return {"subscription": member.document(room, call.user)}


def read(call: Call) -> Document:
    """Note that the caller has read a room, and its threads if asked."""
    room_id = call.optional_text("rid") or call.optional_text("roomId")
    if not room_id:
        raise invalid("must have required property 'rid'")
    room = finding.readable(call, room_id)
    member = call.workspace.rooms.membership(room.id, call.user.id)
    if member is not None:
        member = unread.read(call.workspace, member, threads=call.flag("readThreads"))
        call.workspace.events.membership(room, member)
    return {}


def mark_unread(call: Call) -> Document:
    """Make a room unread again, from a message on or from its last one."""
    first = call.document("firstUnreadMessage") or {}
    message = call.workspace.messages.get(str(first.get("_id"))) if first else None
    room_id = message["rid"] if message is not None else call.text("roomId")
    room = finding.readable(call, room_id)
    message = message or call.workspace.messages.last(room.id)
    if message is None:
        text = "There are no messages to mark unread"
        raise refused("error-no-message-for-unread", text)
    member = dataclasses.replace(_own(call, room), alert=True, last_seen=message["ts"]["$date"] - 1)
    call.workspace.events.membership(room, call.workspace.rooms.change_membership(member))
    return {}


def _own(call: Call, room: Room) -> Membership:
    member = call.workspace.rooms.membership(room.id, call.user.id)
    if member is None:
        raise not_allowed()
    return member
