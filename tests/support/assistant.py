"""Assistants on two cores, with a scripted gateway, against the Rocket.Chat stand-in in process."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from heyken_glue import errors
from heyken_glue.adapters.rocketchat.client import Conduct, Login, RocketChatClient
from heyken_glue.adapters.rocketchat.realtime import RealtimeFeed
from heyken_glue.domain.conversation import is_unfinished, reply_id
from heyken_glue.domain.lease import Holding
from heyken_glue.domain.sentences import Sentence, say
from heyken_glue.runtime import http
from heyken_glue.runtime.clock import boottime
from heyken_glue.runtime.daemon import Daemon, Notifier
from heyken_glue.services import assistant
from heyken_glue.services.assistant_desk import Outside
from heyken_glue.services.assistant_gateway import GatewayModel
from heyken_glue.services.assistant_ports import CoreState, PairState, Role, Switched
from heyken_glue.services.assistant_role import Permit
from heyken_glue.services.assistant_writer import Pace
from heyken_glue.settings import Settings
from tests.support.ice import Ice
from tests.support.languages import FakeLanguages
from tests.support.rocketchat import BOT, StandIn

PATIENCE_SECONDS = 20.0
FAST = Pace(edit=0.02, first_words=0.0, loading=0.2, place=0.05)
BREATH_SECONDS = 0.002
Step = str | asyncio.Event | web.Response | None
Script = Callable[[Mapping[str, Any]], list[Step]]


def echo(body: Mapping[str, Any]) -> list[Step]:
    """Answer with the question, word by word."""
    return [f"{word} " for word in f"You asked: {body['messages'][-1]['content']}".split()]


@dataclass
class Gateway:
    """Plays a script for each question: words, waits, None for a cut, a response for a refusal."""

    script: Script = echo
    asked: list[dict[str, Any]] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    cancelled: int = 0

    def routes(self) -> web.RouteTableDef:
        """Return the gateway's local route."""
        table = web.RouteTableDef()
        table.post("/api/v1/chat")(self._chat)
        return table

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        steps = self.script(body)
        if steps and isinstance(steps[0], web.Response):
            return steps[0]
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            return await self._play(request, steps)
        except ConnectionResetError:  # the reader is gone
            self.cancelled += 1
            return web.Response()
        finally:
            self.open -= 1

    async def _play(self, request: web.Request, steps: list[Step]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await _say(response, "start", {"id": "a1", "core": 1, "model": "scripted"})
        for step in steps:
            if step is None:
                assert request.transport is not None
                request.transport.abort()
                return response
            if isinstance(step, asyncio.Event):
                await self._hold(response, step)
            elif isinstance(step, str):
                await _say(response, "token", {"text": step})
        await _say(response, "done", {"tokens": len(steps)})
        return response

    async def _hold(self, response: web.StreamResponse, event: asyncio.Event) -> None:
        while not event.is_set():
            await response.write(b": hb\n\n")  # fails once the reader is gone
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await event.wait()


async def _say(response: web.StreamResponse, event: str, data: Mapping[str, Any]) -> None:
    await response.write(f"event: {event}\ndata: {json.dumps(data)}\n\n".encode())


def problem(status: int, code: str, error: str, **headers: str) -> web.Response:
    """Return a refusal in the gateway's shape."""
    body = {"success": False, "error": error, "code": code}
    return web.json_response(body, status=status, headers=headers)


class Pair:
    """What keepalived and core-manager of both cores say; each core has its own view of it."""

    def __init__(self) -> None:
        self.active: int | None = 1
        self.epoch: int | None = 1
        self.since = 0.0
        self.cause, self.reason = "deploy", "first start of the pair"
        self.health = {1: "healthy", 2: "healthy"}
        self.wishes: list[tuple[int, str]] = []
        self.refusal = self.only_answers = ""
        self.silent = False
        self.looks = 0
        self.asked = {1: 0, 2: 0}

    def move(self, core_id: int | None, *, since: float = 0.0, reason: str = "a test") -> None:
        """Give the address to a core, or to none."""
        self.active, self.cause, self.reason = core_id, "failover", reason
        self.since = since or self.since + 1
        self.epoch = (self.epoch or 0) + 1


class FakeManager:
    """One core's core-manager."""

    def __init__(self, pair: Pair, core_id: int) -> None:
        self._pair, self._core_id = pair, core_id

    async def role(self) -> Role:
        """Return this core's role."""
        self._pair.asked[self._core_id] += 1
        if self._pair.silent:
            raise errors.TransientError("core-manager is silent")
        return Role(self._pair.active == self._core_id, epoch=self._pair.epoch)

    async def status(self, language: str) -> PairState:
        """Return the pair."""
        pair = self._pair
        pair.looks += 1
        if pair.silent:
            raise errors.TransientError("core-manager is silent")
        cores = tuple(
            CoreState(n, f"core{n}", health, f"core{n} {language} {health}")
            for n, health in pair.health.items()
        )
        holder = f"core{pair.active}" if pair.active else None
        return PairState(
            "online",
            pair.active,
            holder,
            pair.since,
            pair.reason,
            pair.cause,
            pair.epoch,
            cores,
            pair.only_answers,
        )

    async def switch(self, core_id: int, *, requested_by: str, language: str) -> Switched:
        """Move the address."""
        self._pair.wishes.append((core_id, requested_by))
        if self._pair.refusal:
            return Switched(refusal=f"{self._pair.refusal} ({language})")
        changed = self._pair.active != core_id
        if changed:
            self._pair.move(core_id)
        return Switched(core_id, changed)


class FakeLease:
    """One core's lease: the holder has it unless nothing but answering is to be done."""

    def __init__(self, pair: Pair, core_id: int) -> None:
        self._pair, self._core_id = pair, core_id
        self.reason = say("lease_not_asked")

    @property
    def epoch(self) -> int | None:
        """The epoch."""
        return self._pair.epoch

    async def held(self, least_seconds: float = 0.0) -> Holding | None:
        """Return the right to act."""
        pair = self._pair
        if pair.active != self._core_id or pair.only_answers or pair.epoch is None:
            self.reason = Sentence(pair.only_answers, pair.only_answers)
            return None
        return Holding(pair.epoch, boottime() + least_seconds + 1)


@dataclass
class Core:
    """A running unit."""

    daemon: Daemon
    task: asyncio.Task[None]
    outside: Outside

    async def kill(self) -> None:
        """End it as a crash would: nothing is said to anybody any more."""
        self.task.cancel()
        await asyncio.wait({self.task})

    async def stop(self) -> None:
        """End it as systemd would."""
        self.daemon.stop()
        await asyncio.wait_for(self.task, PATIENCE_SECONDS)


@dataclass
class Scene:
    """A chat server, a gateway, a pair, and the units that a test starts."""

    chat: StandIn
    settings: Settings
    directory: Path
    gateway: Gateway
    pair: Pair = field(default_factory=Pair)
    languages: FakeLanguages = field(default_factory=FakeLanguages)
    journal: list[Mapping[str, object]] = field(default_factory=list)
    stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start(self, core_id: int = 1, *, pace: Pace = FAST, ice: Ice | None = None) -> Core:
        """Start the unit of a core and wait until it is connected."""
        host = self.settings.host.model_copy(update={"name": f"core{core_id}", "core_id": core_id})
        paths = self.settings.paths.model_copy(
            update={"runtime_directory": self.directory / f"core{core_id}"}
        )
        settings = self.settings.model_copy(update={"host": host, "paths": paths})
        outside = await self._outside(core_id)
        if ice is not None:
            outside = ice.around(outside)
        daemon, now = Daemon(notifier=Notifier({})), boottime if ice is None else ice.boottime
        unit = assistant.serve(settings, daemon, outside, pace=pace, boottime=now)
        task = asyncio.create_task(unit)
        core = Core(daemon, task, outside)
        self.stack.push_async_callback(core.kill)
        await eventually(lambda: outside.feed.connected or task.done(), "it connects")
        if task.done():
            task.result()
        return core

    async def move(self, core_id: int | None, *, running: tuple[int, ...] = (1, 2)) -> None:
        """Give the address to a core and wait until the running ones have heard of it."""
        self.pair.move(core_id)
        before = dict(self.pair.asked)
        # the first look may have been under way
        heard = lambda: all(self.pair.asked[core] > before[core] + 1 for core in running)  # noqa: E731
        await eventually(heard, "the cores hear of it")

    async def replies(self, question_id: str) -> list[dict[str, Any]]:
        """Return the messages of the bot below a question, whatever their ids are."""
        found = [self.chat.workspace.messages.get(reply_id(question_id, n)) for n in range(40)]
        return [dict(message) for message in found if message is not None]

    async def finished(self, question: Mapping[str, Any]) -> str:
        """Wait for the finished reply to a question and return its text."""
        await eventually(
            lambda: bool(self.text(question)) and not is_unfinished(self.text(question)),
            lambda: f"the reply is finished; it is {self.text(question)!r}",
        )
        return self.text(question)

    def text(self, question: Mapping[str, Any]) -> str:
        """Return the first part of the reply as it is now, "" if there is none."""
        message = self.chat.workspace.messages.get(reply_id(str(question["_id"])))
        return "" if message is None else str(message["msg"])

    async def _outside(self, core_id: int) -> Outside:
        session = await self.stack.enter_async_context(http.session(total_seconds=PATIENCE_SECONDS))
        unix = await self.stack.enter_async_context(
            http.unix_session(self.directory / "gateway.sock", total_seconds=PATIENCE_SECONDS)
        )
        login = Login(self.chat.ids[BOT], self.chat.tokens[BOT])
        permit = Permit()
        conduct = Conduct(permit=permit.check)
        return Outside(
            chat=RocketChatClient(session, self.chat.url, login, conduct=conduct),
            herald=RocketChatClient(session, self.chat.url, login),
            feed=RealtimeFeed(session, self.chat.url, login),
            model=GatewayModel(unix),
            manager=FakeManager(self.pair, core_id),
            languages=self.languages,
            journal=self._journal,
            lease=FakeLease(self.pair, core_id),
            permit=permit,
        )

    async def _journal(
        self, start: float, end: float
    ) -> AsyncGenerator[Mapping[str, object], None]:
        assert start < end
        for record in self.journal:
            yield record


@contextlib.asynccontextmanager
async def scene(
    chat: StandIn, settings: Settings, directory: Path, **rocketchat: object
) -> AsyncIterator[Scene]:
    """Set the scene; units are started by the test."""
    assert settings.rocketchat is not None
    changed = settings.rocketchat.model_copy(update={"url": chat.url, **rocketchat})
    settings = settings.model_copy(update={"rocketchat": changed})
    gateway = Gateway()
    async with contextlib.AsyncExitStack() as stack:
        routes = gateway.routes()
        await stack.enter_async_context(http.unix_server(directory / "gateway.sock", routes))
        set_up = Scene(chat, settings, directory, gateway)
        await stack.enter_async_context(set_up.stack)
        yield set_up


async def eventually(
    condition: Callable[[], bool], what: str | Callable[[], str], seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait, but not for ever, until `condition` holds."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(BREATH_SECONDS)
    except TimeoutError:
        raise AssertionError(what if isinstance(what, str) else what()) from None
