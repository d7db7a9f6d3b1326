"""What the other units of this host may ask the assistant: whether it is connected, and to post."""

from __future__ import annotations

import asyncio
import contextlib
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
from heyken_glue.services.lease import Lease
from heyken_glue.texts import Text
from heyken_glue.texts import text as _

TEXT_MAX = 100_000
KEY_MAX = 128
# so long a takeover may have to wait for the former holder's lease, and a client for us
LEASE_SECONDS = 8.0
LEAST_SECONDS = 1.0
_LOOK_SECONDS = 0.2
_BLOCKING = ("feed", "login", "write")


class Door:
    """The routes of `http.sock`."""

    def __init__(
        self, chat: Chat, feed: Feed, obstacles: Obstacles, lease: Lease, *, language: str
    ) -> None:
        self._chat, self._feed, self._obstacles, self._lease = chat, feed, obstacles, lease
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
        """Post a text; `room_id` may be a channel's name with `#`.

        With a key it is posted once however often it is asked for, by whichever core; without one
        only the core that has the lease does it.
        """
        language = texts.negotiate(request.headers.get("Accept-Language", ""), self._language)
        body = await http.read_json(request)
        try:
            room, text, key = _room_of(body), _text_of(body), _key_of(body)
            room_id = await self._room_id(room)
            await self._post(room_id, text, key or await self._key_with_lease(language))
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

    async def _key_with_lease(self, language: str) -> str:
        """Return a key that nobody had before, as soon as this core may do such a thing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEASE_SECONDS):
                while await self._lease.held(LEAST_SECONDS) is None:  # noqa: ASYNC110 - no event
                    await asyncio.sleep(_LOOK_SECONDS)
                return uuid.uuid4().hex
        raise _WrongError(503, _(
            "Nothing is posted without a key now, because it could be posted twice: {reason}",
            reason=self._lease.reason.in_language(language),
        ))  # fmt: skip

    async def _post(self, room_id: str, text: str, key: str) -> None:
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


def _key_of(body: dict[str, object]) -> str:
    """Return what makes the same wish recognisable, "" if nothing was given."""
    key = body.get("key", "")
    if not isinstance(key, str) or len(key) > KEY_MAX or not (key.isascii() and key.isprintable()):
        raise _WrongError(400, _("“key” has to be a text of at most {most} ASCII characters.",
                                 most=KEY_MAX))  # fmt: skip
    return f"send-{key}" if key else ""


def _text_of(body: dict[str, object]) -> str:
    text = body.get("text")
    text = readable(text).strip() if isinstance(text, str) else ""
    if not text or len(text) > TEXT_MAX:
        raise _WrongError(400, _("“text” has to be a text of 1 to {most} characters.",
                                 most=TEXT_MAX))  # fmt: skip
    return text


def _refused(text: str, status: int) -> web.Response:
    return web.json_response({"success": False, "error": text}, status=status)
