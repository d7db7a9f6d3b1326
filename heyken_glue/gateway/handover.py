"""Following an answer that the other core makes: its door here, and the way to its door there."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from heyken_glue import errors
from heyken_glue.gateway.answers import AnswerStore
from heyken_glue.gateway.problems import Problem
from heyken_glue.gateway.streams import StreamTimes, follow
from heyken_glue.texts import text as _

ANSWER = "/peer/answers/{answer_id}"
PATH = f"{ANSWER}/events"
# A gateway that lives accepts at once and answers from memory. One that is taken for dead though it
# lives costs a second run of the answer, and no reader anything.
ACCEPT_SECONDS = 0.1
_OK, _NOT_FOUND = 200, 404


@dataclass(frozen=True)
class AnswersDoor:
    """The route by which the other core follows an answer; `admit` refuses everybody else."""

    store: AnswerStore
    times: StreamTimes
    admit: Callable[[web.Request], object]

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this door."""
        return [
            web.get(PATH, self.events, allow_head=False),
            web.delete(ANSWER, self.cancel),
        ]

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send all events of an answer that is made here; it is known whose it is."""
        self.admit(request)
        answer = self.store.known(request.match_info["answer_id"])
        if answer is None or answer.relayed or answer.failure is not None:
            raise Problem(404, "answer_unknown", _("This core does not make an answer of that id."))
        with self.store.reading(answer):
            return await follow(request, answer, self.times)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Stop an answer that is made here: who asked at the other core wants it no more."""
        self.admit(request)
        answer = self.store.known(request.match_info["answer_id"])
        if answer is not None and not answer.relayed and not answer.finished:
            answer.cancel()
        return web.Response(status=204)


@dataclass(frozen=True)
class PeerEvent:
    """One event of the other core's stream."""

    name: str
    data: dict[str, Any]


class Following:
    """An answer's events from the other core, from the first on; close it, read or not."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def close(self) -> None:
        """Let the other core know that nobody follows."""
        self._response.close()

    async def events(self) -> AsyncGenerator[PeerEvent]:
        """Yield the events; TransientError when the stream breaks or falls silent."""
        name = ""
        try:
            async for raw in self._response.content:
                field, _colon, value = raw.decode("utf-8", "replace").rstrip("\r\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    yield PeerEvent(name, _fields(value))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise errors.TransientError(
                f"The other core's stream broke: {type(error).__name__}",
                against=str(self._response.url),
            ) from error


class PeerAnswers:
    """The other core's gateway, asked over mutual TLS; the session belongs to the caller.

    silence_seconds: without a byte for so long, heartbeats included, the stream is broken.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, *, silence_seconds: float = 0.5
    ) -> None:
        self._session, self._url = session, url
        self._timeout = aiohttp.ClientTimeout(total=None, sock_read=silence_seconds)

    async def follow(self, answer_id: str) -> Following | None:
        """Return the stream of an answer that is made there; None if none is."""
        url = self._url + PATH.format(answer_id=answer_id)
        try:
            async with asyncio.timeout(ACCEPT_SECONDS):
                response = await self._session.get(url, timeout=self._timeout)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
        if response.status != _OK:
            response.release()
            return None
        return Following(response)

    async def cancel(self, answer_id: str) -> None:
        """Stop an answer that is made there; a core that is away makes none."""
        url = self._url + ANSWER.format(answer_id=answer_id)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with asyncio.timeout(ACCEPT_SECONDS):
                (await self._session.delete(url, timeout=self._timeout)).release()


def _fields(value: str) -> dict[str, Any]:
    fields = json.loads(value)
    if not isinstance(fields, dict):
        raise ValueError("an event of the other core holds no object")  # noqa: TRY004 - as json's own
    return fields
