"""The gateway's back ends: Ollama on this core, then the other core through its gateway."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from heyken_glue import errors, logs
from heyken_glue.adapters.ollama.client import OllamaClient
from heyken_glue.adapters.ollama.models import ChatMessage, Timeouts
from heyken_glue.credentials import Credentials
from heyken_glue.domain.turns import Role, Turn, newer_half
from heyken_glue.gateway.activity import Activity
from heyken_glue.gateway.backends import BackEnd, BackEnds, Circuit, CircuitLimits
from heyken_glue.gateway.metrics import CircuitState, Metrics
from heyken_glue.gateway.peer_model import PeerModel
from heyken_glue.gateway.readiness import Readiness
from heyken_glue.runtime import http
from heyken_glue.services import gateway_inflight
from heyken_glue.settings import Peer, Settings, section

# the gateway's own deadlines come first and name what happened; the adapter's only back them up
SLACK_SECONDS = 1.0
# the other gateway sends heartbeats: several of them missed mean that it is gone
SILENT_HEARTBEATS = 4
# the queue gives turns; who has one does not wait a second time, for a connection
TURNS_DECIDE = 0


log = logs.get(__name__)


@dataclass(frozen=True)
class OllamaModel:
    """The general model of this core, as the gateway asks it."""

    client: OllamaClient
    name: str
    timeouts: Timeouts
    activity: Activity
    options: Mapping[str, object] = field(default_factory=dict)

    async def stream(self, turns: Sequence[Turn]) -> AsyncGenerator[str]:
        """Answer the last turn piece by piece, leaving out what is oldest until the rest fits.

        Raises TooLongError when the last turn alone does not.
        """
        while True:
            try:
                async with contextlib.aclosing(self._answer(turns)) as pieces:
                    async for piece in pieces:
                        yield piece
            except errors.TooLongError:
                shorter = newer_half(turns)
                if len(shorter) == len(turns):
                    raise
                turns = shorter
            else:
                return

    async def _answer(self, turns: Sequence[Turn]) -> AsyncGenerator[str]:
        pieces = self.client.chat(
            self.name,
            [ChatMessage(role=turn.role.value, content=turn.content) for turn in turns],
            timeouts=self.timeouts,
            options=self.options,
            # an answer that goes on may have outgrown the context by itself
            truncate=turns[-1].role is Role.ASSISTANT,
        )
        limits, slack = self.timeouts, SLACK_SECONDS
        with self.activity.request(
            first_piece_seconds=limits.first_token - slack, gap_seconds=limits.gap - slack
        ) as request:
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    if not request.spoke:
                        log.info("model_began", seconds=round(request.silent_seconds(), 3))
                    request.piece()
                    yield piece


@dataclass(frozen=True)
class Workshop:
    """What back ends are made with."""

    settings: Settings
    credentials: Credentials
    clock: Callable[[], float]
    metrics: Metrics
    readiness: Readiness
    activity: Activity
    stack: contextlib.AsyncExitStack

    async def own_model(self) -> OllamaModel:
        """Return this core's model."""
        gateway = section(self.settings.gateway, "[gateway]")
        ollama = section(self.settings.ollama, "[ollama]")
        session = await self.stack.enter_async_context(
            http.session(total_seconds=gateway.answer_timeout_seconds, connections_max=TURNS_DECIDE)
        )
        timeouts = Timeouts(
            gateway.first_token_timeout_seconds + SLACK_SECONDS,
            gateway.token_gap_timeout_seconds + SLACK_SECONDS,
        )
        return OllamaModel(
            OllamaClient(session, ollama.url),
            ollama.general_model,
            timeouts,
            self.activity,
            gateway_inflight.options_of(self.settings),
        )

    async def back_ends(self, own: OllamaModel) -> BackEnds:
        """Return this core's model followed by the other cores'."""
        local = BackEnd("local", own, self._circuit("local"), self.readiness.why_not)
        peers = [await self._peer(peer, own.name) for peer in self.settings.peers]
        return BackEnds([local, *peers], metrics=self.metrics, clock=self.clock)

    async def _peer(self, peer: Peer, model_name: str) -> BackEnd:
        gateway, tls = section(self.settings.gateway, "[gateway]"), self.settings.tls
        context = http.client_tls(
            ca_file=tls.ca_file,
            certificate_file=tls.certificate_file,
            key_file=self.credentials.path("tls_key"),
        )
        session = await self.stack.enter_async_context(
            http.session(
                tls=context,
                total_seconds=gateway.answer_timeout_seconds,
                connections_max=TURNS_DECIDE,
            )
        )
        model = PeerModel(
            session,
            f"https://{peer.address}:{gateway.port}",
            name=model_name,
            silence_seconds=max(SILENT_HEARTBEATS * gateway.heartbeat_seconds, 1.0),
        )

        async def why_not() -> str | None:
            return await self.readiness.why_not_peer(peer.core_id)

        return BackEnd(peer.name, model, self._circuit(peer.name), why_not)

    def _circuit(self, name: str) -> Circuit:
        gateway = section(self.settings.gateway, "[gateway]")
        limits = CircuitLimits(gateway.circuit_failures_max, gateway.circuit_cooldown_seconds)

        def changed(state: CircuitState) -> None:
            self.metrics.state(name, state)

        return Circuit(limits, clock=self.clock, changed=changed)
