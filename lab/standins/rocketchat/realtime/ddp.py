"""The realtime protocol: what each frame of a client means, and what is answered.

Frames are handled one after the other, so answers come in the order of the questions.
"""

from __future__ import annotations

import logging
from typing import Any

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import ApiError, socket_error
from lab.standins.rocketchat.kept.people import User
from lab.standins.rocketchat.kept.store import new_id
from lab.standins.rocketchat.realtime import methods
from lab.standins.rocketchat.realtime.sockets import Connection
from lab.standins.rocketchat.realtime.streams import (
    MY_MESSAGES,
    NOTIFY_ROOM,
    NOTIFY_USER,
    ROOM_MESSAGES,
    SILENT,
    Subscription,
)
from lab.standins.rocketchat.workspace import Workspace

FAULT = "Internal server error"
_log = logging.getLogger(__name__)
VERSIONS = ("1", "pre2", "pre1")
SUBSCRIPTIONS_MAX = 1000
ROOM_EVENTS = frozenset(
    {"user-activity", "typing", "deleteMessage", "deleteMessageBulk", "webrtc", "videoconf"}
)


class Ddp:
    """One client's conversation with the server."""

    def __init__(self, workspace: Workspace, connection: Connection) -> None:
        self._workspace, self._connection = workspace, connection
        self._session: str | None = None
        self._subscriptions: dict[str, Subscription | None] = {}
        connection.push('{"server_id":"0"}')

    @property
    def user(self) -> User | None:
        """Who is logged in, as they are now."""
        user_id = self._connection.user_id
        user = None if user_id is None else self._workspace.accounts.get(user_id)
        return user if user is not None and user.active else None

    async def received(self, text: str) -> None:
        """Handle one frame; nonsense is answered and never fatal."""
        try:
            await self._handle(ejson.decode(text))
        except ejson.MalformedError:
            self._send({"msg": "error", "reason": "Parse error"})
        except Exception:  # noqa: BLE001 - at the top of a frame, logged
            _log.exception("a frame failed")
            self._send({"msg": "error", "reason": FAULT})

    async def _handle(self, frame: Any) -> None:  # noqa: ANN401 - whatever was sent
        kind = frame.get("msg") if isinstance(frame, dict) else None
        if not isinstance(kind, str):
            self._complain("Bad request", frame)
        elif kind == "connect":
            self._connect(frame)
        elif kind in {"ping", "pong"}:
            self._ping(frame)
        elif self._session is None:
            self._complain("Must connect first", frame)
        elif kind == "method":
            await self._method(frame)
        elif kind == "sub":
            self._sub(frame)
        elif kind == "unsub":
            self._unsub(frame)
        else:
            self._complain("Bad request", frame)

    def log_in(self, user: User) -> None:
        """Make the connection a user's."""
        self.log_out()
        self._connection.user_id = user.id
        self._workspace.streams.present[user.id] += 1
        fields = {"username": user.username, "name": user.name, "roles": list(user.roles)}
        self._send({"msg": "added", "collection": "users", "id": user.id, "fields": fields})

    def log_out(self) -> None:
        """Make the connection nobody's; subscriptions that need a login fall silent."""
        user_id, self._connection.user_id = self._connection.user_id, None
        if user_id is not None:
            self._workspace.streams.present[user_id] -= 1
            if self._workspace.streams.present[user_id] <= 0:
                del self._workspace.streams.present[user_id]

    def closed(self) -> None:
        """Let go of everything."""
        for subscription in self._subscriptions.values():
            if subscription is not None:
                self._workspace.streams.remove(subscription)
        self._subscriptions.clear()
        self.log_out()

    def _send(self, frame: Document) -> None:
        self._connection.push(ejson.encode(frame))

    def _complain(self, reason: str, frame: object) -> None:
        self._send({"msg": "error", "reason": reason, "offendingMessage": frame})

    def _connect(self, frame: Document) -> None:
        if self._session is not None:
            self._complain("Already connected", frame)
        elif frame.get("version") not in VERSIONS:
            self._send({"msg": "failed", "version": VERSIONS[0]})
        else:
            self._session = new_id()
            self._send({"msg": "connected", "session": self._session})

    def _ping(self, frame: Document) -> None:
        if frame["msg"] == "pong":
            return
        self._send({"msg": "pong"} | ({"id": frame["id"]} if "id" in frame else {}))

    async def _method(self, frame: Document) -> None:
        call_id, name, parameters = frame.get("id"), frame.get("method"), frame.get("params", [])
        if not isinstance(call_id, str) or not isinstance(name, str):
            self._complain("Malformed method invocation", frame)
            return
        answer: Document = {"msg": "result", "id": call_id}
        try:
            self._count(name)
            result = await methods.call(self, self._workspace, name, _list(parameters))
            if result is not None:
                answer["result"] = result
        except ApiError as error:
            answer["error"] = socket_error(error)
        await methods.wait_as_told(self._workspace)
        self._send(answer)
        self._send({"msg": "updated", "methods": [call_id]})

    def typed(self, key: str, arguments: list[Any]) -> None:
        """Tell a room what the user is doing; what they may not tell is dropped."""
        room_id, _, event = key.rpartition("/")
        room, user = self._workspace.rooms.get(room_id), self.user
        if room is None or user is None or not self._workspace.rights.sees(user, room):
            return
        if not arguments or arguments[0] != user.username:
            return
        if event == "typing":
            activities = ["user-typing"] if arguments[1:2] == [True] else []
        elif event == "user-activity":
            told = arguments[1] if len(arguments) > 1 else None
            told = told if isinstance(told, list) else []
            activities = [it for it in told if isinstance(it, str)]
        else:
            return
        self._workspace.events.activity(room, user, activities[:10], source=self._connection)

    def _sub(self, frame: Document) -> None:
        sub_id, name, parameters = frame.get("id"), frame.get("name"), frame.get("params", [])
        if not isinstance(sub_id, str) or not isinstance(name, str):
            self._complain("Malformed subscription", frame)
            return
        if sub_id in self._subscriptions:
            return  # as the server does: a repeated id is passed over
        try:
            self._subscribe(sub_id, name, _list(parameters))
        except ApiError as error:
            self._send({"msg": "nosub", "id": sub_id, "error": socket_error(error)})
            return
        self._send({"msg": "ready", "subs": [sub_id]})

    def _subscribe(self, sub_id: str, name: str, parameters: list[Any]) -> None:
        if len(self._subscriptions) >= SUBSCRIPTIONS_MAX:
            raise ApiError("Too many subscriptions", "429")
        if name in SILENT:
            self._subscriptions[sub_id] = None
            return
        if name not in {ROOM_MESSAGES, NOTIFY_ROOM, NOTIFY_USER}:
            raise ApiError(f"Subscription '{name}' not found", "404")
        event = parameters[0] if parameters else None
        if not isinstance(event, str) or not event:
            raise ApiError("Event name missing", "400")
        if not self._may_listen(name, event):
            raise ApiError("", "not-allowed")
        subscription = Subscription(sub_id, self._connection, name, event)
        self._subscriptions[sub_id] = subscription
        self._workspace.streams.add(subscription)
        option = parameters[1] if len(parameters) > 1 else None
        if option is True or (isinstance(option, dict) and option.get("useCollection") is True):
            fields = {"eventName": event}
            self._send({"msg": "added", "collection": name, "id": "id", "fields": fields})

    def _may_listen(self, name: str, event: str) -> bool:
        user = self.user
        if user is None:
            return False
        if name == NOTIFY_USER:
            return event.partition("/")[0] == user.id
        if name == ROOM_MESSAGES and event == MY_MESSAGES:
            return True
        room_id, slash, kind = event.rpartition("/")
        if name == ROOM_MESSAGES:
            room_id = event
        elif not slash or kind not in ROOM_EVENTS:
            return False
        room = self._workspace.rooms.get(room_id)
        return room is not None and self._workspace.rights.sees(user, room)

    def _unsub(self, frame: Document) -> None:
        sub_id = frame.get("id")
        if not isinstance(sub_id, str):
            self._complain("Malformed unsubscription", frame)
            return
        subscription = self._subscriptions.pop(sub_id, None)
        if subscription is not None:
            self._workspace.streams.remove(subscription)
        self._send({"msg": "nosub", "id": sub_id})

    def _count(self, name: str) -> None:
        """Refuse a connection that calls too often."""
        if self._workspace.modes.rate_limit == "off":
            return
        settings, now_key = self._workspace.settings, self._session
        for rule, key in (
            ("Connection", (now_key,)),
            ("Connection_By_Method", (now_key, name)),
        ):
            prefix = f"DDP_Rate_Limit_{rule}"
            if not settings.flag(f"{prefix}_Enabled"):
                continue
            allowed = settings.number(f"{prefix}_Requests_Allowed")
            window = settings.number(f"{prefix}_Interval_Time")
            budget = self._workspace.limiter.take(key, calls=allowed, window_ms=window)
            if not budget.allowed:
                text = (
                    "Error, too many requests. Please slow down. You must wait "
                    f"{budget.wait_seconds} seconds before trying again."
                )
                reset = {"timeToReset": budget.reset_ms - self._workspace.now_ms()}
                raise ApiError(text, "too-many-requests", details=reset)


def _list(parameters: object) -> list[Any]:
    if not isinstance(parameters, list):
        raise ApiError("Match failed", "400")
    return parameters
