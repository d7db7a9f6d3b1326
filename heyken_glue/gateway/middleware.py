"""What surrounds every request: language, one shape for errors, one closing log line."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from heyken_glue import logs, texts
from heyken_glue.gateway.auth import CALLER
from heyken_glue.gateway.metrics import Metrics, RequestSeen
from heyken_glue.gateway.problems import Failure, Problem
from heyken_glue.texts import text as _

log = logs.get(__name__)
LANGUAGE = web.RequestKey("language", str)
SERVER_NAME = "heyken"
LOOKS = frozenset({"/peer/verdict", "/peer/role", "/load", "/healthz", "/readyz", "/metrics"})
# what a head may have in all; a single line of it is measured by the parser
HEAD_BYTES_MAX = 16 * 1024
GONE = ("client_gone", 499)
HOP_HEADERS = frozenset({"content-length", "content-type", "transfer-encoding"})

INTERNAL = Failure(
    500,
    "internal",
    _("Something broke here that should not. It is logged under the id in X-Request-Id: tell the "
      "operator this id."),
)  # fmt: skip
HEAD_TOO_LARGE = Failure(
    431,
    "head_too_large",
    _("The request's first line and headers have more than {limit} bytes, which is the limit. "
      "Send fewer or shorter headers, and long texts in the body.", limit=HEAD_BYTES_MAX),
    {"Connection": "close"},
)  # fmt: skip


def language_of(request: web.Request) -> str:
    """Return the language in which to answer this request."""
    return request[LANGUAGE]


def speak(request: web.Request, language: str | None) -> None:
    """Answer this request in `language`, if it is one we speak."""
    request[LANGUAGE] = texts.known(language) or request[LANGUAGE]


def error_response(failure: Failure, language: str) -> web.Response:
    """Return the response that tells a failure."""
    headers = {"Server": SERVER_NAME, **failure.headers}
    response = web.json_response(failure.body(language), status=failure.status, headers=headers)
    if headers.get("Connection") == "close":
        response.force_close()
    return response


async def sign(_request: web.Request, response: web.StreamResponse) -> None:
    """Name the product in a response, rather than the libraries it is built of."""
    response.headers["Server"] = SERVER_NAME


def surrounding(default_language: str, metrics: Metrics) -> Middleware:
    """Return the middleware that no request goes around."""

    @web.middleware
    async def surround(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = secrets.token_hex(8)
        began = time.monotonic()
        request[LANGUAGE] = texts.negotiate(
            request.headers.get("Accept-Language", ""), default_language
        )
        outcome, status = GONE
        try:
            response, outcome = await _respond(request, handler, request_id)
            status = response.status
            if not response.prepared:
                response.headers["X-Request-Id"] = request_id
            return response
        finally:
            seen = RequestSeen(_route_of(request), request.method, status, time.monotonic() - began)
            metrics.request(seen)
            _close(request, request_id, outcome, seen)

    return surround


async def _respond(
    request: web.Request, handler: Handler, request_id: str
) -> tuple[web.StreamResponse, str]:
    """Run the handler; turn whatever it raises into a response. Returns it with the outcome."""
    try:
        _demand_small_head(request)
        return await handler(request), "answered"
    except Problem as problem:
        failure = problem.failure
    except web.HTTPException as raised:
        failure = _of_http_exception(raised, request)
    except asyncio.CancelledError:
        raise
    except ConnectionError:
        # nobody is there to tell it; raised further, the server would log it as an error
        outcome, status = GONE
        return web.Response(status=status), outcome
    except Exception:  # the top of a request
        log.exception("request_crashed", id=request_id)
        failure = INTERNAL
    return error_response(failure, language_of(request)), failure.code


def _of_http_exception(raised: web.HTTPException, request: web.Request) -> Failure:
    """Return aiohttp's own refusals (no such path, wrong method, …) in our shape."""
    kept: Mapping[str, str] = {
        name: value for name, value in raised.headers.items() if name.lower() not in HOP_HEADERS
    }
    if raised.status == 404:  # noqa: PLR2004
        text = _("There is nothing at this address. The API is described in docs/reference.")
        return Failure(404, "not_found", text, kept)
    if isinstance(raised, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(raised.allowed_methods))
        text = _(
            "The method {method} does not work at this address. Use {allowed}.",
            method=request.method[:16],
            allowed=allowed,
        )
        return Failure(405, "method_not_allowed", text, kept)
    text = _("The request was refused: {reason}. Correct it and send it again.",
             reason=raised.reason)  # fmt: skip
    return Failure(raised.status, "refused", text, kept)


def _demand_small_head(request: web.Request) -> None:
    fields = sum(len(name) + len(value) + 4 for name, value in request.raw_headers)
    if fields + len(request.raw_path) > HEAD_BYTES_MAX:
        failure = HEAD_TOO_LARGE
        raise Problem.of(failure)


def _route_of(request: web.Request) -> str | None:
    """Return the route's pattern: never what a client put into the path."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else None


def _close(request: web.Request, request_id: str, outcome: str, seen: RequestSeen) -> None:
    """Write the closing line."""
    caller = request.get(CALLER)
    # the other core looks several times a second: that is worth a line only when it fails
    looks = seen.status == 200 and seen.route in LOOKS  # noqa: PLR2004
    (log.debug if looks else log.info)(
        "request_closed",
        id=request_id,
        route=seen.route,
        caller=caller.name if caller is not None else None,
        outcome=outcome,
        status=seen.status,
        duration_ms=round(seen.seconds * 1000, 1),
    )
