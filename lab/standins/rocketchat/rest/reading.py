"""REST: reading single messages, threads, and what changed since a time."""

from __future__ import annotations

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import failure, refused
from lab.standins.rocketchat.rest import finding
from lab.standins.rocketchat.rest.calls import Call, Registry

CURSOR_COUNT = 20
UPDATED, DELETED = "UPDATED", "DELETED"


def register(registry: Registry) -> None:
    """Register the calls."""
    registry.get("chat.getMessage", get_message)
    registry.get("chat.getThreadMessages", thread)
    registry.get("chat.getThreadsList", threads)
    registry.get("chat.syncMessages", sync)
    registry.get("chat.getDeletedMessages", deleted)
    registry.get("chat.search", search)


def get_message(call: Call) -> Document:
    """Return one message."""
    message_id = call.optional_text("msgId")
    if not message_id:
        raise failure('The "msgId" query parameter must be provided.')
    message = call.workspace.messages.get(message_id)
    room = call.workspace.rooms.get(message["rid"]) if message is not None else None
    # A message that one may not read is not told from one that is not there.
    if room is None or not call.workspace.rights.sees(call.user, room):
        raise failure()
    return {"message": message}


def thread(call: Call) -> Document:
    """Return the replies of a thread, the oldest first."""
    if not call.workspace.settings.flag("Threads_enabled"):
        raise refused("error-not-allowed", "Threads Disabled")
    parent = call.workspace.messages.get(call.text("tmid"))
    if parent is None:
        raise refused("error-invalid-message", "Invalid Message")
    finding.readable(call, parent["rid"])
    window = call.window(ascending=True)
    page = call.workspace.messages.thread(parent["_id"], window)
    count = {"count": len(page.items), "offset": window.offset, "total": page.total}
    return {"messages": page.items} | count


def threads(call: Call) -> Document:
    """Return the messages of a room that have replies, the newest first."""
    room = finding.readable(call, call.text("rid"))
    window = call.window()
    page = call.workspace.messages.threads(room.id, window)
    count = {"count": len(page.items), "offset": window.offset, "total": page.total}
    return {"threads": page.items} | count


def sync(call: Call) -> Document:
    """Return what changed and what was deleted: since a time, or page by page."""
    room_id, kind = call.optional_text("roomId"), call.optional_text("type")
    if not room_id:
        text = 'The required "roomId" query param is missing'
        raise refused("error-param-required", text)
    since = _date(call, "lastUpdate")
    following, previous = _cursor(call, "next"), _cursor(call, "previous")
    if since is None and not kind:
        text = 'The "type" or "lastUpdate" parameters must be provided'
        raise refused("error-param-required", text)
    if since is not None and (following is not None or previous is not None):
        text = 'The attributes "next", "previous" and "lastUpdate" cannot be used together'
        raise refused("error-cursor-and-lastUpdate-conflict", text)
    room = finding.readable(call, room_id)
    if since is not None:
        messages = call.workspace.messages
        updated = messages.updated_since(room.id, since)
        updated.sort(key=lambda message: message["ts"]["$date"], reverse=True)
        return {"result": {"updated": updated, "deleted": messages.deleted_since(room.id, since)}}
    return {"result": _paged(call, room.id, kind or "", following, previous)}


def deleted(call: Call) -> Document:
    """Return what was deleted in a room since a time."""
    room = finding.readable(call, call.text("roomId"))
    since = call.moment("since")
    if since is None:
        raise refused("error-since-param-invalid", 'The "since" query parameter is required')
    found = call.workspace.messages.deleted_since(room.id, since)
    return call.listing("messages", [{"_id": message["_id"]} for message in found])


def search(call: Call) -> Document:
    """Return the messages of a room that contain a text, the newest first."""
    room_id, text = call.optional_text("roomId"), call.optional_text("searchText")
    for name, value in (("roomId", room_id), ("searchText", text)):
        if not value:
            message = f'The required "{name}" query param is missing.'
            raise refused(f"error-{name}-param-not-provided", message)
    room = finding.readable(call, room_id or "")
    return {"messages": call.workspace.messages.search(room.id, text or "", call.window()).items}


def _paged(
    call: Call, room_id: str, kind: str, following: int | None, previous: int | None
) -> Document:
    """Return one page by the cursor form: forwards from `next`, or backwards from `previous`."""
    if kind not in {UPDATED, DELETED}:
        text = 'The "type" parameter must be either "UPDATED" or "DELETED"'
        raise refused("error-type-param-not-supported", text)
    if following is not None and previous is not None:
        text = 'You cannot provide both "next" and "previous" parameters'
        raise refused("error-cursor-conflict", text)
    messages = call.workspace.messages
    find, stamp = (
        (messages.updated_since, "_updatedAt")
        if kind == UPDATED
        else (messages.deleted_since, "_deletedAt")
    )
    count = min(call.number("count", default=CURSOR_COUNT) or CURSOR_COUNT, 100)
    if previous is not None:
        found = find(room_id, -1, until=previous)[::-1]
    else:
        found = find(room_id, -1 if following is None else following, count=count + 1)
    page, more = found[:count], len(found) > count
    edges = [str(page[0][stamp]["$date"]), str(page[-1][stamp]["$date"])] if page else [None, None]
    if previous is not None:
        cursor = {"next": edges[0], "previous": edges[1] if more else None}
    else:
        cursor = {"next": edges[1] if more else None, "previous": edges[0]}
    other: Document = {"deleted": []} if kind == UPDATED else {"updated": []}
    return {kind.lower(): page, "cursor": cursor} | other


def _date(call: Call, name: str) -> int | None:
    text = call.optional_text(name)
    if not text:
        return None
    ms = ejson.ms_from_iso(text)
    if ms is None:
        message = f'The "{name}" query parameter must be a valid date'
        raise refused(f"error-{name}-param-invalid", message)
    return ms


def _cursor(call: Call, name: str) -> int | None:
    text = call.optional_text(name)
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 15:  # noqa: PLR2004
        raise failure("Invalid Date")
    return int(text)
