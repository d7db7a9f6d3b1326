"""Rocket.Chat over REST: reading what was missed, and every write.

Errors of all methods: TransientError (no answer, 5xx, 429 with `retry_after` in seconds) and
RefusedError (a PermanentError whose `code` says why; `unauthorized` whenever the token is refused).
Texts of people and tokens appear in no error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import aiohttp

from heyken_glue import errors, logs
from heyken_glue.adapters.rocketchat import history, models, refusals
from heyken_glue.adapters.rocketchat.models import Login
from heyken_glue.adapters.rocketchat.oddities import Oddities
from heyken_glue.adapters.rocketchat.refusals import RefusedError
from heyken_glue.adapters.rocketchat.rest import Conduct, Rest
from heyken_glue.domain.chat import Message, Room, User

__all__ = ["Conduct", "Login", "RefusedError", "RocketChatClient"]

V = TypeVar("V")
DEFAULT_SIZE_LIMIT = 5000
MAX_SIZE_LIMIT = 1_000_000
MAX_REPLIES = 500
MAX_CHANGES = 5000
_SIZE_SETTING = "Message_MaxAllowedSize"


class RocketChatClient:
    """Talks to one server as one user; the session (with its TLS) belongs to the caller."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        login: Login,
        *,
        conduct: Conduct | None = None,
    ) -> None:
        self._rest = Rest(session, url, login, conduct or Conduct())
        self._oddities = Oddities(logs.get(__name__))

    async def me(self) -> User:
        """Return who the token belongs to, the cheapest proof that it is good."""
        user = models.parse_user(await self._read("me"))
        if user is None:
            raise errors.TransientError("Rocket.Chat does not say who we are")
        return user

    async def version(self) -> str:
        """Return the server's version, often without the patch level; "" if it hides it."""
        content = await self._rest.read("/api/info")
        return models.text(content.get("version"))

    async def rooms(self, *, changed_since: float | None = None) -> tuple[Room, ...]:
        """Return the rooms this user is in, or those of them that changed since that time."""
        params = {} if changed_since is None else {"updatedSince": history.iso(changed_since)}
        content = await self._read("rooms.get", **params)
        return tuple(self._each(content.get("update"), models.parse_room, "room"))

    async def room(self, room_id: str) -> Room | None:
        """Return a room by its id, None if there is none that this user may see."""
        return await self._room(roomId=room_id)

    async def room_named(self, name: str) -> Room | None:
        """Return a channel or group by its name (without #), None if there is none to see."""
        return await self._room(roomName=name)

    async def message(self, message_id: str) -> Message | None:
        """Return a message, None if it is not there (any more)."""
        return await self._rest.repeat(lambda: self._message(message_id))

    async def changed_since(self, room_id: str, since: float) -> tuple[Message, ...]:
        """Return what was written or changed in a room since that time, the oldest first.

        Edits, reactions and new replies change a message too. Of more than MAX_CHANGES only
        those that changed last come back, and the log says so.
        """
        found: dict[str, Message] = {}
        seen = 0
        async for page in history.changes(self._rest, room_id, since):
            messages = self._each(page, models.parse_message, "message")
            for message in sorted(messages, key=_last_change):
                seen += found.pop(message.id, None) is None
                found[message.id] = message
            for stale in list(found)[:-MAX_CHANGES]:
                del found[stale]
        if seen > MAX_CHANGES:
            logs.get(__name__).warning("chat_changes_cut", room=room_id, kept=MAX_CHANGES)
        return tuple(sorted(found.values(), key=_age))

    async def thread(self, thread_id: str) -> tuple[Message, ...]:
        """Return the message a thread hangs on and its newest MAX_REPLIES replies, oldest first.

        Empty if the first message is gone.
        """
        parent = await self.message(thread_id)
        if parent is None:
            return ()
        found: dict[str, Message] = {}
        async for page in history.replies(self._rest, thread_id, limit=MAX_REPLIES):
            for message in self._each(page, models.parse_message, "message"):
                found[message.id] = message
        return (parent, *sorted(found.values(), key=_age))

    async def send(
        self, room_id: str, text: str, *, message_id: str, thread_id: str | None = None
    ) -> None:
        """Post a message under an id of our own; twice with the same id posts once.

        A second post is answered with some error and a lost answer says nothing: after any
        failure the server is asked whether the message is there.
        """
        message = {"_id": message_id, "rid": room_id, "msg": models.text(text)}
        if thread_id is not None:
            message["tmid"] = thread_id
        await self._rest.repeat(lambda: self._send(message))

    async def edit(self, room_id: str, message_id: str, text: str) -> None:
        """Replace the text of a message of ours."""
        body = {"roomId": room_id, "msgId": message_id, "text": models.text(text)}
        await self._rest.repeat(lambda: self._write("chat.update", body))

    async def delete(self, room_id: str, message_id: str) -> None:
        """Remove a message of ours; it is no error if it is gone already."""
        body = {"roomId": room_id, "msgId": message_id}
        try:
            await self._rest.repeat(lambda: self._write("chat.delete", body))
        except RefusedError as error:
            if error.code == refusals.UNAUTHORIZED or await self.message(message_id) is not None:
                raise

    async def roles_of(self, user_id: str) -> frozenset[str]:
        """Return the roles of a user in the whole workspace, as far as this user may know them.

        Without permission view-full-other-user-info a user's entry has no roles; then only those
        count that the server tells everybody (admin is among them). Unknown users have none.
        """
        try:
            content = await self._read("users.info", userId=user_id)
        except RefusedError as error:
            if error.status not in refusals.ABSENT:
                raise
            content = {}
        user = models.mapping(content.get("user"))
        if not user:
            return frozenset()
        if "roles" in user:
            return models.roles(user)
        return await self._public_roles(user_id)

    async def size_limit(self) -> int:
        """Return how many characters a message may have; 5000 if the server does not say."""
        try:
            content = await self._read("settings.public", _id=_SIZE_SETTING)
        except RefusedError as error:
            if error.code == refusals.UNAUTHORIZED:
                raise
            return DEFAULT_SIZE_LIMIT
        for entry in map(models.mapping, models.entries(content.get("settings"))):
            value = models.whole(entry.get("value")) or 0
            if entry.get("_id") == _SIZE_SETTING and 0 < value <= MAX_SIZE_LIMIT:
                return value
        return DEFAULT_SIZE_LIMIT

    async def _read(self, endpoint: str, **params: str) -> Mapping[str, Any]:
        return await self._rest.read(f"/api/v1/{endpoint}", **params)

    async def _write(self, endpoint: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._rest.post(f"/api/v1/{endpoint}", body)

    async def _room(self, **params: str) -> Room | None:
        try:
            content = await self._read("rooms.info", **params)
        except RefusedError as error:
            if error.status in refusals.ABSENT:
                return None
            raise
        return models.parse_room(content.get("room"))

    async def _message(self, message_id: str) -> Message | None:
        try:
            content = await self._rest.get("/api/v1/chat.getMessage", msgId=message_id)
        except RefusedError as error:
            if error.status in refusals.ABSENT:
                return None
            raise
        return models.parse_message(content.get("message"))

    async def _send(self, message: Mapping[str, str]) -> None:
        try:
            await self._write("chat.sendMessage", {"message": message})
        except (errors.TransientError, RefusedError) as error:
            is_known = isinstance(error, RefusedError) and error.code == refusals.UNAUTHORIZED
            if is_known or await self._message(message["_id"]) is None:
                raise

    async def _public_roles(self, user_id: str) -> frozenset[str]:
        try:
            content = await self._read("roles.getUsersInPublicRoles")
        except RefusedError as error:
            if error.status in refusals.ABSENT:
                return frozenset()
            raise
        users = map(models.mapping, models.entries(content.get("users")))
        return frozenset().union(
            *(models.roles(user) for user in users if user.get("_id") == user_id)
        )

    def _each(self, value: object, parse: Callable[[object], V | None], kind: str) -> list[V]:
        parsed = [parse(entry) for entry in models.entries(value)]
        found = [entry for entry in parsed if entry is not None]
        for _ in range(len(parsed) - len(found)):
            self._oddities.note(kind)
        return found


def _age(message: Message) -> float:
    # what was written within one millisecond stays in the server's order
    return message.time


def _last_change(message: Message) -> float:
    return message.updated
