"""What the health unit looks at, as the tests want it: Ollama, the gateway, processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Protocol

from aiohttp import web
from aiohttp.test_utils import TestServer

from heyken_glue.adapters.processes import ProcessTable
from heyken_glue.domain.checks import Process
from heyken_glue.runtime import http
from heyken_glue.runtime.clock import Clock
from heyken_glue.services.health import HealthUnit
from heyken_glue.services.health_eyes import Eyes, eyes_of
from heyken_glue.settings import Settings, section

LOOK = 0.1  # seconds
GATEWAY_UNIT = "heyken@gateway.service"
RECIPE = {"template": "{{ .Prompt }}", "system": "be brief", "parameters": "seed 1"}


class Movable(Protocol):
    """A clock that a test moves."""

    time: float


class FakeOllama:
    """Has one model, in memory or not, and produces tokens as long as it shall.

    `hold` lets requests wait: for a model that is being loaded, or for a token.
    """

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self.recipe = dict(RECIPE)
        self.status = self.tags_status = self.ps_status = 200
        self.loaded = True
        self.probes = self.loads = self.shown = 0
        self.given_up = 0
        self.hold: asyncio.Event | None = None
        self.held = asyncio.Event()

    def application(self) -> web.Application:
        application = web.Application()
        application.add_routes(
            [
                web.get("/api/tags", self._tags),
                web.get("/api/ps", self._ps),
                web.get("/api/version", self._version),
                web.post("/api/show", self._show),
                web.post("/api/generate", self._generate),
            ]
        )
        return application

    def _entry(self) -> dict[str, object]:
        return {"name": "heyken-general:latest", "digest": self.digest}

    async def _tags(self, _request: web.Request) -> web.Response:
        return web.json_response({"models": [self._entry()]}, status=self.tags_status)

    async def _ps(self, _request: web.Request) -> web.Response:
        models = [self._entry()] if self.loaded else []
        return web.json_response({"models": models}, status=self.ps_status)

    async def _version(self, _request: web.Request) -> web.Response:
        return web.json_response({"version": "0.24.0"})

    async def _show(self, _request: web.Request) -> web.Response:
        self.shown += 1
        return web.json_response(self.recipe)

    async def _generate(self, request: web.Request) -> web.Response:
        if "prompt" in await request.json():
            self.probes += 1
        else:
            self.loads += 1
        if self.hold is not None:
            self.held.set()
            try:
                await self.hold.wait()
            except asyncio.CancelledError:
                self.given_up += 1
                raise
        self.loaded = True
        return web.json_response({"done": True}, status=self.status)


class FakeGateway:
    """Says what it asks of the model; `status` other than 200 is a gateway that is ill."""

    def __init__(self) -> None:
        self.model: dict[str, int] | None = {
            "running": 0, "pieces": 0, "answered": 0, "failed": 0, "silent": 0
        }  # fmt: skip
        self.status, self.draining, self.answers = 200, False, 0

    def routes(self) -> web.RouteTableDef:
        table = web.RouteTableDef()
        table.get("/load")(self._load)
        return table

    def now(self, **change: int) -> None:
        """Change what it says."""
        self.model = {**(self.model or {}), **change}

    async def _load(self, _request: web.Request) -> web.Response:
        body = {
            "answers": self.answers,
            "draining": self.draining,
            **({"model": self.model} if self.model is not None else {}),
        }
        return web.json_response(body, status=self.status)


class FakeProcesses(ProcessTable):
    """Processes by unit, moved by the test; `thread_alive` is what their other threads do."""

    def __init__(self) -> None:
        super().__init__()
        self.units: dict[str, tuple[Process, ...]] = {
            "ollama.service": (Process(10, "ollama", "S"), Process(11, "ollama", "S")),
            GATEWAY_UNIT: (Process(20, "python3", "S"),),
        }
        self.thread_alive = False

    def of_unit(self, unit: str) -> tuple[Process, ...]:
        return self.units.get(unit, ())

    def some_thread_is_alive(self, processes: tuple[Process, ...]) -> bool:
        return bool(processes) and self.thread_alive

    def work(self, seconds: float, *, unit: str = "ollama.service") -> None:
        """Let the last process of a unit use the processor."""
        *others, last = self.units[unit]
        self.units[unit] = (*others, replace(last, cpu_seconds=last.cpu_seconds + seconds))

    def turn(self, state: str, *, unit: str = "ollama.service") -> None:
        """Put all processes of a unit into a state."""
        self.units[unit] = tuple(replace(process, state=state) for process in self.units[unit])


@dataclass(frozen=True)
class World:
    """All three of them, as one core has them."""

    ollama: FakeOllama
    gateway: FakeGateway
    processes: FakeProcesses


@contextlib.asynccontextmanager
async def eyes_on(world: World, core: Settings, clock: Clock) -> AsyncIterator[Eyes]:
    """Let the health unit of `core` look at `world`."""
    server = TestServer(world.ollama.application())
    await server.start_server()
    url = str(server.make_url("")).rstrip("/")
    ollama = section(core.ollama, "[ollama]").model_copy(update={"url": url})
    socket = core.paths.runtime_directory / "gateway" / "http.sock"
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(server.close)
        await stack.enter_async_context(http.unix_server(socket, world.gateway.routes()))
        settings = core.model_copy(update={"ollama": ollama})
        yield await eyes_of(settings, clock, stack, processes=world.processes)
        if world.ollama.hold is not None:
            world.ollama.hold.set()


async def look_at_everything(unit: HealthUnit, eyes: Eyes) -> None:
    """Let it see all there is, once."""
    await eyes.looker.look_at_gateway()
    await eyes.looker.look_at_models()
    await eyes.prober.step()
    await unit.ask_peer()


async def make_capable(unit: HealthUnit, eyes: Eyes) -> None:
    """Look at a good core until the verdict says so."""
    await look_at_everything(unit, eyes)
    for _ in range(3):
        unit.look()
    assert unit.verdict.capable, unit.verdict.sentence.en


async def look_on(unit: HealthUnit, eyes: Eyes, clock: Movable, *, looks: int) -> float | None:
    """Look again and again; returns after how many seconds the core fell."""
    for number in range(1, looks + 1):
        clock.time += LOOK
        await eyes.looker.look_at_gateway()
        unit.look()
        if not unit.verdict.capable:
            return number * LOOK
    return None
