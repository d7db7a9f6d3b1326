"""REST: channels, groups and direct rooms, and what is written in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import failure, forbidden, invalid, not_allowed, refused
from lab.standins.rocketchat.kept.messages import Page, Window
from lab.standins.rocketchat.kept.people import User, public_document
from lab.standins.rocketchat.kept.places import Kind, Room
from lab.standins.rocketchat.rest import finding
from lab.standins.rocketchat.rest.calls import Call, Registry, missing
from lab.standins.rocketchat.rules import joining

PREFIXES = {"channels": Kind.CHANNEL, "groups": Kind.GROUP, "im": Kind.DIRECT, "dm": Kind.DIRECT}
Action: TypeAlias = Callable[[Kind, Call], Document]


def register(registry: Registry) -> None:
    """Register the calls."""
    for prefix, kind in PREFIXES.items():
        for name, action in READING.items():
            registry.get(f"{prefix}.{name}", partial(action, kind))
        for name, action in WRITING.items():
            registry.post(f"{prefix}.{name}", partial(action, kind))
        if kind is Kind.DIRECT:
            registry.post(f"{prefix}.create", create_direct)
        else:
            registry.post(f"{prefix}.create", partial(create, kind))
    registry.post("channels.join", join)


def shown(kind: Kind, room: Room) -> Document:
    """Return a room under the name that its kind has in answers."""
    word = {Kind.CHANNEL: "channel", Kind.GROUP: "group", Kind.DIRECT: "room"}[kind]
    return {word: room.document()}


def create(kind: Kind, call: Call) -> Document:
    """Make a channel or a group."""
    workspace, name = call.workspace, call.optional_text("name")
    if not workspace.rights.has(call.user, f"create-{kind.value}"):
        raise forbidden()
    if not name:
        raise missing("name")
    check_name(call, name)
    extra = call.document("extraData") or {}
    members = [workspace.accounts.named(it) for it in call.texts("members") or []]
    room = workspace.rooms.add(
        Room(
            id="",
            kind=kind,
            name=name,
            creator={"_id": call.user.id, "username": call.user.username},
            read_only=call.flag("readOnly"),
            broadcast=extra.get("broadcast") is True,
            encrypted=extra.get("encrypted") is True,
            custom_fields=call.document("customFields") or {},
        )
    )
    if not call.flag("excludeSelf"):
        joining.add(workspace, room, call.user, roles=("owner",), quiet=True)
    for member in members:
        if member is not None:
            joining.add(workspace, room, member, by=call.user)
    return shown(kind, workspace.rooms.get(room.id) or room)


def create_direct(call: Call) -> Document:
    """Return the direct room with one or several people."""
    if not call.workspace.rights.has(call.user, "create-d"):
        raise not_allowed()
    names = call.optional_text("username") or call.optional_text("usernames") or ""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise invalid('Body parameter "username" or "usernames" is required.')
    users = [call.workspace.accounts.named(name) for name in wanted]
    known = [user for user in users if user is not None and user.active]
    if len(known) < len(users):
        raise refused("error-invalid-user", "Invalid user")
    if call.flag("excludeSelf") and len(known) > 1:
        room = joining.direct(call.workspace, known)
    else:
        room = joining.direct(call.workspace, [call.user, *known])
    return {"room": room.document() | {"rid": room.id}}


def join(call: Call) -> Document:
    """Join a channel."""
    room = finding.any_room(call, Kind.CHANNEL)
    if not call.workspace.rights.sees(call.user, room):
        raise not_allowed()
    joining.add(call.workspace, room, call.user)
    return shown(Kind.CHANNEL, call.workspace.rooms.get(room.id) or room)


def info(kind: Kind, call: Call) -> Document:
    """Return one room."""
    return shown(kind, finding.room(call, kind))


def listing(kind: Kind, call: Call) -> Document:
    """Return the channels, or the caller's groups and direct rooms."""
    if kind is Kind.CHANNEL:
        rooms = call.workspace.rooms.all(kind)
    else:
        rooms = [room for room, _ in _own(call, kind)]
    return call.listing(_plural(kind), [room.document() for room in rooms])


def joined(kind: Kind, call: Call) -> Document:
    """Return the rooms that the caller is in."""
    return call.listing(_plural(kind), [room.document() for room, _ in _own(call, kind)])


def messages(kind: Kind, call: Call) -> Document:
    """Return a page of messages, the newest first."""
    room = finding.room(call, kind)
    window = call.window()
    return _page(call.workspace.messages.page(room.id, window), window)


def history(kind: Kind, call: Call) -> Document:
    """Return messages of a stretch of time, the newest first."""
    room = finding.room(call, kind)
    window = call.window(
        oldest=_or(call.moment("oldest"), -1),
        latest=_or(call.moment("latest"), 1 << 62),
        inclusive=call.flag("inclusive"),
        replies=call.flag("showThreadMessages", default=True),
    )
    return {"messages": call.workspace.messages.page(room.id, window).items}


def members(kind: Kind, call: Call) -> Document:
    """Return who is in a room."""
    room = finding.room(call, kind)
    found = [
        call.workspace.accounts.get(user_id) for user_id in call.workspace.rooms.member_ids(room.id)
    ]
    people = sorted((user for user in found if user is not None), key=lambda user: user.username)
    online = call.workspace.online
    return call.listing("members", [public_document(it, online=online(it.id)) for it in people])


