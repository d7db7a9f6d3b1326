"""What the other core may ask of this one, over mutual TLS.

Only a client certificate of our CA whose common name is a configured peer gets in. A request is
passed on to a unit of this host once and never further: `Heyken-Hops` counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from heyken_glue.gateway.bodies import BodyReader
from heyken_glue.gateway.control import SWITCH_TIMEOUT_SECONDS
from heyken_glue.gateway.forward import Forwarder
from heyken_glue.gateway.middleware import language_of
from heyken_glue.gateway.peer_model import HOPS_HEADER, ONE_HOP
from heyken_glue.gateway.problems import Problem
from heyken_glue.texts import text as _

LOOK_TIMEOUT_SECONDS = 0.3
# what the header may say by the number of hops a request may have behind it
_ALLOWED: tuple[frozenset[str], ...] = (frozenset(), frozenset({ONE_HOP}))


@dataclass(frozen=True)
class PeerDoor:
    """The routes below /peer."""

    peers: frozenset[str]
    bodies: BodyReader
    health: Forwarder
    core_manager: Forwarder

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this door."""
        return [
            web.get("/peer/verdict", self.verdict, allow_head=False),
            web.get("/peer/role", self.role, allow_head=False),
            web.post("/peer/switch_core", self.switch_core),
        ]

    async def verdict(self, request: web.Request) -> web.StreamResponse:
        """Tell what this core's health unit says."""
        headers = self.admit(request)
        return await self.health.pass_on(
            "GET", "/verdict", headers=headers, timeout_seconds=LOOK_TIMEOUT_SECONDS
        )

    async def role(self, request: web.Request) -> web.StreamResponse:
        """Tell this core's VRRP role."""
        headers = self.admit(request)
        return await self.core_manager.pass_on(
            "GET", "/role", headers=headers, timeout_seconds=LOOK_TIMEOUT_SECONDS
        )

    async def switch_core(self, request: web.Request) -> web.StreamResponse:
        """Pass the peer's wish to switch on to this core's manager."""
        headers = self.admit(request)
        body = await self.bodies.read_object(request)
        return await self.core_manager.pass_on(
            "POST",
            "/switch_core",
            body=body,
            headers=headers,
            timeout_seconds=SWITCH_TIMEOUT_SECONDS,
        )

    def admit(self, request: web.Request) -> dict[str, str]:
        """Refuse everybody but peers; return the headers for the one hop that is left."""
        self.admit_peer(request, hops=0)
        return {HOPS_HEADER: ONE_HOP, "Accept-Language": language_of(request)}

    def admit_peer(self, request: web.Request, *, hops: int = 1) -> str:
        """Return the asking core's name; Problem (403, 400) for others and after more hops."""
        name = common_name(request.get_extra_info("peercert"))
        if name is None or name not in self.peers:
            text = _(
                "Only the other core may ask this, with its own certificate. Use /status and "
                "/switch_core with a token."
            )
            raise Problem(403, "not_a_peer", text)
        if any(value not in _ALLOWED[hops] for value in request.headers.getall(HOPS_HEADER, [])):
            text = _("This request was passed on once already, so it goes no further.")
            raise Problem(400, "too_many_hops", text)
        return name


def common_name(certificate: Mapping[str, Any] | None) -> str | None:
    """Return the one common name in a verified certificate, as `getpeercert` gives it."""
    subject = (certificate or {}).get("subject", ())
    names = [value for rdn in subject for key, value in rdn if key == "commonName"]
    return str(names[0]) if len(names) == 1 else None
