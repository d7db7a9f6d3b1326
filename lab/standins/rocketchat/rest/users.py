"""REST: users and their tokens."""

from __future__ import annotations

import dataclasses
import hmac
import re
from collections.abc import Mapping
from typing import Any

from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import failure, forbidden, invalid, not_allowed, refused
from lab.standins.rocketchat.kept.accounts import PERSONAL
from lab.standins.rocketchat.kept.people import User, full_document, public_document
from lab.standins.rocketchat.rest.calls import Call, Registry, missing, too_short
from lab.standins.rocketchat.rules import joining, talk

EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
ADMINISTRATION = "view-full-other-user-info"


def register(registry: Registry) -> None:
    """Register the calls."""
    registry.post("users.create", create, permission="create-user")
    registry.get("users.info", info)
    registry.get("users.list", listing)
    registry.post("users.update", update, second_factor=True)
    registry.post("users.delete", delete, permission="delete-user")
    registry.post("users.setActiveStatus", set_active)
    registry.get("users.getPresence", presence)
    registry.get("users.getStatus", presence)
    registry.post("users.setStatus", set_status)
    registry.get("users.getPreferences", preferences)
    registry.post("users.setPreferences", set_preferences)
    registry.get("users.autocomplete", autocomplete)
    registry.post("users.logoutOtherClients", log_others_out)
    registry.post("users.createToken", create_token)
    registry.get("users.getPersonalAccessTokens", personal_tokens)
    for name, handler in (
        ("generate", generate_personal),
        ("regenerate", regenerate_personal),
        ("remove", remove_personal),
    ):
        registry.post(
            f"users.{name}PersonalAccessToken",
            handler,
            permission="create-personal-access-tokens",
            second_factor=True,
        )


def shown(call: Call, user: User) -> Document:
    """Return a user as the caller may see them."""
    online = call.workspace.online(user.id)
    if user.id == call.user.id or call.workspace.rights.has(call.user, ADMINISTRATION):
        return full_document(user, online=online)
    return public_document(user, online=online)


def target(call: Call) -> User:
    """Return the user that a call is about, by `userId`, `username`, `user` or `email`."""
    accounts = call.workspace.accounts
    user_id, email = call.optional_text("userId"), call.optional_text("email")
    username = call.optional_text("username") or call.optional_text("user")
    if not user_id and not username and not email:
        text = 'The required "userId" or "username" param was not provided'
        raise invalid(text, "error-user-param-not-provided")
    if user_id:
        user = accounts.get(user_id)
    else:
        user = accounts.named(username) if username else accounts.with_email(email or "")
    if user is None:
        raise failure("User not found.")
    return user


def create(call: Call) -> Document:
    """Make a user; they join the default channels unless told otherwise."""
    values = {name: call.text(name) for name in ("username", "email", "name", "password")}
    password = values.pop("password")
    user = _changed(call, User(id="", created=0, username="", roles=("user",)), values)
    user = _changed(call, user, call.values)
    with call.workspace.store.transaction():
        user = call.workspace.accounts.add(user, password)
        if call.flag("joinDefaultChannels", default=True):
            joining.join_defaults(call.workspace, user)
    return {"user": shown(call, user)}


def info(call: Call) -> Document:
    """Return one user."""
    user = target(call)
    document = shown(call, user)
    if call.flag("includeUserRooms"):
        rooms = call.workspace.rooms.memberships_of(user.id)
        document["rooms"] = [
            {"_id": member.id, "rid": room.id, "name": member.name, "t": room.kind.value}
            for room, member in rooms
        ]
    return {"user": document}


def listing(call: Call) -> Document:
    """Return all users."""
    everybody = sorted(call.workspace.accounts, key=lambda user: user.username.lower())
    return call.listing("users", [shown(call, user) for user in everybody])


def update(call: Call) -> Document:
    """Change a user: the caller's own data, or anybody's with the permission."""
    user = call.workspace.accounts.get(call.text("userId"))
    data = call.document("data")
    if data is None:
        raise missing("data")
    rights = call.workspace.rights
    if not rights.has(call.user, "edit-other-user-info"):
        raise not_allowed("Editing user is not allowed", "error-action-not-allowed")
    if user is None:
        raise failure("User not found.")
    changed = call.workspace.accounts.change(_changed(call, user, data))
    password = data.get("password")
    if password is not None:
        if not isinstance(password, str):
            raise invalid("must be string")
        call.workspace.accounts.set_password(user, password)
    return {"user": shown(call, changed)}


