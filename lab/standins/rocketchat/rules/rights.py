"""Who may see, write and change what; answers are None or the refusal to raise."""

from __future__ import annotations

from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import ApiError, failure, not_allowed
from lab.standins.rocketchat.kept.people import User
from lab.standins.rocketchat.kept.places import Room
from lab.standins.rocketchat.kept.rooms import Rooms
from lab.standins.rocketchat.kept.settings import Settings
from lab.standins.rocketchat.rules.permissions import Permissions

MINUTE_MS = 60_000


class Rights:
    """Joins permissions with memberships."""

    def __init__(self, permissions: Permissions, rooms: Rooms, settings: Settings) -> None:
        self._permissions, self._rooms, self._settings = permissions, rooms, settings

    def has(self, user: User, permission: str, room_id: str | None = None) -> bool:
        """Tell whether a user holds a permission, by their own roles or those in a room."""
        if self._permissions.granted(user.roles, permission):
            return True
        member = self._rooms.membership(room_id, user.id) if room_id else None
        return member is not None and self._permissions.granted(member.roles, permission)

    def sees(self, user: User, room: Room, *, member: bool | None = None) -> bool:
        """Tell whether a user may read a room; `member` saves a look-up when it is known."""
        granted = self._permissions.granted
        if room.kind.value == "c" and granted(user.roles, "view-c-room"):
            return True
        if member is None:
            member = self._rooms.membership(room.id, user.id) is not None
        return member and (
            granted(user.roles, "view-joined-room")
            or granted(user.roles, f"view-{room.kind.value}-room")
        )

    def why_not_send(self, user: User, room: Room) -> ApiError | None:
        """Return why a user may not write in a room."""
        if not self.sees(user, room):
            return not_allowed("error-not-allowed", "")
        if room.archived:
            return failure("room_is_archived")
        if (
            room.read_only
            and user.username not in room.unmuted
            and not self.has(user, "post-readonly", room.id)
        ):
            return failure("You can't send messages because the room is readonly.")
        return failure("You_have_been_muted") if user.username in room.muted else None

    def why_not_edit(self, user: User, message: Document, now_ms: int) -> ApiError | None:
        """Return why a user may not change the text of a message."""
        if self.has(user, "edit-message", message["rid"]):
            return None
        own = message["u"]["_id"] == user.id
        if not own or not self._settings.flag("Message_AllowEditing"):
            return not_allowed("Message editing not allowed", "error-action-not-allowed")
        minutes = self._settings.number("Message_AllowEditing_BlockEditInMinutes")
        if self._too_late(user, message, now_ms, minutes):
            return not_allowed("Message editing is blocked", "error-message-editing-blocked")
        return None

    def why_not_delete(self, user: User, message: Document, now_ms: int) -> ApiError | None:
        """Return why a user may not delete a message."""
        room_id = message["rid"]
        if self.has(user, "force-delete-message", room_id):
            return None
        refusal = not_allowed("Not allowed", "error-action-not-allowed")
        if not self._settings.flag("Message_AllowDeleting"):
            return refusal
        own = message["u"]["_id"] == user.id and self.has(user, "delete-own-message", room_id)
        if not own and not self.has(user, "delete-message", room_id):
            return refusal
        minutes = self._settings.number("Message_AllowDeleting_BlockDeleteInMinutes")
        return refusal if self._too_late(user, message, now_ms, minutes) else None

    def _too_late(self, user: User, message: Document, now_ms: int, minutes: int) -> bool:
        late = minutes > 0 and now_ms - message["ts"]["$date"] > minutes * MINUTE_MS
        return late and not self.has(user, "bypass-time-limit-edit-and-delete", message["rid"])
