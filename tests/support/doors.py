"""A gateway on loopback with a scripted model and scripted neighbours, behind real TLS."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import aiohttp
from aiohttp import web

from heyken_glue import errors
from heyken_glue.domain.continuing import Resume
from heyken_glue.domain.turns import Turn
from heyken_glue.gateway import producer, server, streams, units
from heyken_glue.gateway.admission import Admission
from heyken_glue.gateway.answers import Answer, AnswerStore, StoreLimits
from heyken_glue.gateway.app import Doors, Limits
from heyken_glue.gateway.auth import Caller, Doorkeeper
from heyken_glue.gateway.copies import Copies
from heyken_glue.gateway.handover import PeerAnswers
from heyken_glue.gateway.limits import Rate, RateLimiter
from heyken_glue.gateway.metrics import Metrics
from heyken_glue.gateway.ports import ChatModel, UnitReply
from heyken_glue.gateway.queueing import FairQueue, QueueLimits
from heyken_glue.gateway.readiness import Readiness
from heyken_glue.runtime import http
from tests.support.authority import Authority, Identity

OPERATORS = frozenset({"chat", "status", "switch", "send", "metrics"})
TOKENS = {
    "operator": ("token-of-the-operator", OPERATORS),
    "other": ("token-of-another", frozenset({"chat"})),
    "last day": ("token-on-its-last-day", frozenset({"chat"})),
    "too old": ("token-of-yesterday", frozenset({"chat"})),
}
TODAY = date(2026, 3, 1)
NOW = datetime(2026, 3, 1, 23, 59, tzinfo=UTC).timestamp()
LAST_DAYS = {"last day": TODAY, "too old": TODAY - timedelta(days=1)}
PATIENCE_SECONDS = 5.0
CONVERSATION_BYTES_MAX = 200
USUAL_LIMITS = Limits(message_bytes_max=65536)
USUAL_STORE = StoreLimits(concurrent_max=8, keep_seconds=600)
USUAL_DEADLINES = producer.Deadlines(first_token=5, token_gap=5, answer=5)
USUAL_TIMES = streams.StreamTimes(heartbeat=0.02)
USUAL_PATIENCE = server.Patience(shutdown=0.2)
USUAL_QUEUE = QueueLimits(
    at_once=8, at_once_per_owner=8, length=8, length_per_owner=8, wait_seconds=5
)
USUAL_RATE = Rate(per_second=10_000, burst=10_000)
Sign = Callable[[web.Request, web.StreamResponse], Awaitable[None]]
Step = str | Exception | asyncio.Event


class ScriptedModel:
    """Plays a script for every question: yields texts, raises errors, waits for events."""

    name = "scripted"

    def __init__(self, *script: Step) -> None:
        self.script: tuple[Step, ...] = script or ("Warsaw", " is", " it.")
        self.conversations: list[tuple[Turn, ...]] = []
        self.closed = asyncio.Event()

    @property
    def questions(self) -> list[str]:
        """The last turn of each conversation."""
        return [turns[-1].content for turns in self.conversations]

    async def stream(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        """Play the script once."""
        self.conversations.append(tuple(turns))
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield step
        finally:
            self.closed.set()


@dataclass
class ScriptedUnit:
    """A neighbour unit: replies from a table, or away where the table says nothing."""

    replies: dict[tuple[str, str], UnitReply] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str, Mapping[str, Any] | None, Mapping[str, str] | None]] = field(
        default_factory=list
    )

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 2.0,
    ) -> UnitReply:
        """Reply by the table."""
        del timeout_seconds
        self.calls.append((method, path, body, headers))
        reply = self.replies.get((method, path))
        if reply is None:
            raise errors.TransientError(f"{method} {path}: nobody there")
        return reply

    async def page(self, path: str, *, timeout_seconds: float) -> str:
        """Show a page, or be away where there is none."""
        del timeout_seconds
        if path not in self.pages:
            raise errors.TransientError(f"GET {path}: nobody there")
        return self.pages[path]


@dataclass
class House:
    """An open gateway and the hands to knock at it."""

    port: int
    doors: Doors
    model: ScriptedModel
    health: ScriptedUnit
    core_manager: ScriptedUnit
    authority: Authority
    stack: contextlib.AsyncExitStack

    @property
    def store(self) -> AnswerStore:
        """The answers of this gateway."""
        return self.doors.store

    async def client(
        self, token: str | None = TOKENS["operator"][0], *, identity: Identity | None = None
    ) -> aiohttp.ClientSession:
        """Return a client that trusts our CA and closes with the house."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        session = aiohttp.ClientSession(
            f"https://127.0.0.1:{self.port}",
            headers=headers,
            connector=aiohttp.TCPConnector(ssl=self.tls(identity)),
            timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS),
        )
        return await self.stack.enter_async_context(session)

    def tls(self, identity: Identity | None = None) -> ssl.SSLContext:
        """Return client TLS settings that trust our CA only."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        return context

    async def knock(self, data: bytes) -> bytes:
        """Send raw bytes over TLS and return everything that comes back."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls())
            writer.write(data)
            received = await reader.read()
            writer.close()
        return received


