"""Composition of the doors: which routes are behind which listener."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from heyken_glue.gateway.activity import Activity
from heyken_glue.gateway.admission import Admission
from heyken_glue.gateway.answers import AnswerStore
from heyken_glue.gateway.auth import Doorkeeper
from heyken_glue.gateway.bodies import BodyReader
from heyken_glue.gateway.chat import ChatDoor
from heyken_glue.gateway.control import ControlDoor
from heyken_glue.gateway.copies import Copies
from heyken_glue.gateway.core_page import CopyFigures, CorePage
from heyken_glue.gateway.forward import Forwarder
from heyken_glue.gateway.handover import AnswersDoor, PeerAnswers
from heyken_glue.gateway.inflight import InFlight
from heyken_glue.gateway.metrics import Metrics
from heyken_glue.gateway.middleware import sign, surrounding
from heyken_glue.gateway.peer import PeerDoor
from heyken_glue.gateway.peer_chat import PeerChatDoor
from heyken_glue.gateway.ports import ChatModel, Unit
from heyken_glue.gateway.producer import Kitchen
from heyken_glue.gateway.readiness import Readiness
from heyken_glue.gateway.streams import StreamTimes
from heyken_glue.gateway.watching import WatchDoor

# JSON may write one byte of text as six (\u0000): four times the message is what people need
BODY_PER_MESSAGE = 4


@dataclass(frozen=True)
class Limits:
    """Sizes and times of the doors."""

    message_bytes_max: int
    body_timeout_seconds: float = 7.0

    @property
    def body_bytes_max(self) -> int:
        """The largest body that is read at all."""
        return self.message_bytes_max * BODY_PER_MESSAGE


@dataclass(frozen=True)
class Doors:
    """Everything the doors of one core are made of.

    `own_model` is what the other core may ask: this core's model alone, where the kitchen's may be
    the other core's again.
    """

    language: str
    core_ids: tuple[int, ...]
    peers: frozenset[str]
    doorkeeper: Doorkeeper
    store: AnswerStore
    kitchen: Kitchen
    own_model: ChatModel
    admission: Admission
    readiness: Readiness
    metrics: Metrics
    health: Unit
    core_manager: Unit
    limits: Limits
    times: StreamTimes
    activity: Activity = field(default_factory=lambda: Activity(time.monotonic))
    copies: Copies = field(default_factory=Copies)
    peer_answers: Mapping[int, PeerAnswers] = field(default_factory=dict)
    model_id: str = ""

    @functools.cached_property
    def figures(self) -> CorePage:
        """All figures of this core."""
        self.metrics.registry.register(CopyFigures(self.copies.replicas))
        units = {"health": self.health, "core-manager": self.core_manager}
        return CorePage(self.metrics, units)

    @functools.cached_property
    def inflight(self) -> InFlight:
        """All answers: those made here, and those that other cores began."""
        self.store.forgotten = self.copies.forget
        return InFlight(
            self.store,
            self.kitchen,
            self.admission,
            self.copies,
            self.peer_answers,
            self.model_id,
        )

    def public_app(self) -> web.Application:
        """Return what listens on TLS: chat, control, and the peer's routes."""
        bodies, chat = self._bodies(), self._chat()
        core_manager = Forwarder("core-manager", self.core_manager)
        control = ControlDoor(
            self.doorkeeper, bodies, core_manager, self.core_ids, self.limits.message_bytes_max
        )
        peer = PeerDoor(self.peers, bodies, Forwarder("health", self.health), core_manager)
        app = self._application()
        app.on_response_prepare.append(sign)
        answers = AnswersDoor(self.store, self.times, peer.admit)
        doors = (chat, control, peer, answers, self._peer_chat(peer, bodies), self._watch())
        app.add_routes([route for door in doors for route in door.routes()])
        return app

    def local_app(self) -> web.Application:
        """Return what the host's other units may ask: an answer, and how busy the gateway is."""

        async def load(_request: web.Request) -> web.StreamResponse:
            busy = {"draining": self.admission.draining, "model": self.activity.report()}
            return web.json_response({**self.store.load(), **busy})

        app = self._application()
        app.add_routes([web.get("/load", load)])
        app.add_routes([*self._chat().local_routes(), *self._watch().local_routes()])
        return app

    def _application(self) -> web.Application:
        return web.Application(
            middlewares=[surrounding(self.language, self.metrics)],
            client_max_size=self.limits.body_bytes_max,
        )

    def _bodies(self) -> BodyReader:
        return BodyReader(
            limit_bytes=self.limits.body_bytes_max,
            timeout_seconds=self.limits.body_timeout_seconds,
        )

    def _chat(self) -> ChatDoor:
        return ChatDoor(
            self.doorkeeper,
            self._bodies(),
            self.inflight,
            self.times,
            self.limits.message_bytes_max,
        )

    def _peer_chat(self, peer: PeerDoor, bodies: BodyReader) -> PeerChatDoor:
        return PeerChatDoor(
            peer.admit_peer,
            bodies,
            self.own_model,
            self.readiness.why_not,
            self.admission,
            self.times,
            self.limits.message_bytes_max,
        )

    def _watch(self) -> WatchDoor:
        return WatchDoor(
            self.doorkeeper,
            self.kitchen.core_id,
            self.readiness,
            lambda: self.admission.draining,
            self.figures,
        )
