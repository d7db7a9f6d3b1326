"""Roles and permissions: who may do what, everywhere and in one room."""

from __future__ import annotations

from collections.abc import Callable, Collection

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.kept.store import Store

# Role: scope and description. Those with scope Subscriptions are given in one room.
ROLES = {
    "admin": ("Users", "Admin"),
    "moderator": ("Subscriptions", "Moderator"),
    "leader": ("Subscriptions", "Leader"),
    "owner": ("Subscriptions", "Owner"),
    "user": ("Users", ""),
    "bot": ("Users", ""),
    "app": ("Users", ""),
    "guest": ("Users", ""),
    "anonymous": ("Users", ""),
}

# The product's defaults, for the permissions that this server looks at or that roles often set.
_ADMIN_ONLY = (
    "access-permissions access-setting-permissions add-user-to-any-c-room assign-admin-role "
    "assign-roles clean-channel-history create-user delete-d delete-user edit-other-user-active-"
    "status edit-other-user-avatar edit-other-user-info edit-other-user-password "
    "edit-privileged-setting get-server-info kick-user-from-any-c-room logout-other-user "
    "manage-apps manage-cloud manage-incoming-integrations manage-outgoing-integrations "
    "manage-own-incoming-integrations manage-own-outgoing-integrations manage-selected-settings "
    "test-admin-options unarchive-room user-generate-access-token view-full-other-user-info "
    "view-logs view-other-user-channels view-privileged-setting view-room-administration "
    "view-statistics view-user-administration"
)
_OTHERS = {
    "add-user-to-any-p-room": "",
    "add-user-to-joined-room": "admin owner moderator",
    "api-bypass-rate-limit": "admin bot app",
    "archive-room": "admin owner",
    "ban-user": "admin owner moderator",
    "bypass-time-limit-edit-and-delete": "bot app",
    "call-management": "admin owner moderator user",
    "create-c": "admin user bot app",
    "create-d": "admin user bot app",
    "create-p": "admin user bot app",
    "create-personal-access-tokens": "admin user",
    "create-team": "admin user",
    "delete-c": "admin owner",
    "delete-message": "admin owner moderator",
    "delete-own-message": "admin user",
    "delete-p": "admin owner",
    "edit-message": "admin owner moderator",
    "edit-room": "admin owner moderator",
    "force-delete-message": "admin owner",
    "join-without-join-code": "admin bot app",
    "kick-user-from-any-p-room": "",
    "leave-c": "admin user bot anonymous app",
    "leave-p": "admin user bot anonymous app",
    "mention-all": "admin owner moderator user",
    "mention-here": "admin owner moderator user",
    "message-impersonate": "bot app",
    "mobile-upload-file": "user admin",
    "mute-user": "admin owner moderator",
    "pin-message": "owner moderator admin",
    "post-readonly": "admin owner moderator",
    "preview-c-room": "admin user anonymous",
    "remove-user": "admin owner moderator",
    "send-many-messages": "admin bot app",
    "set-leader": "admin owner",
    "set-moderator": "admin owner",
    "set-owner": "admin owner",
    "set-react-when-readonly": "admin owner",
    "set-readonly": "admin owner",
    "start-discussion": "admin user guest app",
    "videoconf-ring-users": "admin owner moderator user",
    "view-c-room": "admin user bot app anonymous",
    "view-d-room": "admin user bot app guest",
    "view-joined-room": "guest bot app anonymous",
    "view-outside-room": "admin owner moderator user",
    "view-p-room": "admin user anonymous guest",
}
DEFAULTS = dict.fromkeys(_ADMIN_ONLY.split(), ("admin",)) | {
    name: tuple(roles.split()) for name, roles in _OTHERS.items()
}


class Permissions:
    """Which role holds which permission; written through to the store."""

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store, self._now_ms = store, now_ms
        with store.transaction():
            for name, roles in DEFAULTS.items():
                store.write(
                    "INSERT OR IGNORE INTO permissions (id, roles, updated) VALUES (?, ?, ?)",
                    (name, ejson.encode(list(roles)), now_ms()),
                )
            for name, (scope, description) in ROLES.items():
                document = {"_id": name, "name": name, "scope": scope, "protected": True}
                document |= {"description": description, "_updatedAt": ejson.date(now_ms())}
                store.write(
                    "INSERT OR IGNORE INTO roles (id, doc) VALUES (?, ?)",
                    (name, ejson.encode(document)),
                )
        rows = store.all("SELECT id, roles FROM permissions")
        self._roles = {row[0]: frozenset(ejson.decode(row[1])) for row in rows}

    def __contains__(self, name: object) -> bool:
        return name in self._roles

    def granted(self, roles: Collection[str], permission: str) -> bool:
        """Tell whether one of the roles holds a permission; an unknown permission is nobody's."""
        return not self._roles.get(permission, frozenset()).isdisjoint(roles)

    def roles(self) -> list[Document]:
        """Return all roles."""
        rows = self._store.all("SELECT doc FROM roles ORDER BY id")
        return [ejson.decode(row[0]) for row in rows]

    def role(self, name: str) -> Document | None:
        """Return a role by its id."""
        row = self._store.one("SELECT doc FROM roles WHERE id = ?", (name,))
        return None if row is None else ejson.decode(row[0])

    def all(self, *, since: int = 0) -> list[Document]:
        """Return the permissions that changed after `since` (milliseconds)."""
        rows = self._store.all(
            "SELECT id, roles, updated FROM permissions WHERE updated > ? ORDER BY id", (since,)
        )
        return [
            {"_id": name, "roles": ejson.decode(roles), "_updatedAt": ejson.date(updated)}
            for name, roles, updated in rows
        ]

    def put(self, name: str, roles: Collection[str]) -> None:
        """Say which roles hold a permission that exists."""
        self._roles[name] = frozenset(roles)
        self._store.write(
            "UPDATE permissions SET roles = ?, updated = ? WHERE id = ?",
            (ejson.encode(list(roles)), self._now_ms(), name),
        )