@dataclass(frozen=True)
class Plan:
    """How a house differs from the usual one."""

    language: str = "en"
    limits: Limits = USUAL_LIMITS
    store: StoreLimits = USUAL_STORE
    deadlines: producer.Deadlines = USUAL_DEADLINES
    times: streams.StreamTimes = USUAL_TIMES
    patience: server.Patience = USUAL_PATIENCE
    clock: Callable[[], float] = time.monotonic
    observer: Callable[[Answer], None] = lambda _answer: None
    core_id: int = 1
    copies: Copies = field(default_factory=Copies)
    peer_answers: Mapping[int, PeerAnswers] = field(default_factory=dict)
    resume: Resume = Resume.CONTINUE
    model_id: str = "scripted@1"
    queue: QueueLimits = USUAL_QUEUE
    rate: Rate = USUAL_RATE
    answer_tokens_max: int = 0


@contextlib.asynccontextmanager
async def open_house(
    authority: Authority,
    model: ChatModel,
    plan: Plan | None = None,
    *,
    sign: Sign | None = None,
) -> AsyncIterator[House]:
    """Serve a gateway for as long as the context lasts; `sign` is called for each response."""
    plan = plan or Plan()
    health, core_manager = ScriptedUnit(), ScriptedUnit()
    doors = _doors(model, health, core_manager, plan)
    identity = authority.issue(f"core{plan.core_id}")
    context = http.server_tls(
        ca_file=authority.file, certificate_file=identity.certificate, key_file=identity.key
    )
    app = doors.public_app()
    if sign is not None:
        app.on_response_prepare.append(sign)
    async with contextlib.AsyncExitStack() as serving:
        port = await serving.enter_async_context(
            server.serving_tls(
                app,
                addresses=["127.0.0.1"],
                port=0,
                context=context,
                door=server.Door(plan.language, plan.patience, doors.metrics),
            )
        )
        serving.push_async_callback(doors.inflight.close)
        async with contextlib.AsyncExitStack() as clients:
            # a test that gives another kind of model does not look at it through the house
            scripted = cast("ScriptedModel", model)
            yield House(port, doors, scripted, health, core_manager, authority, clients)


def _doors(model: ChatModel, health: ScriptedUnit, core_manager: ScriptedUnit, plan: Plan) -> Doors:
    async def reason(language: str) -> str | None:
        return await units.reason_of(health, language)

    metrics = Metrics()
    rate = RateLimiter(plan.rate, clock=plan.clock)
    return Doors(
        language=plan.language,
        core_ids=(1, 2),
        peers=frozenset({"core1", "core2"} - {f"core{plan.core_id}"}),
        doorkeeper=Doorkeeper(_callers(), now=lambda: NOW, limiter=rate, metrics=metrics),
        store=AnswerStore(plan.store, clock=plan.clock, observer=_watched(plan, metrics)),
        kitchen=producer.Kitchen(
            model,
            plan.core_id,
            plan.deadlines,
            reason,
            CONVERSATION_BYTES_MAX,
            plan.resume,
            plan.answer_tokens_max,
        ),
        own_model=model,
        admission=Admission(FairQueue(plan.queue, clock=plan.clock, metrics=metrics), metrics),
        readiness=Readiness(health, clock=plan.clock, keep_seconds=0.0),
        metrics=metrics,
        health=health,
        core_manager=core_manager,
        limits=plan.limits,
        times=plan.times,
        copies=plan.copies,
        peer_answers=plan.peer_answers,
        model_id=plan.model_id,
    )


def _callers() -> list[Caller]:
    return [
        Caller(
            name,
            hashlib.sha256(token.encode()).hexdigest(),
            scopes,
            expires_on=LAST_DAYS.get(name),
        )
        for name, (token, scopes) in TOKENS.items()
    ]


def _watched(plan: Plan, metrics: Metrics) -> Callable[[Answer], None]:
    def observe(answer: Answer) -> None:
        metrics.answer(answer)
        plan.observer(answer)

    return observe


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait, but not for ever, until `condition` holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0)


@dataclass(frozen=True)
class SseEvent:
    """One received event; a comment has the name `:`."""

    name: str
    data: dict[str, Any]
    id: str


async def sse_events(response: aiohttp.ClientResponse) -> AsyncIterator[SseEvent]:
    """Parse a stream of events, heartbeats included."""
    fields: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line.startswith(":"):
            yield SseEvent(":", {}, "")
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield SseEvent(fields["event"], json.loads(fields["data"]), fields.get("id", ""))
            fields = {}
