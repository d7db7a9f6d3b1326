"""What the other units of this host may ask the assistant: whether it is connected, and to post."""

from __future__ import annotations

import uuid

from aiohttp import web

from heyken_glue import errors, texts
from heyken_glue.adapters.rocketchat.client import RefusedError
from heyken_glue.domain.commands import readable
from heyken_glue.domain.conversation import reply_id
from heyken_glue.domain.replies import pages
from heyken_glue.runtime import http
from heyken_glue.services.assistant_answers import DEFAULT_SIZE_LIMIT
from heyken_glue.services.assistant_ports import Chat, Feed
from heyken_glue.services.assistant_sheet import Obstacles
from heyken_glue.texts import Text
from heyken_glue.texts import text as _

TEXT_MAX = 100_000
_BLOCKING = ("feed", "login", "write")


class Door:
    """The routes of `http.sock`."""

    def __init__(self, chat: Chat, feed: Feed, obstacles: Obstacles, *, language: str) -> None:
        self._chat, self._feed, self._obstacles = chat, feed, obstacles
        self._language = language

    def routes(self) -> web.RouteTableDef:
        """Return what the other units of this host may ask."""
        table = web.RouteTableDef()
        table.get("/connection")(self._connection)
        table.post("/send")(self._send)
        return table

    async def _connection(self, _request: web.Request) -> web.Response:
        blocked = self._obstacles.stand_in_the_way(*_BLOCKING)
        connected = self._feed.connected and not blocked
        return web.json_response({"connected": connected, "reason": self._obstacles.reason})

    async def _send(self, request: web.Request) -> web.Response:
        """Post a text; `room_id` may be a channel's name with `#`."""
        language = texts.negotiate(request.headers.get("Accept-Language", ""), self._language)
        body = await http.read_json(request)
        try:
            room, text = _room_of(body), _text_of(body)
            await self._post(await self._room_id(room), text)
        except _WrongError as wrong:
            return _refused(wrong.text.render(language), wrong.status)
        except errors.TransientError as error:
            text = _("Rocket.Chat does not answer: {reason}", reason=error.tried).render(language)
            return _refused(text, 503)
        except errors.PermanentError as error:
            reason = error.code if isinstance(error, RefusedError) else error.tried
            text = _("Rocket.Chat refused: {reason}", reason=reason).render(language)
            return _refused(text, 502)
        return web.json_response({"success": True})

    async def _room_id(self, room: str) -> str:
        named = room.startswith("#")
        found = await (self._chat.room_named(room[1:]) if named else self._chat.room(room))
        if found is None:
            raise _WrongError(404, _("There is no room “{room}” that the assistant can see.",
                                     room=room))  # fmt: skip
        return found.id

    async def _post(self, room_id: str, text: str) -> None:
        key = uuid.uuid4().hex
        for number, part in enumerate(pages(text, limit=DEFAULT_SIZE_LIMIT, finished=True)):
            await self._chat.send(room_id, part, message_id=reply_id(key, number))


class _WrongError(Exception):
    """What was asked for cannot be done as it was asked."""

    def __init__(self, status: int, text: Text) -> None:
        super().__init__(status)
        self.status, self.text = status, text


def _room_of(body: dict[str, object]) -> str:
    room = body.get("room_id")
    if not isinstance(room, str) or not 0 < len(room) <= 100:  # noqa: PLR2004 - ids are shorter
        raise _WrongError(400, _("“room_id” has to be the id of a room, or its name with #."))
    return room


def _text_of(body: dict[str, object]) -> str:
    text = body.get("text")
    text = readable(text).strip() if isinstance(text, str) else ""
    if not text or len(text) > TEXT_MAX:
        raise _WrongError(400, _("“text” has to be a text of 1 to {most} characters.",
                                 most=TEXT_MAX))  # fmt: skip
    return text


def _refused(text: str, status: int) -> web.Response:
    return web.json_response({"success": False, "error": text}, status=status)
