"""REST: messages."""

from __future__ import annotations

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import ApiError, failure, invalid, refused
from lab.standins.rocketchat.kept.places import Room
from lab.standins.rocketchat.rest import finding
from lab.standins.rocketchat.rest.calls import Call, Registry, missing
from lab.standins.rocketchat.rules import composing, joining, markup, talk
from lab.standins.rocketchat.rules.composing import Draft

TS_WINDOW_MS, TS_KEPT_MS = 60_000, 10_000
ID_MAX = 128
# What a message may bring along as it is, by the type it has to have.
EXTRA = {
    "alias": str,
    "avatar": str,
    "emoji": str,
    "groupable": bool,
    "tshow": bool,
    "customFields": dict,
    "attachments": list,
    "blocks": list,
    "bot": dict,
    "content": dict,
    "e2e": str,
    "t": str,
}


def register(registry: Registry) -> None:
    """Register the calls."""
    registry.post("chat.sendMessage", send)
    registry.post("chat.postMessage", post)
    registry.post("chat.update", update)
    registry.post("chat.delete", delete)
    registry.post("chat.react", react)


def send(call: Call) -> Document:
    """Send a message; its id may be the client's choice."""
    message = call.document("message")
    if message is None:
        raise missing("message")
    _check_message(message)
    if message.get("t") and message["t"] not in talk.TYPES_OF_PEOPLE:
        raise failure("Cannot send system messages using 'chat.sendMessage'")
    room, thread_id = place(call, message.get("rid"), message.get("tmid"))
    text = message.get("msg") or ""
    composing.check_size(call.workspace, text)
    draft = Draft(
        text=text,
        message_id=message.get("_id") or None,
        thread_id=thread_id,
        time_ms=_time(call, message.get("ts")),
        extra=extras(call, room, message),
    )
    return {"message": talk.send(call.workspace, call.user, room, draft)}


def post(call: Call) -> Document:
    """Post a message to one or several rooms, named by id, `#name` or `@user`."""
    text = call.optional_text("text") or call.optional_text("msg") or ""
    if markup.length(text) > call.workspace.settings.number("Message_MaxAllowedSize"):
        raise failure("error-message-size-exceeded")
    targets = call.values.get("roomId") or call.values.get("channel")
    names = targets if isinstance(targets, list) else [targets]
    if not targets:
        raise refused("invalid-channel")
    thread_id = call.optional_text("tmid")
    answers = []
    for name in names:
        room = _post_target(call, name)
        extra = {"groupable": False, "parseUrls": True} | extras(call, room, call.values)
        draft = Draft(text=text, thread_id=thread_id, extra=extra)
        sent = talk.send(call.workspace, call.user, room, draft)
        answers.append({"channel": name if str(name)[:1] == "@" else room.name, "message": sent})
    return {"ts": call.workspace.now_ms()} | answers[0]


def update(call: Call) -> Document:
    """Change the text of a message."""
    room_id, message_id = call.text("roomId"), call.text("msgId")
    text = call.optional_text("text")
    if text is None:
        raise missing("text")
    fields = call.document("customFields")
    message = _message(call, message_id, room_id)
    extra: Document = {} if fields is None else {"customFields": fields}
    return {"message": talk.edit(call.workspace, call.user, message, text, extra)}


def delete(call: Call) -> Document:
    """Delete a message."""
    room_id, message_id = call.text("roomId"), call.text("msgId")
    message = _message(call, message_id, room_id)
    user = call.user
    if call.flag("asUser") and message["u"]["_id"] != user.id:
        if not call.workspace.rights.has(user, "force-delete-message", room_id):
            permission = 'You must have the permission "force-delete-message"'
            raise failure(f"Unauthorized. {permission} to delete other's message as them.")
        user = call.workspace.accounts.get(message["u"]["_id"]) or user
    talk.delete(call.workspace, user, message)
    short = {key: message[key] for key in ("_id", "rid", "u")}
    return {"_id": message_id, "ts": str(call.workspace.now_ms()), "message": short}


