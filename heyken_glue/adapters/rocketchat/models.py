"""What Rocket.Chat says, read into values: parsed, not validated.

Whatever is missing or of the wrong type becomes the value's default; an entry without the little
that makes it one (ids, an author, a time) is None and the caller counts it. Nothing here raises.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from heyken_glue.domain.chat import Message, Room, RoomKind, User

MAX_FILE_NAMES = 20
_MAX_NAME_LENGTH = 255
_YEAR_10000 = 253402300800.0
_NOTHING: Mapping[str, Any] = {}
_THUMBNAIL = "thumb-"


@dataclass(frozen=True)
class Login:
    """A user and a personal access token (or login token) of theirs."""

    user_id: str
    token: str = field(repr=False)


def parse_user(value: object) -> User | None:
    """Read `{_id, username}`."""
    entry = mapping(value)
    user_id = text(entry.get("_id"))
    return User(user_id, text(entry.get("username"))) if user_id else None


def parse_message(value: object) -> Message | None:
    """Read a message as REST and the websocket give it."""
    entry = mapping(value)
    message_id, room_id = text(entry.get("_id")), text(entry.get("rid"))
    author = parse_user(entry.get("u"))
    sent, updated = moment(entry.get("ts")), moment(entry.get("_updatedAt"))
    time = sent if sent is not None else updated
    if not message_id or not room_id or author is None or time is None:
        return None
    system_type = text(entry.get("t")) or None
    return Message(
        id=message_id,
        room_id=room_id,
        author=author,
        text=text(entry.get("msg")),
        time=time,
        updated=updated if updated is not None else time,
        thread_id=text(entry.get("tmid")) or None,
        # an encrypted message was written by a person: its type says nothing about the event
        system_type=None if system_type == "e2e" else system_type,
        from_integration=isinstance(entry.get("bot"), Mapping),
        edited=entry.get("editedAt") is not None,
        edited_by=text(mapping(entry.get("editedBy")).get("_id")) or None,
        encrypted=system_type == "e2e" or bool(entry.get("e2e")) or bool(entry.get("content")),
        mentions=frozenset(_mentioned(entry.get("mentions"))),
        file_names=tuple(_file_names(entry))[:MAX_FILE_NAMES],
    )


def parse_room(value: object) -> Room | None:
    """Read a room or a subscription; None too for kinds that are none of ours (omnichannel)."""
    entry = mapping(value)
    room_id = text(entry.get("_id"))
    try:
        kind = RoomKind(text(entry.get("t")))
    except ValueError:
        return None
    if not room_id:
        return None
    return Room(
        id=room_id,
        kind=kind,
        name="" if kind is RoomKind.DIRECT else text(entry.get("name")),
        read_only=entry.get("ro") is True,
        archived=entry.get("archived") is True,
    )


def moment(value: object) -> float | None:
    """Read a time in any of its shapes: `{"$date": ms}`, ISO 8601, milliseconds; in seconds."""
    if isinstance(value, Mapping):
        value = value.get("$date")
    if isinstance(value, str):
        return _iso(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = value / 1000
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) and 0 <= seconds < _YEAR_10000 else None


def _iso(value: str) -> float | None:
    try:
        parsed = dt.datetime.fromisoformat(value)
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=dt.UTC)
        return max(0.0, parsed.timestamp())
    except (ValueError, OverflowError):
        return None


def mapping(value: object) -> Mapping[str, Any]:
    """Return an object of JSON, or an empty one for anything else."""
    return value if isinstance(value, Mapping) else _NOTHING


def entries(value: object) -> list[Any]:
    """Return a list of JSON, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def whole(value: object) -> int | None:
    """Return a whole number of JSON, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def roles(user: Mapping[str, Any]) -> frozenset[str]:
    """Return what `roles` of a user's entry names."""
    return frozenset(role for role in map(text, entries(user.get("roles"))) if role)


def text(value: object) -> str:
    """Return a text that can be encoded (half a surrogate pair cannot), "" for anything else."""
    if not isinstance(value, str):
        return ""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _mentioned(value: object) -> Iterator[str]:
    for entry in map(mapping, entries(value)):
        user_id = text(entry.get("_id"))
        if user_id and entry.get("type") != "team":
            yield user_id


def _file_names(entry: Mapping[str, Any]) -> list[str]:
    found = [text(mapping(file).get("name")) for file in entries(entry.get("files"))]
    names = list(dict.fromkeys(name for name in found if name))
    if not names:
        alone = text(mapping(entry.get("file")).get("name"))
        names = [alone] if alone else []
    # a picture comes with a smaller copy of itself that nobody uploaded
    shown = [name for name in names if name.removeprefix(_THUMBNAIL) not in set(names) - {name}]
    return [name[:_MAX_NAME_LENGTH] for name in shown]
