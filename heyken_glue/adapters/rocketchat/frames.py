"""The frames of DDP, the protocol of Rocket.Chat's websocket: one JSON object each.

The socket is for listening; of the methods only `login` and the typing indicator are used, as
Rocket.Chat 9.0 takes the others away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from heyken_glue.adapters.rocketchat import models
from heyken_glue.adapters.rocketchat.models import Login
from heyken_glue.adapters.rocketchat.oddities import Oddities
from heyken_glue.adapters.rocketchat.signals import Deleted, Seen, Signal

LOGIN_ID, MESSAGES_ID, PING_ID = "login", "messages", "still-there"
_MESSAGES, _ROOM_EVENTS = "stream-room-messages", "stream-notify-room"
# every message of every room that this user may see
_MINE = "__my_messages__"
_REMOVED = "rm"
_LIVE_ONLY = {"useCollection": False, "args": []}


@dataclass(frozen=True)
class Frame:
    """One frame that came in, and how many bytes or so it had."""

    content: Mapping[str, Any]
    size: int

    @property
    def kind(self) -> str:
        """What it is: "ping", "changed", …; "" if it does not say."""
        return models.text(self.content.get("msg"))


def parse(raw: str) -> Frame | None:
    """Read a frame; None if it is none."""
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return Frame(content, len(raw)) if isinstance(content, dict) else None


def connect() -> dict[str, Any]:
    """Open the talk."""
    return {"msg": "connect", "version": "1", "support": ["1"]}


def login(who: Login) -> dict[str, Any]:
    """Log in with a token."""
    return _method(LOGIN_ID, "login", [{"resume": who.token}])


def subscribe_to_messages() -> dict[str, Any]:
    """Ask for messages."""
    return _subscription(MESSAGES_ID, _MESSAGES, _MINE)


def subscribe_to_deletions(number: str, room_id: str) -> dict[str, Any]:
    """Ask for what is deleted in one room; nothing tells about all rooms."""
    return _subscription(number, _ROOM_EVENTS, f"{room_id}/deleteMessage")


def unsubscribe(number: str) -> dict[str, Any]:
    """Ask for no more."""
    return {"msg": "unsub", "id": number}


def typing(number: str, room_id: str, username: str, *, active: bool) -> dict[str, Any]:
    """Show or hide that we are writing; the name has to be our own."""
    activities = ["user-typing"] if active else []
    return _method(number, _ROOM_EVENTS, [f"{room_id}/user-activity", username, activities, {}])


def ping() -> dict[str, Any]:
    """Ask for a sign of life."""
    return {"msg": "ping", "id": PING_ID}


def pong(asked: Frame) -> dict[str, Any]:
    """Give a sign of life, with the id that it was asked with."""
    same = {"id": asked.content["id"]} if "id" in asked.content else {}
    return {"msg": "pong", **same}


def answers(frame: Frame, kind: str, number: str) -> bool:
    """Tell whether a frame of that kind ("result", "ready", "nosub") is about our `number`."""
    if frame.kind != kind:
        return False
    return number in [frame.content.get("id"), *models.entries(frame.content.get("subs"))]


def signals_in(frame: Frame, oddities: Oddities) -> Iterator[Signal]:
    """Read what a frame tells; frames that are not for us tell nothing."""
    if frame.kind != "changed":
        return
    fields = models.mapping(frame.content.get("fields"))
    event, args = models.text(fields.get("eventName")), models.entries(fields.get("args"))
    collection = frame.content.get("collection")
    if collection == _MESSAGES and event == _MINE:
        # some servers add the room's type and name behind the message
        yield from _message(args[0] if args else None, oddities)
    room_id, _, what = event.rpartition("/")
    if collection == _ROOM_EVENTS and what == "deleteMessage":
        for entry in args:
            yield from _deletion(room_id, models.text(models.mapping(entry).get("_id")), oddities)


def _message(value: object, oddities: Oddities) -> Iterator[Signal]:
    message = models.parse_message(value)
    if message is None:
        oddities.note("message")
        return
    yield Seen(message)
    # where deleted messages leave a trace, the trace is all that is told
    if message.system_type == _REMOVED:
        yield Deleted(message.room_id, message.id)


def _deletion(room_id: str, message_id: str, oddities: Oddities) -> Iterator[Signal]:
    if room_id and message_id:
        yield Deleted(room_id, message_id)
    else:
        oddities.note("deletion")


def _method(number: str, name: str, params: list[Any]) -> dict[str, Any]:
    return {"msg": "method", "method": name, "id": number, "params": params}


def _subscription(number: str, name: str, event: str) -> dict[str, Any]:
    return {"msg": "sub", "id": number, "name": name, "params": [event, _LIVE_ONLY]}
