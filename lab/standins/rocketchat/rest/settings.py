"""REST: settings, permissions and roles."""

from __future__ import annotations

import dataclasses
from typing import Any

from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import failure, forbidden, invalid, refused
from lab.standins.rocketchat.kept.people import User, full_document
from lab.standins.rocketchat.rest.calls import Call, Registry, missing
from lab.standins.rocketchat.rules import joining

IN_ROOMS = "Subscriptions"


def register(registry: Registry) -> None:
    """Register the calls."""
    registry.get("settings.public", public, login=False)
    registry.get("settings", listing, permission="view-privileged-setting")
    registry.post("settings", put_many, permission="edit-privileged-setting", second_factor=True)
    registry.get("settings", get, parts=1, permission="view-privileged-setting")
    registry.post(
        "settings", put, parts=1, permission="edit-privileged-setting", second_factor=True
    )
    registry.get("permissions.listAll", permissions)
    registry.post("permissions.update", update_permissions, permission="access-permissions")
    registry.get("roles.list", roles)
    registry.get("roles.getUsersInPublicRoles", users_in_public_roles)
    registry.get("roles.getUsersInRole", users_in_role, permission="access-permissions")
    registry.post("roles.addUserToRole", add_to_role)
    registry.post("roles.removeUserFromRole", remove_from_role, permission="access-permissions")


def public(call: Call) -> Document:
    """Return settings that strangers may read: those named in `_id`, or all."""
    settings = call.workspace.settings
    wanted = (call.optional_text("_id") or "").split(",")
    names = settings.names(public=True)
    if any(wanted):
        names = [name for name in names if name in wanted]
    found: list[Document] = [{"_id": name, "value": settings.value(name)} for name in names]
    return call.listing("settings", found)


def listing(call: Call) -> Document:
    """Return all settings."""
    settings = call.workspace.settings
    found: list[Document] = [
        {"_id": name, "value": settings.value(name)} for name in settings.names(public=False)
    ]
    return call.listing("settings", found)


def get(call: Call) -> Document:
    """Return one setting."""
    name = call.parts[0]
    if name not in call.workspace.settings:
        raise failure()
    return {"_id": name, "value": call.workspace.settings.value(name)}


def put(call: Call) -> Document:
    """Change one setting."""
    if "value" not in call.values:
        raise missing("value")
    _put(call, call.parts[0], call.values["value"])
    return {}


def put_many(call: Call) -> Document:
    """Change several settings, all or none."""
    wanted = call.values.get("settings")
    if not isinstance(wanted, list):
        raise missing("settings") if wanted is None else invalid("must be array")
    with call.workspace.store.transaction():
        for item in wanted:
            if not isinstance(item, dict) or not isinstance(item.get("_id"), str):
                raise invalid("must have required property '_id'")
            _check(call, item["_id"], item.get("value"))
        for item in wanted:
            _put(call, item["_id"], item.get("value"))
    return {}


def permissions(call: Call) -> Document:
    """Return the permissions that changed since a time, or all."""
    since = call.moment("updatedSince") or 0
    return {"update": call.workspace.permissions.all(since=since), "remove": []}


def update_permissions(call: Call) -> Document:
    """Say which roles hold which permissions."""
    wanted = call.values.get("permissions")
    if not isinstance(wanted, list) or not wanted:
        raise invalid("Invalid body params.", "error-invalid-params")
    for item in wanted:
        _check_permission(call, item)
    with call.workspace.store.transaction():
        for item in wanted:
            call.workspace.permissions.put(item["_id"], item["roles"])
    return {"permissions": call.workspace.permissions.all()}


def roles(call: Call) -> Document:
    """Return all roles."""
    return {"roles": call.workspace.permissions.roles()}


def users_in_public_roles(call: Call) -> Document:
    """Return who has a role that everybody may know of: one with a description."""
    public_roles = {
        role["_id"]
        for role in call.workspace.permissions.roles()
        if role["scope"] != IN_ROOMS and role["description"]
    }
    found: list[Document] = []
    for user in call.workspace.accounts:
        known = [role for role in user.roles if role in public_roles]
        if known:
            found.append({"_id": user.id, "username": user.username, "roles": known})
    return {"users": found}


