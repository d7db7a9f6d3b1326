"""What is told live: messages, deletions, rooms, memberships, activity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.kept.accounts import Accounts
from lab.standins.rocketchat.kept.people import User
from lab.standins.rocketchat.kept.places import Membership, Room
from lab.standins.rocketchat.kept.rooms import Rooms
from lab.standins.rocketchat.modes import Modes
from lab.standins.rocketchat.realtime.streams import (
    MY_MESSAGES,
    NOTIFY_ROOM,
    NOTIFY_USER,
    ROOM_MESSAGES,
    Listener,
    Streams,
    changed_frame,
)
from lab.standins.rocketchat.rules.rights import Rights


class Events:
    """Tells those who listen and may know."""

    def __init__(
        self,
        streams: Streams,
        *,
        accounts: Accounts,
        rooms: Rooms,
        rights: Rights,
        modes: Callable[[], Modes],
    ) -> None:
        self._streams, self._accounts, self._rooms = streams, accounts, rooms
        self._rights, self._modes = rights, modes

    def message(self, room: Room, message: Document) -> None:
        """Tell a new or changed message."""
        members = self._rooms.member_ids(room.id)
        allowed = self._allowed(room, members)
        for _ in range(1 + self._modes().repeat_emissions):
            self._streams.emit(ROOM_MESSAGES, room.id, [message], allowed=allowed)
            self._my_messages(room, message, members, allowed)

    def deleted(self, room: Room, message_id: str) -> None:
        """Tell that a message is gone."""
        event = f"{room.id}/deleteMessage"
        self._streams.emit(NOTIFY_ROOM, event, [{"_id": message_id}], allowed=self._allowed(room))

    def room(self, room: Room, *, action: str = "updated", to: Iterable[str] | None = None) -> None:
        """Tell the members, or those named, that a room changed."""
        document = room.document()
        for user_id in self._rooms.member_ids(room.id) if to is None else to:
            self.user(user_id, "rooms-changed", [action, document])

    def membership(self, room: Room, member: Membership, *, action: str = "updated") -> None:
        """Tell a user that their view of a room changed."""
        user = self._accounts.get(member.user_id)
        if user is not None:
            arguments = [action, member.document(room, user)]
            self.user(user.id, "subscriptions-changed", arguments)

    def user(self, user_id: str, event: str, arguments: Sequence[object]) -> None:
        """Tell one user something."""
        self._streams.emit(NOTIFY_USER, f"{user_id}/{event}", arguments)

    def activity(
        self, room: Room, user: User, activities: list[str], *, source: Listener | None
    ) -> None:
        """Tell what somebody is doing, in the present and in the older form."""
        allowed = self._allowed(room)
        for event, arguments in (
            ("user-activity", [user.username, activities, {}]),
            ("typing", [user.username, "user-typing" in activities]),
        ):
            self._streams.emit(
                NOTIFY_ROOM, f"{room.id}/{event}", arguments, allowed=allowed, skip=source
            )

    def _my_messages(
        self,
        room: Room,
        message: Document,
        members: frozenset[str],
        allowed: Callable[[str | None], bool],
    ) -> None:
        frames: dict[bool, str] = {}
        for subscription in self._streams.of(ROOM_MESSAGES, MY_MESSAGES):
            user_id = subscription.listener.user_id
            if not allowed(user_id):
                continue
            takes_part = user_id in members
            if takes_part not in frames:
                extra = {"roomParticipant": takes_part, "roomType": room.kind.value}
                if room.name:
                    extra["roomName"] = room.name
                frames[takes_part] = changed_frame(ROOM_MESSAGES, MY_MESSAGES, [message, extra])
            subscription.listener.push(frames[takes_part])

    def _allowed(
        self, room: Room, members: frozenset[str] | None = None
    ) -> Callable[[str | None], bool]:
        """Return who may know what happens in a room, now."""
        inside = self._rooms.member_ids(room.id) if members is None else members

        def allowed(user_id: str | None) -> bool:
            user = self._accounts.get(user_id) if user_id is not None else None
            return (
                user is not None
                and user.active
                and self._rights.sees(user, room, member=user.id in inside)
            )

        return allowed
