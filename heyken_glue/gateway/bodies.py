"""Reading what clients send: JSON objects, strictly, and every way in which they can be wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NoReturn

from aiohttp import web

from heyken_glue.gateway.problems import Problem
from heyken_glue.texts import Text
from heyken_glue.texts import text as _


class BodyReader:
    """Reads a request's JSON object within a time and a size."""

    def __init__(self, *, limit_bytes: int, timeout_seconds: float) -> None:
        self._limit_bytes = limit_bytes
        self._timeout_seconds = timeout_seconds

    async def read_object(self, request: web.Request) -> dict[str, Any]:
        """Return the JSON object in the body, or raise Problem (400, 408, 413, 415)."""
        _require_json_type(request)
        if (request.content_length or 0) > self._limit_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                body = await request.read()
        except TimeoutError:
            raise Problem(408, "body_too_slow", self._slow(), headers=CLOSE) from None
        except web.HTTPRequestEntityTooLarge:
            raise self._too_large() from None
        except web.RequestPayloadError:
            raise _bad_json(_("its transfer is damaged")) from None
        return parse_object(body)

    def _slow(self) -> Text:
        return _(
            "The body did not arrive within {seconds:g} s. Send it in one go.",
            seconds=self._timeout_seconds,
        )

    def _too_large(self) -> Problem:
        text = _(
            "The request is larger than {limit} bytes, which is the limit. Send less.",
            limit=self._limit_bytes,
        )
        return Problem(413, "body_too_large", text, headers=CLOSE)


CLOSE = {"Connection": "close"}


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object: UTF-8, no key twice, no NaN, no number or depth beyond reason."""
    try:
        parsed = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError:
        raise _bad_json(_("it is not UTF-8")) from None
    except RecursionError:
        raise _bad_json(_("it is nested too deeply")) from None
    except json.JSONDecodeError as error:
        where = _("line {line}, column {column}", line=error.lineno, column=error.colno)
        raise _bad_json(_("it is not JSON ({where})", where=where)) from None
    except ValueError:  # what remains: more digits than Python converts
        raise _bad_json(_("it contains a number that is too long")) from None
    if not isinstance(parsed, dict):
        raise _bad_json(_("it is JSON, but not an object"))
    return parsed


def message_of(body: Mapping[str, Any], *, limit_bytes: int) -> str:
    """Return the question in `body`, or raise Problem (400, 413) that says what is wrong."""
    message = body.get("message")
    if not isinstance(message, str):
        raise _bad_message(
            "message_not_text",
            _("The request has no “message” that is a text. Send {example}.", example=EXAMPLE),
        )
    demand_text(message, limit_bytes=limit_bytes)
    if not message.strip():
        raise _bad_message(
            "empty_message", _("The question is empty. Write what you want to know.")
        )
    return message


def demand_text(message: str, *, limit_bytes: int) -> None:
    """Refuse what is no text or too long: Problem (400, 413)."""
    try:
        size = len(message.encode("utf-8"))
    except UnicodeEncodeError:
        raise _bad_message(
            "message_undecodable",
            _("The question contains half of a surrogate pair, which is no character. Send whole "
              "characters."),
        ) from None  # fmt: skip
    if size > limit_bytes:
        text = _(
            "The question has {size} bytes; at most {limit} are allowed. Shorten it.",
            size=size,
            limit=limit_bytes,
        )
        raise Problem(413, "message_too_long", text)
    if "\0" in message:
        raise _bad_message(
            "message_binary",
            _("The question contains NUL characters, so it is not text. Send text."),
        )


def flag_of(body: Mapping[str, Any], name: str) -> bool | None:
    """Return an optional boolean of `body`."""
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return value
    text = _("“{name}” has to be true or false.", name=name)
    raise Problem(400, "not_boolean", text)


EXAMPLE = '{"message": "…"}'


def _require_json_type(request: web.Request) -> None:
    charset = request.headers.get("Content-Type", "").lower().partition("charset=")[2]
    plain = charset.strip(" \"'") in {"", "utf-8", "utf8"}
    compressed = request.headers.get("Content-Encoding", "identity").lower() != "identity"
    if request.content_type == "application/json" and plain and not compressed:
        return
    text = _(
        "The body has to be uncompressed JSON in UTF-8. Send the header "
        "“Content-Type: application/json” and {example}.",
        example=EXAMPLE,
    )
    raise Problem(415, "content_type", text, headers=CLOSE)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _bad_json(_("a key stands in it twice"))
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise _bad_json(_("it contains {name}, which JSON does not have", name=name))


def _bad_json(why: Text) -> Problem:
    text = _(
        "The body could not be read: {why}. Send a JSON object such as {example}.",
        why=why,
        example=EXAMPLE,
    )
    return Problem(400, "bad_json", text)


def _bad_message(code: str, text: Text) -> Problem:
    return Problem(400, code, text)
