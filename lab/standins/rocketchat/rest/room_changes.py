"""REST: what operators change about a room: topic, name, read-only, archived, muted."""

from __future__ import annotations

import dataclasses
from functools import partial

from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import not_allowed, refused
from lab.standins.rocketchat.kept.places import Kind, Room
from lab.standins.rocketchat.rest import finding, rooms
from lab.standins.rocketchat.rest.calls import Call, Registry, missing
from lab.standins.rocketchat.rules import talk

TEXTS = {
    "setTopic": ("topic", "room_changed_topic"),
    "setDescription": ("description", "room_changed_description"),
    "setAnnouncement": ("announcement", "room_changed_announcement"),
    "setPurpose": ("description", "room_changed_description"),
}


def register(registry: Registry) -> None:
    """Register the calls."""
    for prefix, kind in (("channels", Kind.CHANNEL), ("groups", Kind.GROUP)):
        for name in TEXTS:
            registry.post(f"{prefix}.{name}", partial(set_text, name, kind))
        registry.post(f"{prefix}.rename", partial(rename, kind))
        registry.post(f"{prefix}.setReadOnly", partial(set_read_only, kind))
        registry.post(f"{prefix}.setDefault", partial(set_default, kind))
        registry.post(f"{prefix}.setCustomFields", partial(set_custom_fields, kind))
        registry.post(f"{prefix}.setType", partial(set_type, kind))
        registry.post(f"{prefix}.archive", partial(archive, kind))
        registry.post(f"{prefix}.unarchive", partial(unarchive, kind))
    registry.post("rooms.changeArchivationState", change_archivation)
    registry.post("rooms.muteUser", partial(mute, muted=True))
    registry.post("rooms.unmuteUser", partial(mute, muted=False))


def set_text(name: str, kind: Kind, call: Call) -> Document:
    """Set topic, description or announcement."""
    room = _changeable(call, "edit-room", kind)
    field, event = TEXTS[name]
    word = name.removeprefix("set").lower()
    value = call.optional_text(word)
    if value is None:
        raise missing(word)
    _change(call, room, event, value, **{field: value})
    return {word: value}


def rename(kind: Kind, call: Call) -> Document:
    """Give a room another name."""
    room, name = _changeable(call, "edit-room", kind), call.text("name")
    if name == room.name:
        text = "The room name is the same as what it would be renamed to."
        raise refused("error-room-param-not-provided", text)
    rooms.check_name(call, name)
    room = _change(call, room, "r", name, name=name)
    for member in call.workspace.rooms.memberships_in(room.id):
        renamed = dataclasses.replace(member, name=name, full_name=name)
        call.workspace.events.membership(room, call.workspace.rooms.change_membership(renamed))
    return rooms.shown(kind, room)


def set_read_only(kind: Kind, call: Call) -> Document:
    """Let only some write in a room, or everybody again."""
    room = _changeable(call, "set-readonly", kind)
    value = call.optional_flag("readOnly")
    if value is None:
        raise missing("readOnly")
    if value is room.read_only:
        text = "The channel read only setting is the same as what it would be changed to."
        raise refused("error-channel-read-only-unchanged", text)
    event = "room-set-read-only" if value else "room-removed-read-only"
    return rooms.shown(kind, _change(call, room, event, read_only=value))


def set_default(kind: Kind, call: Call) -> Document:
    """Let new users join a room by themselves."""
    room = _changeable(call, "edit-room", kind)
    value = call.optional_flag("default")
    if value is None:
        raise missing("default")
    return rooms.shown(kind, _change(call, room, None, default=value))


def set_custom_fields(kind: Kind, call: Call) -> Document:
    """Set custom fields."""
    room = _changeable(call, "edit-room", kind)
    value = call.document("customFields")
    if value is None:
        raise missing("customFields")
    return rooms.shown(kind, _change(call, room, None, custom_fields=value))


def set_type(kind: Kind, call: Call) -> Document:
    """Make a channel a group, or the other way round."""
    room, wanted = _changeable(call, "edit-room", kind), call.text("type")
    if wanted not in {Kind.CHANNEL.value, Kind.GROUP.value}:
        raise refused("error-room-type-param-not-provided", 'The bodyParam "type" is required')
    room = _change(call, room, "room_changed_privacy", wanted, kind=Kind(wanted))
    return rooms.shown(Kind(wanted), room)


def archive(kind: Kind, call: Call) -> Document:
    """Archive a room."""
    return _set_archived(call, _changeable(call, "archive-room", kind), archived=True)


def unarchive(kind: Kind, call: Call) -> Document:
    """Take a room out of the archive."""
    return _set_archived(call, _changeable(call, "unarchive-room", kind), archived=False)


def change_archivation(call: Call) -> Document:
    """Archive a room, or take it out, by its id."""
    if call.text("action") == "archive":
        return _set_archived(call, _changeable(call, "archive-room"), archived=True)
    return _set_archived(call, _changeable(call, "unarchive-room"), archived=False)


def mute(call: Call, *, muted: bool) -> Document:
    """Forbid a member to write in a room, or allow it again."""
    room = _changeable(call, "mute-user")
    user = finding.users(call)[0]
    if call.workspace.rooms.membership(room.id, user.id) is None:
        raise refused("error-user-not-in-room", "User is not in this room")
    muted_names = [name for name in room.muted if name != user.username]
    unmuted_names = [name for name in room.unmuted if name != user.username]
    if muted:
        muted_names.append(user.username)
    elif room.read_only:
        unmuted_names.append(user.username)
    event = "user-muted" if muted else "user-unmuted"
    names = {"muted": tuple(muted_names), "unmuted": tuple(unmuted_names)}
    _change(call, room, event, user.username, **names)
    return {}


def _changeable(call: Call, permission: str, *kinds: Kind) -> Room:
    """Return the room that a call wants to change, if it may."""
    room = finding.room(call, *kinds)
    if not call.workspace.rights.has(call.user, permission, room.id):
        raise not_allowed()
    return room


def _set_archived(call: Call, room: Room, *, archived: bool) -> Document:
    if room.archived is archived:
        state = "archived" if archived else "unarchived"
        raise refused(f"error-room-already-{state}", f"The room {room.name} is already {state}")
    _change(call, room, "room-archived" if archived else "room-unarchived", archived=archived)
    return {}


def _change(call: Call, room: Room, event: str | None, text: str = "", **changes: object) -> Room:
    """Write a change of a room, tell the members, and say so in the room."""
    workspace = call.workspace
    room = workspace.rooms.change(dataclasses.replace(room, **changes))  # type: ignore[arg-type]
    workspace.events.room(room)
    if event is not None:
        talk.system(workspace, room, call.user, event, text)
    return workspace.rooms.get(room.id) or room
