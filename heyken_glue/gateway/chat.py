"""The chat API: a question in, an answer out, whole or as a stream that can be resumed."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

from heyken_glue.domain import delivered
from heyken_glue.domain.copies import answer_id
from heyken_glue.domain.delivered import Delivered
from heyken_glue.gateway.answers import Answer, AnswerStore, Asker, TooManyAnswersError
from heyken_glue.gateway.auth import Doorkeeper
from heyken_glue.gateway.bodies import BodyReader, flag_of
from heyken_glue.gateway.conversations import conversation_of, demand_model
from heyken_glue.gateway.inflight import InFlight
from heyken_glue.gateway.middleware import language_of, speak
from heyken_glue.gateway.problems import Problem
from heyken_glue.gateway.streams import (
    StreamTimes,
    event_number,
    follow,
    refuse_if_failed_early,
    resume_point,
    whole,
)
from heyken_glue.texts import Text
from heyken_glue.texts import text as _

T = TypeVar("T")
SCOPE = "chat"
EVENT_STREAM = "text/event-stream"
LOCAL = (
    "local"  # owns what this host's own units ask; with a digest behind it, what one person does
)
PERSON = re.compile(r"[0-9a-f]{16,64}")
NAME_LENGTH_MAX = 100
KEY_HEADER = "Idempotency-Key"
KEY = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True)
class ChatDoor:
    """The routes below /api/v1/chat."""

    doorkeeper: Doorkeeper
    bodies: BodyReader
    inflight: InFlight
    times: StreamTimes
    message_bytes_max: int

    @property
    def store(self) -> AnswerStore:
        """The answers in this core's memory."""
        return self.inflight.store

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this door."""
        return [
            web.post("/api/v1/chat", self.ask),
            web.get("/api/v1/chat/{answer_id}/events", self.resume, allow_head=False),
        ]

    def local_routes(self) -> list[web.RouteDef]:
        """Return the routes for this host's other units."""
        return [
            web.post("/api/v1/chat", self.ask_locally),
            web.post("/api/v1/chat/cancel", self.cancel_locally),
        ]

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """Answer a question, as JSON or as a stream."""
        caller = self.doorkeeper.admit(request, SCOPE)
        body = await self.bodies.read_object(request)
        asker = Asker(caller.name, caller.sha256, language_of(request))
        return await self.answer(request, body, asker)

    async def ask_locally(self, request: web.Request) -> web.StreamResponse:
        """Answer another unit of this host, which says for whom it asks and in which language."""
        body = await self.bodies.read_object(request)
        name = str(body.get("asker") or "unknown")[:NAME_LENGTH_MAX]
        speak(request, str(body.get("language")))
        return await self.answer(request, body, Asker(name, _owner(body), language_of(request)))

    async def cancel_locally(self, request: web.Request) -> web.StreamResponse:
        """Stop an answer at once, for who asked under that key wants it no more."""
        body = await self.bodies.read_object(request)
        key, owner = _key_of(request, body), _owner(body)
        stopped = key is not None and await self.inflight.cancel(answer_id(owner, key), owner)
        return web.json_response({"success": True, "stopped": stopped})

    async def answer(
        self, request: web.Request, body: Mapping[str, Any], asker: Asker
    ) -> web.StreamResponse:
        """Answer the conversation in `body`, whole or as a stream."""
        demand_model(body, self.inflight.kitchen.model.name)
        turns = conversation_of(body, limit_bytes=self.message_bytes_max)
        as_stream = flag_of(body, "stream")
        if as_stream is None:
            as_stream = EVENT_STREAM in request.headers.get("Accept", "").lower()
        is_local = asker.owner.startswith(LOCAL)
        key = _key_of(request, body if is_local else {})
        answer = await self._within_limits(self.inflight.obtain(turns, asker, key))
        # who has no key cannot come back to the local door, so the model need not work on
        with self.store.reading(answer, resumable=not is_local or key is not None):
            if not as_stream:
                return await self._answer_whole(answer)
            await refuse_if_failed_early(answer, self.times)
            return await follow(request, answer, self.times)

    async def resume(self, request: web.Request) -> web.StreamResponse:
        """Go on with the stream of an answer after the event named by Last-Event-ID."""
        caller = self.doorkeeper.admit(request, SCOPE)
        id_ = request.match_info["answer_id"]
        found = self.inflight.find(id_, caller.sha256, _delivered_of(request, id_))
        answer = await self._within_limits(found)
        if answer is None:
            raise Problem(404, "answer_unknown", self._unknown())
        start_at = resume_point(request.headers.get("Last-Event-ID"), answer)
        # after a loss the number may have been another event's: then the end is told once more
        if answer.finished and start_at == len(answer.events) and answer.resumed is None:
            return web.Response(status=204)  # by the standard of event streams: do not come back
        with self.store.reading(answer):
            return await follow(request, answer, self.times, start_at=start_at)

    async def _within_limits(self, getting: Awaitable[T]) -> T:
        try:
            return await getting
        except TooManyAnswersError:
            text = _(
                "This core is already making {count} answers, which is its limit. Ask again in a "
                "few seconds.",
                count=self.store.limits.concurrent_max,
            )
            raise Problem(429, "too_many_answers", text, headers={"Retry-After": "2"}) from None

    async def _answer_whole(self, answer: Answer) -> web.Response:
        await whole(answer)
        if answer.failure is not None:
            failure = answer.failure
            raise Problem.of(failure)
        answer.delivered()
        return web.json_response(
            {
                "success": True,
                "response": answer.text,
                "id": answer.id,
                "core": self.inflight.kitchen.core_id,
                "model": self.inflight.kitchen.model.name,
                **answer.provenance,
            }
        )

    def _unknown(self) -> Text:
        return _(
            "No answer of that id is known. Answers stay for {minutes:g} minutes, for the token "
            "that asked. Ask again.",
            minutes=self.store.limits.keep_seconds / 60,
        )


def _owner(body: Mapping[str, Any]) -> str:
    """Return who has the turns and answers of what another unit asks: the person it asks for."""
    person = body.get("owner")
    if person is None:
        return LOCAL
    if isinstance(person, str) and PERSON.fullmatch(person):
        return f"{LOCAL}:{person}"
    raise Problem(400, "bad_owner", _("“owner” has to be a digest of 16 to 64 hexadecimal digits."))


def _key_of(request: web.Request, body: Mapping[str, Any]) -> str | None:
    """Return the key under which the question is asked: from the header, or from the body."""
    key = request.headers.get(KEY_HEADER, body.get("key"))
    if key is None or (isinstance(key, str) and KEY.fullmatch(key)):
        return key
    text = _("“Idempotency-Key” has to be 1 to 128 visible ASCII characters, without spaces.")
    raise Problem(400, "bad_key", text)


def _delivered_of(request: web.Request, id_: str) -> Delivered | None:
    """Return what the reader says that it has of the answer."""
    value = request.headers.get(delivered.HEADER)
    if value is None:
        return None
    try:
        texts = delivered.decoded(value)
    except ValueError:
        text = _(
            "“Heyken-Delivered” has to be a JSON list of texts in UTF-8, encoded as base64url. "
            "Correct it, or leave it out."
        )
        raise Problem(400, "bad_delivered", text) from None
    number = event_number(request.headers.get("Last-Event-ID", ""), id_)
    return None if number is None else Delivered(number, texts)
