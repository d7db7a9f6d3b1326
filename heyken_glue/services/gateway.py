"""Unit `gateway`: the only one that listens on the network."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import uuid
from collections.abc import Callable, Sequence

import prometheus_client
import uvloop

from heyken_glue.credentials import ApiToken, Credentials
from heyken_glue.domain.events import Event, Kind, Outcome
from heyken_glue.domain.messages import State
from heyken_glue.gateway import producer, server, units
from heyken_glue.gateway.activity import Activity
from heyken_glue.gateway.admission import Admission
from heyken_glue.gateway.answer import Answer, Observer
from heyken_glue.gateway.answers import AnswerStore, StoreLimits
from heyken_glue.gateway.app import Doors, Limits
from heyken_glue.gateway.auth import Caller, Doorkeeper
from heyken_glue.gateway.limits import Rate, RateLimiter
from heyken_glue.gateway.metrics import Metrics
from heyken_glue.gateway.ports import ChatModel
from heyken_glue.gateway.queueing import FairQueue, QueueLimits
from heyken_glue.gateway.readiness import Readiness
from heyken_glue.gateway.streams import StreamTimes
from heyken_glue.runtime import http
from heyken_glue.runtime.clock import Clock
from heyken_glue.runtime.daemon import Daemon, Heart
from heyken_glue.runtime.spool import Spool
from heyken_glue.services import gateway_inflight
from heyken_glue.services.gateway_backends import Workshop
from heyken_glue.settings import Gateway, Settings, section

UNIT = "gateway"
BEAT_SECONDS, BEAT_ALLOWANCE_SECONDS = 1.0, 4.0
# after the drain: telling the readers, closing connections
FAREWELL_SECONDS = 2.0
# allocations before a collection, and collections before one of the next generation
COLLECT_AFTER = (20_000, 50, 100)
loop_factory = uvloop.new_event_loop


async def run(settings: Settings, daemon: Daemon) -> None:
    """Run the unit until it shall stop."""
    gateway = section(settings.gateway, "[gateway]")
    daemon.stop_grace_seconds = gateway.drain_seconds + FAREWELL_SECONDS
    credentials = Credentials.of_unit(UNIT)
    context = http.server_tls(
        ca_file=settings.tls.ca_file,
        certificate_file=settings.tls.certificate_file,
        key_file=credentials.path("tls_key"),
    )
    async with contextlib.AsyncExitStack() as stack:
        doors = await build(settings, daemon.clock, credentials, stack)
        patience = server.Patience(shutdown=FAREWELL_SECONDS / 2)
        socket_path = settings.paths.runtime_directory / UNIT / "http.sock"
        await stack.enter_async_context(http.unix_application(socket_path, doors.local_app()))
        port = await stack.enter_async_context(
            server.serving_tls(
                doors.public_app(),
                addresses=gateway.listen_addresses,
                port=gateway.port,
                context=context,
                door=server.Door(settings.deployment.language, patience, doors.metrics),
            )
        )
        stack.push_async_callback(doors.inflight.close)  # first of all, so that readers are told
        _collect_seldom()
        daemon.ready(f"serving on port {port}")
        heart = daemon.heart("event-loop", allowance=BEAT_ALLOWANCE_SECONDS)
        while not await daemon.pause(BEAT_SECONDS):
            heart.beat()
        daemon.status("draining")
        await drain(doors.admission, heart, seconds=gateway.drain_seconds)


def _collect_seldom() -> None:
    """Spare what lives as long as the process: looking through it stops all readers for 30 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


