"""Coming and going: who is in a room, and with which roles there."""

from __future__ import annotations

import dataclasses
import re

from lab.standins.rocketchat.errors import refused
from lab.standins.rocketchat.kept.people import User
from lab.standins.rocketchat.kept.places import Kind, Membership, Room
from lab.standins.rocketchat.kept.rooms import direct_id
from lab.standins.rocketchat.rules import talk
from lab.standins.rocketchat.workspace import Workspace

DIRECT_MAX = 10


def matches(pattern: str, name: str) -> bool:
    """Tell whether a name is of the form that a setting demands."""
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error:
        return re.fullmatch("[0-9a-zA-Z-_.]+", name) is not None


def add(
    workspace: Workspace,
    room: Room,
    user: User,
    *,
    by: User | None = None,
    roles: tuple[str, ...] = (),
    quiet: bool = False,
) -> None:
    """Make a user a member and say so in the room; nothing happens if they are one."""
    if workspace.rooms.membership(room.id, user.id) is not None:
        return
    member = workspace.rooms.join(room, user, roles=roles)
    room = _counted(workspace, room.id)
    workspace.events.membership(room, member, action="inserted")
    workspace.events.room(room, action="inserted", to=[user.id])
    if quiet or room.kind is Kind.DIRECT:
        return
    if by is None or by.id == user.id:
        talk.system(workspace, room, user, "uj", user.username)
    else:
        talk.system(workspace, room, by, "au", user.username)


def remove(workspace: Workspace, room: Room, user: User, *, by: User | None = None) -> None:
    """End a membership and say so in the room."""
    member = workspace.rooms.membership(room.id, user.id)
    if member is None:
        raise refused("error-user-not-in-room", "User is not in this room")
    if "owner" in member.roles and len(owners(workspace, room)) == 1:
        text = "You are the last owner. Please set new owner before leaving the room."
        raise refused("error-you-are-last-owner", text)
    if by is None:
        talk.system(workspace, room, user, "ul", user.username)
    else:
        talk.system(workspace, room, by, "ru", user.username)
    end_membership(workspace, room, member)


def end_membership(workspace: Workspace, room: Room, member: Membership) -> None:
    """End a membership without a word."""
    workspace.rooms.leave(member)
    room = _counted(workspace, room.id)
    workspace.events.membership(room, member, action="removed")
    workspace.events.room(room, action="removed", to=[member.user_id])


def join_defaults(workspace: Workspace, user: User) -> None:
    """Make a new user a member of the default channels."""
    for room in workspace.rooms.all(Kind.CHANNEL):
        if room.default and not room.archived:
            add(workspace, room, user)


def owners(workspace: Workspace, room: Room) -> list[Membership]:
    """Return the memberships with the role owner."""
    return [it for it in workspace.rooms.memberships_in(room.id) if "owner" in it.roles]


def set_role(workspace: Workspace, room: Room, user: User, role: str, *, given: bool) -> None:
    """Give a member a role in the room, or take it."""
    member = workspace.rooms.membership(room.id, user.id)
    if member is None:
        raise refused("error-user-not-in-room", "User is not in this room")
    if given and role in member.roles:
        raise refused(f"error-user-already-{role}", f"User is already an {role}")
    if not given and role not in member.roles:
        raise refused(f"error-user-not-{role}", f"User is not an {role}")
    roles = [it for it in member.roles if it != role] + ([role] if given else [])
    member = workspace.rooms.change_membership(dataclasses.replace(member, roles=tuple(roles)))
    workspace.events.membership(room, member)


def direct(workspace: Workspace, users: list[User]) -> Room:
    """Return the room between some people; it is made when it is asked for first."""
    unique = list({user.id: user for user in users}.values())
    if len(unique) > DIRECT_MAX:
        raise refused("error-direct-message-max-user-exceeded", "You cannot add more users")
    room = workspace.rooms.get(direct_id(unique))
    if room is None:
        room = workspace.rooms.add(
            Room(
                id=direct_id(unique),
                kind=Kind.DIRECT,
                user_ids=tuple(user.id for user in unique),
                usernames=tuple(user.username for user in unique),
                creator=unique[0].short,
            )
        )
    for user in unique:
        add(workspace, room, user, quiet=True)
    return workspace.rooms.get(room.id) or room


def _counted(workspace: Workspace, room_id: str) -> Room:
    """Write how many members a room has, and return it as it is now."""
    room = workspace.rooms.get(room_id)
    if room is None:
        raise refused("error-invalid-room", "Invalid room")
    members = len(workspace.rooms.member_ids(room_id))
    return workspace.rooms.change(dataclasses.replace(room, members=members))
