"""What watchers ask: does the process live, can this core answer now, and all figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from heyken_glue.gateway.auth import Doorkeeper
from heyken_glue.gateway.core_page import CorePage
from heyken_glue.gateway.middleware import language_of
from heyken_glue.gateway.problems import Problem
from heyken_glue.gateway.readiness import Readiness, sentence_of
from heyken_glue.texts import Text
from heyken_glue.texts import text as _

SCOPE = "metrics"


@dataclass(frozen=True)
class WatchDoor:
    """The routes /healthz, /readyz and /metrics."""

    doorkeeper: Doorkeeper
    core_id: int
    readiness: Readiness
    draining: Callable[[], bool]
    figures: CorePage

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this door."""
        return [
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics_for_token),
        ]

    def local_routes(self) -> list[web.RouteDef]:
        """Return the routes for this host's other units."""
        return [web.get("/metrics", self.metrics_for_host)]

    async def healthz(self, _request: web.Request) -> web.StreamResponse:
        """Say that the gateway answers."""
        return web.Response(text="ok")

    async def readyz(self, request: web.Request) -> web.StreamResponse:
        """Say whether this core can answer a question now, and why (not)."""
        language = language_of(request)
        if self.draining():
            raise _not_ready(_("its gateway is going down."))
        verdict = await self.readiness.verdict()
        if verdict is None:
            raise _not_ready(_("its unit health does not answer, and only it knows."))
        sentence = sentence_of(verdict, language)
        if verdict.get("capable") is not True:
            raise _not_ready(sentence)
        return web.json_response({"success": True, "core": self.core_id, "reason": sentence})

    async def metrics_for_token(self, request: web.Request) -> web.StreamResponse:
        """Give all figures to a token that may have them."""
        self.doorkeeper.admit(request, SCOPE)
        return await self.figures.response()

    async def metrics_for_host(self, _request: web.Request) -> web.StreamResponse:
        """Give all figures to whoever may open the socket."""
        return await self.figures.response()


def _not_ready(reason: str | Text) -> Problem:
    text = _("This core cannot answer questions now: {reason}", reason=reason)
    return Problem(503, "not_ready", text, headers={"Retry-After": "1"})