async def drain(admission: Admission, heart: Heart, *, seconds: float) -> None:
    """Let running answers end, with a heart that goes on beating: waiting is no hang."""
    draining = asyncio.create_task(admission.drain(seconds=seconds))
    try:
        while not (await asyncio.wait({draining}, timeout=BEAT_SECONDS))[0]:
            heart.beat()
    finally:
        draining.cancel()


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
    record = recorder(spool, clock, settings.host.name)
    metrics, tokens = _metrics(), credentials.api_tokens()
    readiness, activity = Readiness(health, clock=clock.monotonic), Activity(clock.monotonic)
    workshop = Workshop(settings, credentials, clock.monotonic, metrics, readiness, activity, stack)
    own_model = await workshop.own_model()
    queue = FairQueue(queue_limits(gateway, tokens), clock=clock.monotonic, metrics=metrics)

    async def reason(language: str) -> str | None:
        return await units.reason_of(health, language)

    return Doors(
        language=settings.deployment.language,
        core_ids=core_ids(settings),
        peers=frozenset(peer.name for peer in settings.peers),
        doorkeeper=_doorkeeper(gateway, tokens, clock, metrics),
        store=_store(gateway, clock, _both(record, metrics.answer)),
        kitchen=_kitchen(settings, await workshop.back_ends(own_model), reason),
        own_model=own_model,
        admission=Admission(queue, metrics),
        readiness=readiness,
        metrics=metrics,
        activity=activity,
        health=health,
        core_manager=core_manager,
        limits=Limits(gateway.message_bytes_max),
        times=StreamTimes(gateway.heartbeat_seconds),
        copies=await gateway_inflight.copies(settings, credentials, stack),
        peer_answers=await gateway_inflight.peer_answers(settings, credentials, stack),
        model_id=gateway_inflight.model_id_of(settings),
    )


def _metrics() -> Metrics:
    # the time at which a series began is a second series for each, and nobody reads it
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=registry)
    return Metrics(registry)


def queue_limits(gateway: Gateway, tokens: Sequence[ApiToken]) -> QueueLimits:
    """Return how many questions may be answered and wait at once."""
    return QueueLimits(
        at_once=gateway.concurrent_answers_max,
        at_once_per_owner=gateway.answers_per_token_max,
        length=gateway.queue_length_max,
        length_per_owner=gateway.queue_length_per_token_max,
        wait_seconds=gateway.queue_wait_seconds,
        at_once_of={
            token.sha256: token.answers_max for token in tokens if token.answers_max is not None
        },
    )


def _store(gateway: Gateway, clock: Clock, observer: Observer) -> AnswerStore:
    """Return a store with room for what the queue lets in; the queue refuses, long before it."""
    most = gateway.concurrent_answers_max + gateway.queue_length_max
    limits = StoreLimits(most, gateway.answer_keep_seconds)
    return AnswerStore(limits, clock=clock.monotonic, observer=observer)


def _doorkeeper(
    gateway: Gateway, tokens: Sequence[ApiToken], clock: Clock, metrics: Metrics
) -> Doorkeeper:
    rate = Rate(gateway.requests_per_second_max, gateway.requests_burst_max)
    return Doorkeeper(
        (
            Caller(
                token.name,
                token.sha256,
                frozenset(token.scopes),
                token.requests_per_second_max,
                token.expires_on,
            )
            for token in tokens
        ),
        now=clock.now,
        limiter=RateLimiter(rate, clock=clock.monotonic),
        metrics=metrics,
    )


def _kitchen(settings: Settings, model: ChatModel, reason: producer.Reason) -> producer.Kitchen:
    gateway = section(settings.gateway, "[gateway]")
    return producer.Kitchen(
        model=model,
        core_id=section(settings.host.core_id, "core_id in [host]"),
        deadlines=producer.Deadlines(
            first_token=gateway.first_token_timeout_seconds,
            token_gap=gateway.token_gap_timeout_seconds,
            answer=gateway.answer_timeout_seconds,
        ),
        reason=reason,
        conversation_bytes_max=gateway.conversation_bytes_max,
        resume=gateway_inflight.resume_of(settings),
        answer_tokens_max=gateway.answer_tokens_max,
    )


def core_ids(settings: Settings) -> tuple[int, ...]:
    """Return the numbers of all cores of the deployment."""
    own = section(settings.host.core_id, "core_id in [host]")
    return tuple(sorted({own, *(peer.core_id for peer in settings.peers)}))


def _both(one: Observer, other: Observer) -> Observer:
    def observe(answer: Answer) -> None:
        one(answer)
        other(answer)

    return observe


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
