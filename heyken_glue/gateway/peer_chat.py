"""A question that the other core passes on to this one's model: lines of JSON, one per piece.

`{"piece": text}` for each piece, an empty line as heartbeat, at last `{"done": true}` or
`{"error": code}`. Only the model of this core is asked, so a question cannot go round.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web

from heyken_glue import errors
from heyken_glue.domain.turns import Turn
from heyken_glue.gateway.admission import Admission
from heyken_glue.gateway.backends import WhyNot
from heyken_glue.gateway.bodies import BodyReader
from heyken_glue.gateway.conversations import turns_of
from heyken_glue.gateway.peer_model import PATH
from heyken_glue.gateway.ports import ChatModel
from heyken_glue.gateway.problems import QUESTION_TOO_LONG, Problem
from heyken_glue.gateway.streams import StreamTimes
from heyken_glue.texts import text as _

LINES_TYPE = "application/x-ndjson"
Line = Mapping[str, Any]


@dataclass(frozen=True)
class PeerChatDoor:
    """The route /peer/chat; `admit_peer` returns the asking core's name or raises Problem."""

    admit_peer: Callable[[web.Request], str]
    bodies: BodyReader
    model: ChatModel
    why_not: WhyNot
    admission: Admission
    times: StreamTimes
    message_bytes_max: int

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this door."""
        return [web.post(PATH, self.chat)]

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer with this core's own model; the asking gateway's leaving stops it."""
        peer = self.admit_peer(request)
        turns = turns_of(await self.bodies.read_object(request), limit_bytes=self.message_bytes_max)
        reason = await self.why_not()
        if reason is not None:
            raise _unavailable(reason)
        async with contextlib.aclosing(self._lines(turns, owner=f"peer:{peer}")) as lines:
            return await self._pour(request, lines)

    async def _lines(self, turns: tuple[Turn, ...], *, owner: str) -> AsyncGenerator[Line]:
        async with self.admission.turn(owner):
            pieces = cast("AsyncGenerator[str]", self.model.stream(turns))
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    yield {"piece": piece}
        yield {"done": True}

    async def _pour(self, request: web.Request, lines: AsyncGenerator[Line]) -> web.StreamResponse:
        """Send lines and heartbeats; a failure before the first of them has a status."""
        response = web.StreamResponse(headers={"Content-Type": LINES_TYPE})
        try:
            while (line := await self._next(lines, request, response)) is not None:
                await self._write(request, response, line)
        except errors.TooLongError:
            if not response.prepared:
                raise Problem.of(QUESTION_TOO_LONG) from None
            told = {"error": "its question is too long", "code": QUESTION_TOO_LONG.code}
            await self._write(request, response, told)
        except errors.HeykenError as error:
            if not response.prepared:
                raise _unavailable(str(error)) from None
            await self._write(request, response, {"error": error.tried})
        except Problem as problem:
            if not response.prepared:
                raise
            await self._write(request, response, {"error": problem.failure.code})
        return response

    async def _next(
        self,
        lines: AsyncGenerator[Line],
        request: web.Request,
        response: web.StreamResponse,
    ) -> Line | None:
        """Wait for a line, with heartbeats meanwhile."""
        waiting = asyncio.ensure_future(anext(lines, None))
        try:
            while not (await asyncio.wait({waiting}, timeout=self.times.heartbeat))[0]:
                await self._write(request, response, None)
            return waiting.result()
        finally:
            if not waiting.done():
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)

    async def _write(
        self, request: web.Request, response: web.StreamResponse, line: Line | None
    ) -> None:
        text = "" if line is None else json.dumps(line, ensure_ascii=False)
        try:
            async with asyncio.timeout(self.times.write_timeout):
                if not response.prepared:
                    await response.prepare(request)
                await response.write(text.encode(errors="replace") + b"\n")
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the other gateway does not read") from None


def _unavailable(reason: str) -> Problem:
    text = _("This core cannot answer for the other one: {reason}", reason=reason)
    return Problem(503, "model_unavailable", text, headers={"Retry-After": "2"})