def delete(call: Call) -> Document:
    """Delete a user and what they wrote."""
    workspace, user = call.workspace, target(call)
    if user.id == call.user.id:
        raise refused("error-action-not-allowed", "Not allowed to delete yourself")
    with workspace.store.transaction():
        for message in workspace.messages.of_user(user.id):
            talk.erase(workspace, talk.room_of(workspace, message), message)
        for room, member in workspace.rooms.memberships_of(user.id):
            joining.end_membership(workspace, room, member)
        workspace.accounts.remove(user)
    workspace.events.user(user.id, "force_logout", [])
    return {"deletedRooms": []}


def set_active(call: Call) -> Document:
    """Let a user in, or keep them out."""
    workspace = call.workspace
    user = workspace.accounts.get(call.text("userId"))
    active = call.optional_flag("activeStatus")
    if active is None:
        raise missing("activeStatus")
    if not workspace.rights.has(call.user, "edit-other-user-active-status"):
        raise forbidden()
    if user is None:
        raise failure("User not found.")
    user = workspace.accounts.change(dataclasses.replace(user, active=active))
    if not active:
        workspace.accounts.revoke_all(user)
        workspace.events.user(user.id, "force_logout", [])
        workspace.sockets.end_of(user.id)
    return {"user": {"_id": user.id, "active": user.active}}


def presence(call: Call) -> Document:
    """Tell whether a user is there."""
    named = any(call.values.get(key) for key in ("userId", "username", "user"))
    user = target(call) if named else call.user
    online = call.workspace.online(user.id)
    return {
        "_id": user.id,
        "presence": user.default_status if online else "offline",
        "status": user.default_status if online else "offline",
        "connectionStatus": "online" if online else "offline",
        "message": user.status_text,
    }


def set_status(call: Call) -> Document:
    """Set what the caller says of themselves."""
    status = call.optional_text("status") or call.user.default_status
    if status not in {"online", "away", "busy", "offline"}:
        text = "Valid status types include online, away, offline, and busy."
        raise refused("error-invalid-status", text)
    message = call.optional_text("message")
    text = call.user.status_text if message is None else message
    user = dataclasses.replace(call.user, status_text=text, default_status=status)
    call.workspace.accounts.change(user)
    return {}


def preferences(call: Call) -> Document:
    """Return the caller's preferences."""
    return {"preferences": call.user.preferences}


def set_preferences(call: Call) -> Document:
    """Change the caller's preferences."""
    data = call.document("data")
    if data is None:
        raise missing("data")
    user = dataclasses.replace(call.user, preferences=call.user.preferences | data)
    user = call.workspace.accounts.change(user)
    return {"user": {"_id": user.id, "settings": {"preferences": user.preferences}}}


def autocomplete(call: Call) -> Document:
    """Return active users whose name contains a term: `selector={"term": "…"}`."""
    selector = call.values.get("selector", "")
    found = re.search(r'"term"\s*:\s*"([^"]*)"', selector) if isinstance(selector, str) else None
    term = found.group(1).lower() if found else ""
    items = [
        user.short | {"nickname": "", "status": "online", "statusText": user.status_text}
        for user in call.workspace.accounts
        if user.active and (term in user.username.lower() or term in user.name.lower())
    ]
    return {"items": items[:20]}


def log_others_out(call: Call) -> Document:
    """Forget the caller's other login tokens."""
    if call.caller is not None:
        call.workspace.accounts.revoke(call.user, keep=call.caller.token.hash)
    return {"token": call.request.headers.get("X-Auth-Token", ""), "tokenExpires": ""}


def create_token(call: Call) -> Document:
    """Make a login token for another user, who knows the secret from the environment."""
    workspace, user_id, secret = call.workspace, call.text("userId"), call.text("secret")
    expected = workspace.config.tokens_secret
    allowed = workspace.rights.has(call.user, "user-generate-access-token")
    right = bool(expected) and hmac.compare_digest(secret.encode(), expected.encode())
    if not allowed or not right:
        raise not_allowed("Not authorized", "error-not-authorized")
    user = workspace.accounts.get(user_id)
    if user is None:
        raise refused("error-invalid-user", "Invalid user")
    days = workspace.settings.number("Accounts_LoginExpiration")
    return {"data": {"userId": user.id, "authToken": workspace.accounts.issue(user, days=days)}}