def users_in_role(call: Call) -> Document:
    """Return who has a role."""
    role = call.text("role")
    if call.workspace.permissions.role(role) is None:
        raise refused("error-invalid-roleId", "Invalid role")
    room_id, rooms = call.optional_text("roomId"), call.workspace.rooms
    found = []
    for user in call.workspace.accounts:
        member = rooms.membership(room_id, user.id) if room_id else None
        if role in user.roles or (member is not None and role in member.roles):
            found.append(full_document(user, online=call.workspace.online(user.id)))
    return call.listing("users", found)


def add_to_role(call: Call) -> Document:
    """Give a user a role, everywhere or in one room."""
    if not call.workspace.rights.has(call.user, "access-permissions"):
        raise forbidden()
    role, user = _role(call), _user(call)
    if role["_id"] == "admin" and not call.workspace.rights.has(call.user, "assign-admin-role"):
        raise refused("error-action-not-allowed", "Assigning admin is not allowed")
    if role["scope"] == IN_ROOMS:
        _set_in_room(call, user, role, given=True)
    elif role["_id"] in user.roles:
        raise refused("error-user-already-in-role", "User already in role")
    else:
        user = dataclasses.replace(user, roles=(*user.roles, role["_id"]))
        call.workspace.accounts.change(user)
    return {"role": role}


def remove_from_role(call: Call) -> Document:
    """Take a role from a user."""
    role, user = _role(call), _user(call)
    if role["scope"] == IN_ROOMS:
        _set_in_room(call, user, role, given=False)
        return {"role": role}
    if role["_id"] not in user.roles:
        raise refused("error-user-not-in-role", "User is not in this role")
    admins = [it for it in call.workspace.accounts if "admin" in it.roles]
    if role["_id"] == "admin" and len(admins) == 1:
        raise refused("error-admin-required", "You need at least one admin")
    kept = tuple(name for name in user.roles if name != role["_id"])
    call.workspace.accounts.change(dataclasses.replace(user, roles=kept))
    return {"role": role}


def _set_in_room(call: Call, user: User, role: Document, *, given: bool) -> None:
    room_id = call.optional_text("roomId") or call.optional_text("scope")
    room = call.workspace.rooms.get(room_id) if room_id else None
    if room is None:
        raise refused("error-invalid-room", "Invalid room")
    joining.set_role(call.workspace, room, user, role["_id"], given=given)


def _role(call: Call) -> Document:
    role = call.workspace.permissions.role(call.text("roleId"))
    if role is None:
        raise refused("error-invalid-role-properties", "The role id is invalid.")
    return role


def _user(call: Call) -> User:
    user = call.workspace.accounts.named(call.text("username"))
    if user is None:
        text = 'The required "userId" or "username" param provided does not match any users'
        raise refused("error-invalid-user", text)
    return user


def _check(call: Call, name: str, value: object) -> None:
    settings = call.workspace.settings
    if name not in settings:
        raise failure()
    problem = settings.why_not(name, value)
    if problem is not None:
        raise invalid(problem, "error-invalid-setting-value")


def _put(call: Call, name: str, value: Any) -> None:  # noqa: ANN401 - checked against the setting
    _check(call, name, value)
    call.workspace.settings.put(name, value)


def _check_permission(call: Call, item: object) -> None:
    if not isinstance(item, dict) or not isinstance(item.get("_id"), str):
        raise invalid("Invalid body params.", "error-invalid-params")
    roles_wanted = item.get("roles")
    if not isinstance(roles_wanted, list) or not all(isinstance(it, str) for it in roles_wanted):
        raise invalid("Invalid body params.", "error-invalid-params")
    if item["_id"] not in call.workspace.permissions:
        raise refused("error-invalid-permission", "Invalid permission")
    if any(call.workspace.permissions.role(role) is None for role in roles_wanted):
        raise refused("error-invalid-role", "Invalid role")
