"""The common path of every REST call: who calls, how often, with what, and how it is answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from lab.standins.rocketchat import ejson, errors
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import ApiError, Reply
from lab.standins.rocketchat.kept.people import Caller
from lab.standins.rocketchat.realtime.methods import wait_as_told
from lab.standins.rocketchat.rest import (
    chat,
    fields,
    files,
    login,
    methods,
    overview,
    reading,
    room_changes,
    rooms,
    server,
    settings,
    users,
)
from lab.standins.rocketchat.rest.calls import Call, Endpoint, Registry
from lab.standins.rocketchat.rules.login import check_second_factor
from lab.standins.rocketchat.workspace import Workspace

_log = logging.getLogger(__name__)
MODULES = (
    chat,
    files,
    login,
    methods,
    overview,
    reading,
    room_changes,
    rooms,
    server,
    settings,
    users,
)
MODES_PATH = "/standin/modes"
STAND_IN = {"X-Stand-In": "rocketchat"}


@dataclass(frozen=True)
class Answer:
    """What goes back, with the headers of the rate limiter if it counted."""

    reply: Reply
    headers: Mapping[str, str]


class RestApi:
    """Answers every REST call."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._registry = registry()

    async def v1(self, request: web.Request) -> web.StreamResponse:
        """Answer `/api/v1/<name>/<parts>`."""
        name, *parts = ejson.clean(request.match_info["path"]).split("/")
        endpoint = self._registry.find(request.method, name, len(parts))
        if endpoint is None:
            return self._unknown(name, len(parts))
        return await self._handle(request, name, tuple(parts), endpoint)

    async def info(self, request: web.Request) -> web.StreamResponse:
        """Answer `/api/info`, which has no version in its path."""
        endpoint = Endpoint(handler=server.info, login=False, limited=False)
        return await self._handle(request, "info", (), endpoint)

    async def modes(self, request: web.Request) -> web.StreamResponse:
        """Answer `/standin/modes`, the stand-in's own: an admin reads and changes its modes."""
        handler = server.set_modes if request.method == "POST" else server.get_modes
        endpoint = Endpoint(handler=handler, permission="edit-privileged-setting", limited=False)
        return await self._handle(request, "modes", (), endpoint)

    async def _handle(
        self, request: web.Request, name: str, parts: tuple[str, ...], endpoint: Endpoint
    ) -> web.StreamResponse:
        headers: dict[str, str] = {}
        try:
            await self._fail_as_told(request)
            caller = self._caller(request, needed=endpoint.login)
            self._count(request, name, endpoint, caller, headers)
            body = await self._answer(request, name, parts, endpoint, caller)
            # Logging in and out is the older form, which has `status` instead of `success`.
            older = body.get("status") == "success"
            reply = Reply(200, body if older else body | {"success": True})
        except ApiError as error:
            shape = errors.login_reply if _is_login(name, error) else errors.rest_reply
            reply = shape(error, self._workspace.modes.shapes)
        except web.RequestPayloadError:
            reply = Reply(400, {"success": False, "error": "Malformed request body"})
        except web.HTTPRequestEntityTooLarge:
            reply = Reply(413, {"success": False, "error": "Request entity too large"})
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:  # noqa: BLE001 - at the top of a call, logged
            # The edge of the server: a fault of ours must not end it, and must be seen.
            _log.exception("%s %s failed", request.method, request.path)
            reply = Reply(500, {"success": False, "error": "Internal server error"})
        if request.path != MODES_PATH:
            await wait_as_told(self._workspace)
        self._lose_as_told(request, reply)
        text = ejson.encode(ejson.to_rest(reply.body))
        response = web.Response(
            text=text,
            status=reply.status,
            content_type="application/json",
            headers=headers | STAND_IN,
        )
        if not request.content.is_eof():
            # The rest of a body that was refused half way would be taken for the next request.
            response.force_close()
        return response

    async def _answer(
        self,
        request: web.Request,
        name: str,
        parts: tuple[str, ...],
        endpoint: Endpoint,
        caller: Caller | None,
    ) -> Document:
        values = await _values(request)
        call = Call(
            workspace=self._workspace, request=request, parts=parts, values=values, caller=caller
        )
        permission = endpoint.permission
        if permission is not None and not self._workspace.rights.has(call.user, permission):
            raise errors.forbidden()
        refusal = fields.why_not(name, values)
        if refusal is not None:
            raise refusal
        if endpoint.second_factor and caller is not None:
            await check_second_factor(self._workspace, caller, request.headers)
        # Everything that one call writes is written as one.
        with self._workspace.store.transaction():
            body = endpoint.handler(call)
        return body if isinstance(body, dict) else await body

    def _caller(self, request: web.Request, *, needed: bool) -> Caller | None:
        user_id, token = request.headers.get("X-User-Id"), request.headers.get("X-Auth-Token")
        caller = None
        if user_id and token:
            caller = self._workspace.accounts.caller(user_id, ejson.clean(token))
        if needed and caller is None:
            raise errors.not_logged_in()
        return caller

    def _count(
        self,
        request: web.Request,
        name: str,
        endpoint: Endpoint,
        caller: Caller | None,
        headers: dict[str, str],
    ) -> None:
        """Let the rate limiter count the call; it is refused when it is one too many."""
        workspace, modes = self._workspace, self._workspace.modes
        off = modes.rate_limit == "settings" and not workspace.settings.flag(
            "API_Enable_Rate_Limiter"
        )
        if modes.rate_limit == "off" or off or not endpoint.limited:
            return
        bypass = caller is not None and workspace.rights.has(caller.user, "api-bypass-rate-limit")
        if bypass and modes.rate_limit != "everybody":
            return
        prefix = "API_Enable_Rate_Limiter_Limit"
        calls = modes.rate_limit_calls or workspace.settings.number(f"{prefix}_Calls_Default")
        window = int(modes.rate_limit_seconds * 1000)
        window = window or workspace.settings.number(f"{prefix}_Time_Default")
        key = (client_address(request, workspace.config.forwarded_count), name, request.method)
        budget = workspace.limiter.take(key, calls=calls, window_ms=window)
        headers.update(budget.headers())
        if not budget.allowed:
            raise errors.too_many_requests(budget.wait_seconds)

    async def _fail_as_told(self, request: web.Request) -> None:
        modes = self._workspace.modes
        if modes.fail_requests > 0 and request.path != MODES_PATH:
            self._workspace.modes = replace(modes, fail_requests=modes.fail_requests - 1)
            raise errors.failure("Service unavailable", status=503)

    def _lose_as_told(self, request: web.Request, reply: Reply) -> None:
        modes = self._workspace.modes
        own = request.path == MODES_PATH
        if modes.lose_answers > 0 and request.method == "POST" and reply.status == 200 and not own:  # noqa: PLR2004
            self._workspace.modes = replace(modes, lose_answers=modes.lose_answers - 1)
            if request.transport is not None:
                request.transport.abort()

    def _unknown(self, name: str, parts: int) -> web.Response:
        known = self._registry.methods(name, parts)
        status = 405 if known else 404
        text = "Method not allowed" if known else "API endpoint does not exist"
        body = {"success": False, "error": text}
        if self._workspace.modes.shapes is errors.Shapes.V8:
            body |= {"status": "error", "message": text}
        headers = STAND_IN | ({"Allow": ", ".join(known)} if known else {})
        return web.json_response(body, status=status, headers=headers)


def registry() -> Registry:
    """Return all endpoints."""
    found = Registry()
    for module in MODULES:
        module.register(found)
    return found


def client_address(request: web.Request, forwarded_count: int) -> str:
    """Return who calls, behind so many proxies that are trusted to say so."""
    forwarded = [it.strip() for it in request.headers.get("X-Forwarded-For", "").split(",")]
    if forwarded_count > 0 and len(forwarded) >= forwarded_count and forwarded[-forwarded_count]:
        return forwarded[-forwarded_count]
    return request.remote or ""


def _is_login(name: str, error: ApiError) -> bool:
    return name == "login" and error.status not in {429, 503}


async def _values(request: web.Request) -> Mapping[str, Any]:
    """Return the query of a GET and the JSON of anything else; other bodies are passed over."""
    if request.method == "GET":
        return {key: ejson.clean(value) for key, value in request.query.items()}
    if request.content_type != "application/json":
        return {}
    raw = await request.read()
    if not raw.strip():
        return {}
    try:
        values = ejson.decode(raw)
    except ejson.MalformedError as error:
        raise errors.invalid("Malformed JSON in the request body") from error
    if not isinstance(values, dict):
        raise errors.invalid("must be object")
    return values