def personal_tokens(call: Call) -> Document:
    """Return the caller's personal access tokens, without their secrets."""
    return {"tokens": call.workspace.accounts.personal_tokens(call.user)}


def generate_personal(call: Call) -> Document:
    """Make a personal access token."""
    name, accounts = call.text("tokenName"), call.workspace.accounts
    if any(token["name"] == name for token in accounts.personal_tokens(call.user)):
        raise refused("error-token-already-exists", "A token with this name already exists")
    bypass = call.flag("bypassTwoFactor")
    token = accounts.issue(call.user, PERSONAL, name=name, bypass_second_factor=bypass)
    return {"token": token}


def regenerate_personal(call: Call) -> Document:
    """Replace a personal access token."""
    _remove_personal(call)
    return generate_personal(call)


def remove_personal(call: Call) -> Document:
    """Remove a personal access token."""
    _remove_personal(call)
    return {}


def _remove_personal(call: Call) -> None:
    if not call.workspace.accounts.remove_personal(call.user, call.text("tokenName")):
        raise refused("error-token-does-not-exists", "Token does not exist")


def _changed(call: Call, user: User, data: Mapping[str, Any]) -> User:
    """Return a user with what a call says of them; refuses what makes no sense."""
    changes: dict[str, Any] = {}
    for name, kind in (("username", str), ("name", str), ("email", str), ("statusText", str)):
        if data.get(name) is not None:
            changes[name.replace("statusText", "status_text")] = _typed(data[name], kind)
    for name, key in (
        ("verified", "verified"),
        ("active", "active"),
        ("requirePasswordChange", "password_change_required"),
    ):
        if data.get(name) is not None:
            changes[key] = _typed(data[name], bool)
    if data.get("customFields") is not None:
        changes["custom_fields"] = _typed(data["customFields"], dict)
    if data.get("roles") is not None:
        changes["roles"] = _roles(call, _typed(data["roles"], list))
    changed = dataclasses.replace(user, **changes)
    _check_names(call, changed, changes)
    return changed


def _typed(value: Any, kind: type) -> Any:  # noqa: ANN401 - it is what was sent
    words = {str: "string", bool: "boolean", dict: "object", list: "array"}
    if not isinstance(value, kind):
        raise invalid(f"must be {words[kind]}")
    return value


def _roles(call: Call, roles: list[object]) -> tuple[str, ...]:
    for role in roles:
        if not isinstance(role, str):
            raise invalid("must be string")
        if call.workspace.permissions.role(role) is None:
            raise refused("error-invalid-role", f'Invalid role "{role}"')
    if not call.workspace.rights.has(call.user, "assign-roles"):
        raise not_allowed("Assigning roles is not allowed", "error-action-not-allowed")
    return tuple(dict.fromkeys(str(role) for role in roles))


def _blocked_names(call: Call) -> set[str]:
    """Return the names that nobody can have; the product's own list blocks `user`."""
    settings = call.workspace.settings
    blocked = settings.words("Accounts_SystemBlockedUsernameList")
    blocked += settings.words("Accounts_BlockedUsernameList")
    return {"all", "here", *(name.lower() for name in blocked)}


def _check_names(call: Call, user: User, changes: Mapping[str, object]) -> None:
    if any(changes.get(name) == "" for name in ("username", "name")):
        raise too_short()
    pattern = call.workspace.settings.text("UTF8_User_Names_Validation")
    if "username" in changes and not joining.matches(pattern, user.username):
        text = f"{user.username} is not a valid username, use only letters, numbers, dots, hyphens"
        raise refused("error-input-is-not-a-valid-field", text)
    if "username" in changes and user.username.lower() in _blocked_names(call):
        raise refused("error-blocked-username", f"{user.username} is blocked and can't be used!")
    if "email" in changes and user.email and not EMAIL.fullmatch(user.email):
        raise refused("error-invalid-email", f"Invalid email {user.email}")
