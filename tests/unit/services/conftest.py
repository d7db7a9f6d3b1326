"""A core in a temporary directory: its settings, its peer, its clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from heyken_glue import settings
from heyken_glue.adapters.keepalived.track_file import TrackFile
from heyken_glue.runtime.spool import Spool
from heyken_glue.services.health import HealthUnit
from heyken_glue.services.health_eyes import Eyes
from heyken_glue.services.peers import PeerDoor
from heyken_glue.settings import Peer, RocketChat, Settings, section
from tests.support.assistant import Scene, scene
from tests.support.health import FakeGateway, FakeOllama, FakeProcesses, World, eyes_on
from tests.support.rocketchat import standin

DIGEST = "ab" * 32


class HeldClock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class FakePeer:
    """The other core's gateway; `verdict` None means that it fails."""

    def __init__(self) -> None:
        self.verdict: dict[str, Any] | None = verdict_body(2)
        self.vrrp: str | None = "BACKUP"
        self.wishes: list[dict[str, Any]] = []
        self.languages: list[str | None] = []
        self.switch_answer: tuple[int, dict[str, Any]] = (200, {"success": True})

    def application(self) -> web.Application:
        application = web.Application()
        application.add_routes(
            [
                web.get("/peer/verdict", self._verdict),
                web.get("/peer/role", self._role),
                web.post("/peer/switch_core", self._switch),
            ]
        )
        return application

    async def _verdict(self, _request: web.Request) -> web.Response:
        if self.verdict is None:
            raise web.HTTPServiceUnavailable
        return web.json_response(self.verdict)

    async def _role(self, _request: web.Request) -> web.Response:
        if self.vrrp is None:
            raise web.HTTPServiceUnavailable
        return web.json_response({"core_id": 2, "vrrp": self.vrrp, "since": 1.0})

    async def _switch(self, request: web.Request) -> web.Response:
        self.wishes.append(await request.json())
        self.languages.append(request.headers.get("Accept-Language"))
        status, body = self.switch_answer
        return web.json_response(body, status=status)


def verdict_body(core_id: int, **change: object) -> dict[str, Any]:
    return {
        "core_id": core_id,
        "capable": True,
        "sentence": f"core{core_id} is well",
        "sentence_pl": f"core{core_id} jest zdrowy",
        "checks": [],
        "time": 5.0,
        "stepping_down": False,
        "step_down": None,
        "peer": None,
        **change,
    }


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def world() -> World:
    """Return what the health unit of core1 looks at."""
    return World(FakeOllama(DIGEST), FakeGateway(), FakeProcesses())


@pytest.fixture
def ollama(world: World) -> FakeOllama:
    return world.ollama


@pytest.fixture
def gateway(world: World) -> FakeGateway:
    return world.gateway


@pytest.fixture
def processes(world: World) -> FakeProcesses:
    return world.processes


@pytest.fixture
def peer() -> FakePeer:
    return FakePeer()


@pytest.fixture
async def door(peer: FakePeer) -> AsyncIterator[PeerDoor]:
    server = TestServer(peer.application())
    await server.start_server()
    assert server.port is not None
    peer_settings = Peer(name="core2", address="127.0.0.1", core_id=2)
    other = PeerDoor(peer_settings, port=server.port, tls=None)
    yield other
    await other.close()
    await server.close()


@pytest.fixture
def core(tmp_path: Path) -> Settings:
    """Settings of core1 with every path below the temporary directory."""
    for name in ("run/core-manager", "run/health", "state/core-manager", "spool", "vip"):
        (tmp_path / name).mkdir(parents=True)
    text = f"""
[deployment]
name = "test"
environment = "lab"
[host]
name = "core1"
address = "10.78.0.11"
core_id = 1
[[peers]]
name = "core2"
address = "10.78.0.12"
core_id = 2
[vip]
address = "10.78.0.10"
verdict_file = "{tmp_path}/vip/verdict"
notify_fifo = "{tmp_path}/vip/notify.fifo"
[gateway]
[ollama]
general_model = "heyken-general"
[[ollama.models]]
name = "heyken-general"
digest = "{DIGEST}"
[health]
[etcd]
endpoints = ["https://10.78.0.11:2379", "https://10.78.0.12:2379", "https://10.78.0.13:2379"]
[spool]
directory = "{tmp_path}/spool"
[paths]
runtime_directory = "{tmp_path}/run"
state_directory = "{tmp_path}/state"
"""
    path = tmp_path / "heyken.toml"
    path.write_text(text)
    return settings.load(path)


@pytest.fixture
async def stage(core: Settings, tmp_path: Path) -> AsyncIterator[Scene]:
    """The assistant's world: the Rocket.Chat stand-in, a scripted gateway, a pair."""
    settings_ = core.model_copy(update={"rocketchat": RocketChat(url="http://127.0.0.1:1")})
    async with standin() as chat, scene(chat, settings_, tmp_path) as it:
        yield it


@pytest.fixture
async def eyes(world: World, core: Settings, clock: HeldClock) -> AsyncIterator[Eyes]:
    async with eyes_on(world, core, clock) as eyes:
        yield eyes


@pytest.fixture
def unit(core: Settings, eyes: Eyes, door: PeerDoor, clock: HeldClock) -> HealthUnit:
    vip = section(core.vip, "[vip]")
    vip.verdict_file.write_text("1\n")
    return HealthUnit(
        core,
        looker=eyes.looker,
        facts=eyes.facts,
        door=door,
        track=TrackFile(vip.verdict_file),
        spool=Spool(core.spool.directory, "health", limit_bytes=1 << 20),
        clock=clock,
    )
