"""Methods that can be called over the socket; writing belongs to REST, as the product moves it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import ApiError, bad_login, not_logged_in, refused
from lab.standins.rocketchat.kept.people import User
from lab.standins.rocketchat.kept.places import Kind, Room
from lab.standins.rocketchat.rules import composing, joining, login, talk, unread
from lab.standins.rocketchat.rules.composing import Draft
from lab.standins.rocketchat.rules.login import Session
from lab.standins.rocketchat.workspace import Workspace


class Client(Protocol):
    """The connection that calls."""

    @property
    def user(self) -> User | None:
        """Who is logged in."""

    def log_in(self, user: User) -> None:
        """Make the connection a user's."""

    def log_out(self) -> None:
        """Make it nobody's."""

    def typed(self, key: str, arguments: list[Any]) -> None:
        """Tell a room what the user is doing."""


Method: TypeAlias = Callable[[Client, Workspace, list[Any]], Awaitable[object]]


async def call(client: Client, workspace: Workspace, name: str, parameters: list[Any]) -> object:
    """Call a method by name; raises a refusal if there is none or it refuses."""
    method = METHODS.get(name)
    if method is None:
        raise ApiError(f"Method '{name}' not found", "404")
    return await method(client, workspace, parameters)


async def wait_as_told(workspace: Workspace) -> None:
    """Be as slow as the modes say, but not slower than a shutdown."""
    if workspace.modes.delay_seconds > 0:
        try:
            async with asyncio.timeout(workspace.modes.delay_seconds):
                await workspace.closing.wait()
        except TimeoutError:
            return


async def log_in(client: Client, workspace: Workspace, parameters: list[Any]) -> Document:
    """Log in by password, plain or digested, or by a token."""
    options = parameters[0] if parameters else None
    if not isinstance(options, dict):
        raise ApiError("Match failed", "400")
    session = await _session(workspace, options)
    client.log_in(session.user)
    return {
        "id": session.user.id,
        "token": session.token,
        "tokenExpires": ejson.date(session.expires),
        "type": session.kind,
    }


async def _session(workspace: Workspace, options: Document) -> Session:
    if "resume" in options:
        return login.resume(workspace, options["resume"])
    code: object = None
    totp = options.get("totp")
    if isinstance(totp, dict) and isinstance(totp.get("login"), dict):
        code, options = totp.get("code"), totp["login"]
    name = options.get("user")
    if not isinstance(name, dict) or "password" not in options:
        raise bad_login("Unrecognized options for login request", "400")
    user = await login.with_password(workspace, name, options["password"])
    login.check_login_code(workspace, user, code)
    return login.open_session(workspace, user)


async def log_out(client: Client, workspace: Workspace, _parameters: list[Any]) -> None:
    """Make the connection nobody's."""
    del workspace
    client.log_out()


async def notify_room(client: Client, _workspace: Workspace, parameters: list[Any]) -> None:
    """Tell a room that the user is typing; never refused, at most dropped."""
    if parameters and isinstance(parameters[0], str):
        client.typed(parameters[0], parameters[1:])


async def room_id_by_name(client: Client, workspace: Workspace, parameters: list[Any]) -> str:
    """Return the id of a room by its name or id."""
    return _room(client, workspace, parameters).id


async def join_room(client: Client, workspace: Workspace, parameters: list[Any]) -> bool:
    """Join a channel."""
    room = _room(client, workspace, parameters)
    if room.kind is Kind.CHANNEL:
        joining.add(workspace, room, _user(client))
    return True


async def direct_room(client: Client, workspace: Workspace, parameters: list[Any]) -> Document:
    """Return the direct room with somebody."""
    user, names = _user(client), [it for it in parameters if isinstance(it, str)]
    others = [workspace.accounts.named(name) for name in names]
    known = [other for other in others if other is not None]
    if not known or len(known) < len(parameters):
        raise refused("error-invalid-user", "Invalid user")
    room = joining.direct(workspace, [user, *known])
    return {"rid": room.id, "t": "d", "usernames": list(room.usernames)}


async def send_message(client: Client, workspace: Workspace, parameters: list[Any]) -> Document:
    """Send a message, as older clients do."""
    user, message = _user(client), _document(parameters)
    room = workspace.rooms.get(str(message.get("rid")))
    text = message.get("msg", "")
    if room is None or not isinstance(text, str):
        raise refused("error-invalid-room", "Invalid room")
    composing.check_size(workspace, text)
    draft = Draft(
        text=text,
        message_id=_text(message, "_id"),
        thread_id=_text(message, "tmid"),
    )
    return talk.send(workspace, user, room, draft)


async def update_message(client: Client, workspace: Workspace, parameters: list[Any]) -> None:
    """Change the text of a message, as older clients do."""
    user, wanted = _user(client), _document(parameters)
    message = workspace.messages.get(str(wanted.get("_id")))
    text = _text(wanted, "msg")
    if message is None or text is None:
        raise refused("error-message-not-found", "Message not found")
    talk.edit(workspace, user, message, text, {})


async def read_messages(client: Client, workspace: Workspace, parameters: list[Any]) -> None:
    """Note that the user has read a room."""
    room, user = _room(client, workspace, parameters), _user(client)
    member = workspace.rooms.membership(room.id, user.id)
    if member is not None:
        member = unread.read(workspace, member, threads=False)
        workspace.events.membership(room, member)


def _user(client: Client) -> User:
    if client.user is None:
        raise not_logged_in()
    return client.user


def _room(client: Client, workspace: Workspace, parameters: list[Any]) -> Room:
    user, name = _user(client), parameters[0] if parameters else None
    room = None
    if isinstance(name, str):
        room = workspace.rooms.get(name) or workspace.rooms.named(name)
    if room is None or not workspace.rights.sees(user, room):
        raise refused("error-not-allowed", "Not allowed")
    return room


def _document(parameters: list[Any]) -> Document:
    if not parameters or not isinstance(parameters[0], dict):
        raise ApiError("Match failed", "400")
    found: Document = parameters[0]
    return found


def _text(document: Document, name: str) -> str | None:
    value = document.get(name)
    if value is not None and not isinstance(value, str):
        raise ApiError("Match failed", "400")
    return value


METHODS: dict[str, Method] = {
    "login": log_in,
    "logout": log_out,
    "stream-notify-room": notify_room,
    "getRoomIdByNameOrId": room_id_by_name,
    "joinRoom": join_room,
    "createDirectMessage": direct_room,
    "sendMessage": send_message,
    "updateMessage": update_message,
    "readMessages": read_messages,
}
