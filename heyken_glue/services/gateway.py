"""Unit `gateway`: the only one that listens on the network."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import uvloop

from heyken_glue.adapters.ollama.client import OllamaClient
from heyken_glue.adapters.ollama.models import ChatMessage, Timeouts
from heyken_glue.credentials import Credentials
from heyken_glue.domain.events import Event, Kind, Outcome
from heyken_glue.domain.messages import State
from heyken_glue.domain.turns import Turn
from heyken_glue.gateway import producer, server, units
from heyken_glue.gateway.activity import Activity
from heyken_glue.gateway.answers import Answer, AnswerStore, StoreLimits
from heyken_glue.gateway.app import Doors, Limits
from heyken_glue.gateway.auth import Caller, Doorkeeper
from heyken_glue.gateway.streams import StreamTimes
from heyken_glue.runtime import http
from heyken_glue.runtime.clock import Clock
from heyken_glue.runtime.daemon import Daemon
from heyken_glue.runtime.spool import Spool
from heyken_glue.services import gateway_inflight
from heyken_glue.settings import Settings, section

UNIT = "gateway"
# the gateway's own deadlines come first and name what happened; the adapter's only back them up
DEADLINE_SLACK_SECONDS = 1.0
BEAT_SECONDS, BEAT_ALLOWANCE_SECONDS = 1.0, 4.0
loop_factory = uvloop.new_event_loop


@dataclass(frozen=True)
class OllamaModel:
    """The general model of this core, as the gateway asks it."""

    client: OllamaClient
    name: str
    timeouts: Timeouts
    activity: Activity
    options: Mapping[str, object] = field(default_factory=dict)

    async def stream(self, turns: Sequence[Turn]) -> AsyncGenerator[str]:
        """Answer the last turn piece by piece."""
        messages = [ChatMessage(role=turn.role.value, content=turn.content) for turn in turns]
        pieces = self.client.chat(self.name, messages, timeouts=self.timeouts, options=self.options)
        limits, slack = self.timeouts, DEADLINE_SLACK_SECONDS
        with self.activity.request(
            first_piece_seconds=limits.first_token - slack, gap_seconds=limits.gap - slack
        ) as request:
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    request.piece()
                    yield piece


async def run(settings: Settings, daemon: Daemon) -> None:
    """Run the unit until it shall stop."""
    gateway = section(settings.gateway, "[gateway]")
    credentials = Credentials.of_unit(UNIT)
    context = http.server_tls(
        ca_file=settings.tls.ca_file,
        certificate_file=settings.tls.certificate_file,
        key_file=credentials.path("tls_key"),
    )
    async with contextlib.AsyncExitStack() as stack:
        doors = await build(settings, daemon.clock, credentials, stack)
        language = settings.deployment.language
        socket_path = settings.paths.runtime_directory / UNIT / "http.sock"
        await stack.enter_async_context(http.unix_application(socket_path, doors.local_app()))
        port = await stack.enter_async_context(
            server.serving_tls(
                doors.public_app(),
                addresses=gateway.listen_addresses,
                port=gateway.port,
                context=context,
                language=language,
                patience=server.Patience(),
            )
        )
        stack.push_async_callback(doors.inflight.close)  # first of all, so that readers are told
        daemon.ready(f"serving on port {port}")
        heart = daemon.heart("event-loop", allowance=BEAT_ALLOWANCE_SECONDS)
        while not await daemon.pause(BEAT_SECONDS):
            heart.beat()


async def build(
    settings: Settings, clock: Clock, credentials: Credentials, stack: contextlib.AsyncExitStack
) -> Doors:
    """Join the doors with what is behind them; `stack` closes what was opened."""
    gateway, runtime = section(settings.gateway, "[gateway]"), settings.paths.runtime_directory
    health = await stack.enter_async_context(units.UnixUnit(runtime / "health" / "http.sock"))
    core_manager = await stack.enter_async_context(
        units.UnixUnit(runtime / "core-manager" / "http.sock")
    )
    spool = Spool(settings.spool.directory, UNIT, limit_bytes=settings.spool.limit_mib << 20)
    stack.callback(spool.close)
    limits = StoreLimits(gateway.concurrent_answers_max, gateway.answer_keep_seconds)

    activity = Activity(clock.monotonic)

    async def reason(language: str) -> str | None:
        return await units.reason_of(health, language)

    return Doors(
        language=settings.deployment.language,
        core_ids=core_ids(settings),
        peers=frozenset(peer.name for peer in settings.peers),
        doorkeeper=Doorkeeper(
            Caller(token.name, token.sha256, frozenset(token.scopes))
            for token in credentials.api_tokens()
        ),
        store=AnswerStore(
            limits, clock=clock.monotonic, observer=recorder(spool, clock, settings.host.name)
        ),
        kitchen=await _kitchen(settings, reason, activity, stack),
        activity=activity,
        health=health,
        core_manager=core_manager,
        limits=Limits(gateway.message_bytes_max),
        times=StreamTimes(gateway.heartbeat_seconds),
        copies=await gateway_inflight.copies(settings, credentials, stack),
        peer_answers=await gateway_inflight.peer_answers(settings, credentials, stack),
        model_id=gateway_inflight.model_id_of(settings),
    )


async def _kitchen(
    settings: Settings,
    reason: producer.Reason,
    activity: Activity,
    stack: contextlib.AsyncExitStack,
) -> producer.Kitchen:
    gateway, ollama = section(settings.gateway, "[gateway]"), section(settings.ollama, "[ollama]")
    session = await stack.enter_async_context(
        http.session(total_seconds=gateway.answer_timeout_seconds)
    )
    timeouts = Timeouts(
        gateway.first_token_timeout_seconds + DEADLINE_SLACK_SECONDS,
        gateway.token_gap_timeout_seconds + DEADLINE_SLACK_SECONDS,
    )
    return producer.Kitchen(
        model=OllamaModel(
            OllamaClient(session, ollama.url),
            ollama.general_model,
            timeouts,
            activity,
            gateway_inflight.options_of(settings),
        ),
        core_id=section(settings.host.core_id, "core_id in [host]"),
        deadlines=producer.Deadlines(
            first_token=gateway.first_token_timeout_seconds,
            token_gap=gateway.token_gap_timeout_seconds,
            answer=gateway.answer_timeout_seconds,
        ),
        reason=reason,
        conversation_bytes_max=gateway.conversation_bytes_max,
        resume=gateway_inflight.resume_of(settings),
    )


def core_ids(settings: Settings) -> tuple[int, ...]:
    """Return the numbers of all cores of the deployment."""
    own = section(settings.host.core_id, "core_id in [host]")
    return tuple(sorted({own, *(peer.core_id for peer in settings.peers)}))


def recorder(spool: Spool, clock: Clock, host: str) -> Callable[[Answer], None]:
    """Return what writes each step of a message's life to the spool: never a word of its text."""

    def record(answer: Answer) -> None:
        failed = answer.state is State.FAILED
        spool.append(
            Event(
                id=uuid.uuid4().hex,
                time=clock.now(),
                host=host,
                actor=answer.asker.name,
                kind=Kind.MESSAGE,
                subject=answer.id,
                cause=answer.failure.code if answer.failure is not None else "question",
                outcome=Outcome.FAILED if failed else Outcome.OK,
                payload={"state": answer.state, "tokens": answer.tokens},
            )
        )

    return record