def counters(kind: Kind, call: Call) -> Document:
    """Return numbers about a room and the caller in it."""
    room = finding.room(call, kind)
    member = call.workspace.rooms.membership(room.id, call.user.id)
    return {
        "joined": member is not None,
        "members": room.members,
        "unreads": member.unread if member is not None else None,
        "msgs": room.messages,
        "userMentions": member.user_mentions if member is not None else None,
    }


def invite(kind: Kind, call: Call) -> Document:
    """Make others members."""
    room = finding.room(call, kind)
    rights, inside = call.workspace.rights, call.workspace.rooms.membership
    joined_already = inside(room.id, call.user.id) is not None
    anywhere = rights.has(call.user, f"add-user-to-any-{kind.value}-room", room.id)
    here = joined_already and rights.has(call.user, "add-user-to-joined-room", room.id)
    if not (anywhere or here):
        raise not_allowed()
    for user in finding.users(call):
        joining.add(call.workspace, room, user, by=call.user)
    return shown(kind, call.workspace.rooms.get(room.id) or room)


def kick(kind: Kind, call: Call) -> Document:
    """Take others out."""
    room = finding.room(call, kind)
    if not call.workspace.rights.has(call.user, "remove-user", room.id):
        raise not_allowed()
    for user in finding.users(call):
        joining.remove(call.workspace, room, user, by=call.user)
    return shown(kind, call.workspace.rooms.get(room.id) or room)


def leave(kind: Kind, call: Call) -> Document:
    """Leave a room."""
    room = finding.room(call, kind)
    if not call.workspace.rights.has(call.user, f"leave-{kind.value}", room.id):
        raise not_allowed()
    joining.remove(call.workspace, room, call.user)
    return shown(kind, call.workspace.rooms.get(room.id) or room)


def set_open(kind: Kind, call: Call, *, opened: bool) -> Document:
    """Show or hide a room in the caller's list."""
    room = finding.room(call, kind)
    member = call.workspace.rooms.membership(room.id, call.user.id)
    if member is None:
        raise failure(f"The user is not in the room {room.name or room.id}")
    if member.open is not opened:
        change = dataclasses.replace(member, open=opened)
        member = call.workspace.rooms.change_membership(change)
        call.workspace.events.membership(room, member)
    return {}


def delete(kind: Kind, call: Call) -> Document:
    """Delete a room with everything in it."""
    room = finding.room(call, kind)
    if not call.workspace.rights.has(call.user, f"delete-{kind.value}", room.id):
        raise not_allowed()
    if room.id == "GENERAL":
        raise refused("error-action-not-allowed", "Deleting room is not allowed")
    for member in call.workspace.rooms.remove(room):
        call.workspace.events.membership(room, member, action="removed")
        call.workspace.events.room(room, action="removed", to=[member.user_id])
    return {}


def set_role(role: str, given: bool, kind: Kind, call: Call) -> Document:
    """Give a member a role in the room, or take it."""
    room = finding.room(call, kind)
    if not call.workspace.rights.has(call.user, f"set-{role}", room.id):
        raise not_allowed()
    for user in finding.users(call):
        joining.set_role(call.workspace, room, user, role, given=given)
    return {}


def check_name(call: Call, name: str) -> None:
    """Refuse a name that is taken or that the workspace does not allow."""
    pattern = call.workspace.settings.text("UTF8_Channel_Names_Validation")
    if not joining.matches(pattern, name):
        text = f"{name} is not a valid room name."
        details = {"function": "RocketChat.getValidRoomName", "channel_name": name}
        raise refused("error-invalid-room-name", text, details)
    other = call.workspace.rooms.named(name)
    if other is not None and other.archived:
        text = f"There's an archived channel with name {name}"
        raise refused("error-archived-duplicate-name", text)
    if other is not None:
        text = f"A channel with name '{name}' exists"
        raise refused("error-duplicate-channel-name", text)


def _own(call: Call, kind: Kind) -> list[tuple[Room, User]]:
    rooms = call.workspace.rooms.memberships_of(call.user.id)
    return [(room, call.user) for room, _ in rooms if room.kind is kind]


def _plural(kind: Kind) -> str:
    return {Kind.CHANNEL: "channels", Kind.GROUP: "groups", Kind.DIRECT: "ims"}[kind]


def _page(page: Page, window: Window) -> Document:
    return {
        "messages": page.items,
        "count": len(page.items),
        "offset": window.offset,
        "total": page.total,
    }


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


READING: dict[str, Action] = {
    "info": info,
    "list": listing,
    "list.joined": joined,
    "messages": messages,
    "history": history,
    "members": members,
    "counters": counters,
}
WRITING: dict[str, Action] = {
    "invite": invite,
    "kick": kick,
    "leave": leave,
    "open": partial(set_open, opened=True),
    "close": partial(set_open, opened=False),
    "delete": delete,
}
WRITING |= {
    f"{verb}{role.title()}": partial(set_role, role, verb == "add")
    for role in ("owner", "moderator", "leader")
    for verb in ("add", "remove")
}
