"""What the operator's tools call: status, the planned switch, sending to a room, drills."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from heyken_glue.gateway.auth import Doorkeeper
from heyken_glue.gateway.bodies import BodyReader, demand_text, flag_of
from heyken_glue.gateway.forward import Forwarder
from heyken_glue.gateway.middleware import language_of
from heyken_glue.gateway.problems import Problem
from heyken_glue.texts import text as _

SWITCH_TIMEOUT_SECONDS = 20.0
STATUS_TIMEOUT_SECONDS = 3.0
SEND_TIMEOUT_SECONDS = 20.0
DRILL_TIMEOUT_SECONDS = 25.0
KEY_HEADER = "Idempotency-Key"


@dataclass(frozen=True)
class ControlDoor:
    """The routes /status, /switch_core, /send and /drills."""

    doorkeeper: Doorkeeper
    bodies: BodyReader
    core_manager: Forwarder
    core_ids: tuple[int, ...]
    message_bytes_max: int

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this door."""
        return [
            web.get("/status", self.status),
            web.post("/switch_core", self.switch_core),
            web.post("/send", self.send),
            web.get("/drills", self.read_drills),
            web.post("/drills", self.write_drills),
        ]

    async def status(self, request: web.Request) -> web.StreamResponse:
        """Tell how the pair is."""
        self.doorkeeper.admit(request, "status")
        return await self.core_manager.pass_on(
            "GET",
            "/status",
            headers={"Accept-Language": language_of(request)},
            timeout_seconds=STATUS_TIMEOUT_SECONDS,
        )

    async def switch_core(self, request: web.Request) -> web.StreamResponse:
        """Move the VIP to the named core."""
        caller = self.doorkeeper.admit(request, "switch")
        body = await self.bodies.read_object(request)
        core_id = body.get("core_id")
        if type(core_id) is not int or core_id not in self.core_ids:
            known = ", ".join(str(core) for core in self.core_ids)
            text = _("“core_id” has to be one of {known}. Name an existing core.", known=known)
            raise Problem(400, "unknown_core", text)
        return await self.core_manager.pass_on(
            "POST",
            "/switch_core",
            body={
                "core_id": core_id,
                "force": flag_of(body, "force") or False,
                "requested_by": caller.name,
            },
            headers={"Accept-Language": language_of(request)},
            timeout_seconds=SWITCH_TIMEOUT_SECONDS,
        )

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Send a text to a Rocket.Chat room."""
        caller = self.doorkeeper.admit(request, "send")
        body = await self.bodies.read_object(request)
        missing = [
            name
            for name in ("room_id", "text")
            if not isinstance(value := body.get(name), str) or not value.strip()
        ]
        if missing:
            text = _("Missing: {missing}. Send “room_id” and “text” as texts.",
                     missing=", ".join(missing))  # fmt: skip
            raise Problem(400, "missing_parameters", text)
        demand_text(body["text"], limit_bytes=self.message_bytes_max)
        return await self.core_manager.pass_on(
            "POST",
            "/send",
            body={
                "room_id": body["room_id"],
                "text": body["text"],
                "key": request.headers.get(KEY_HEADER, ""),
                "requested_by": caller.name,
            },
            headers={"Accept-Language": language_of(request)},
            timeout_seconds=SEND_TIMEOUT_SECONDS,
        )

    async def read_drills(self, request: web.Request) -> web.StreamResponse:
        """Tell which drills there were, and whether one may begin."""
        self.doorkeeper.admit(request, "status")
        return await self.core_manager.pass_on(
            "GET",
            "/drills",
            headers={"Accept-Language": language_of(request)},
            timeout_seconds=STATUS_TIMEOUT_SECONDS,
        )

    async def write_drills(self, request: web.Request) -> web.StreamResponse:
        """Begin or end a drill; whoever may move the VIP may do that."""
        caller = self.doorkeeper.admit(request, "switch")
        body = await self.bodies.read_object(request)
        return await self.core_manager.pass_on(
            "POST",
            "/drills",
            body={**body, "requested_by": caller.name},
            headers={"Accept-Language": language_of(request)},
            timeout_seconds=DRILL_TIMEOUT_SECONDS,
        )