def react(call: Call) -> Document:
    """Add or take back a reaction."""
    message = call.workspace.messages.get(call.text("messageId"))
    if message is None:
        text = 'The provided "messageId" does not match any existing message.'
        raise refused("error-message-not-found", text)
    finding.readable(call, message["rid"])
    emoji = call.optional_text("emoji") or call.optional_text("reaction")
    if not emoji:
        text = 'The required "emoji" param is missing.'
        raise refused("error-emoji-param-not-provided", text)
    wanted = call.optional_flag("shouldReact")
    talk.react(call.workspace, call.user, message, emoji, wanted=wanted)
    return {}


def place(call: Call, room_id: object, thread_id: object) -> tuple[Room, str | None]:
    """Return where a message goes: a reply to a reply goes to the thread it is in."""
    parent = call.workspace.messages.get(thread_id) if isinstance(thread_id, str) else None
    if parent is not None:
        room_id, thread_id = parent["rid"], parent.get("tmid") or parent["_id"]
    if not isinstance(room_id, str) or not room_id:
        raise failure("The 'rid' property on the message object is missing.")
    room = call.workspace.rooms.get(room_id)
    if room is None:
        raise failure("error-invalid-room")
    return room, thread_id if isinstance(thread_id, str) and thread_id else None


def extras(call: Call, room: Room, message: Document | object) -> Document:
    """Return what a message brings along; another's name and picture need a permission."""
    found: Document = {}
    values = message if isinstance(message, dict) else dict(call.values)
    for name, kind in EXTRA.items():
        value = values.get(name)
        if value is None or value == "":
            continue
        if not isinstance(value, kind):
            raise invalid(f"Match error: Expected {kind.__name__} in field {name}")
        found[name] = value
    disguised = "alias" in found or "avatar" in found
    if disguised and not call.workspace.rights.has(call.user, "message-impersonate", room.id):
        raise failure("Not enough permission")
    return found


def _check_message(message: Document) -> None:
    for name in ("_id", "rid", "msg", "tmid", "t"):
        value = message.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid("must be string")
    if len(message.get("_id") or "") > ID_MAX:
        raise invalid(f"must NOT have more than {ID_MAX} characters")
    if message.get("tshow") and not message.get("tmid"):
        raise refused("invalid-params", "tshow provided but missing tmid")


def _time(call: Call, ts: object) -> int | None:
    """Return a time that the client gave its message, if it may be kept."""
    if ts is None:
        return None
    ms = ejson.ms_from_iso(ts) if isinstance(ts, str) else ejson.ms_of(ts)
    if isinstance(ts, int) and not isinstance(ts, bool):
        ms = ts
    if ms is None:
        raise invalid("Match error: Expected date in field ts")
    apart = abs(ms - call.workspace.now_ms())
    if apart > TS_WINDOW_MS:
        raise refused("error-message-ts-out-of-sync", "Message timestamp is out of sync")
    return ms if apart <= TS_KEPT_MS else None


def _message(call: Call, message_id: str, room_id: str) -> Document:
    message = call.workspace.messages.get(message_id)
    if message is None:
        raise failure(f'No message found with the id of "{message_id}".')
    if message["rid"] != room_id:
        raise failure("The room id provided does not match where the message is from.")
    return message


def _post_target(call: Call, name: object) -> Room:
    workspace = call.workspace
    if not isinstance(name, str) or not name:
        raise refused("invalid-channel")
    if name.startswith("@"):
        user = workspace.accounts.named(name[1:]) or workspace.accounts.get(name[1:])
        if user is None:
            raise _no_channel()
        return joining.direct(workspace, [call.user, user])
    room = workspace.rooms.named(name.removeprefix("#")) or workspace.rooms.get(name)
    if room is None:
        raise _no_channel()
    return room


def _no_channel() -> ApiError:
    return refused("invalid-channel")
