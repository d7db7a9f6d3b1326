"""The health unit over a scripted Ollama, real processes and a scripted peer."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from heyken_glue.adapters.keepalived.track_file import TrackFile
from heyken_glue.adapters.ollama.client import OllamaClient
from heyken_glue.adapters.processes import ProcessTable
from heyken_glue.domain.sentences import Sentence
from heyken_glue.runtime import http
from heyken_glue.runtime.daemon import Daemon, Notifier
from heyken_glue.runtime.spool import Spool
from heyken_glue.services import health
from heyken_glue.services.health import HealthUnit
from heyken_glue.services.health_looks import Looker
from heyken_glue.services.peers import PeerDoor
from heyken_glue.settings import Settings, section

from .conftest import DIGEST, FakePeer, HeldClock, verdict_body


class FakeOllama:
    """Lists one model and produces tokens, as long as it shall."""

    def __init__(self) -> None:
        self.digest = DIGEST
        self.probes = 0
        self.status = 200

    def application(self) -> web.Application:
        application = web.Application()
        application.add_routes(
            [web.get("/api/tags", self._tags), web.post("/api/generate", self._generate)]
        )
        return application

    async def _tags(self, _request: web.Request) -> web.Response:
        models = [{"name": "heyken-general:latest", "digest": self.digest}]
        return web.json_response({"models": models})

    async def _generate(self, _request: web.Request) -> web.Response:
        self.probes += 1
        return web.json_response({"done": True}, status=self.status)


@pytest.fixture
def server_process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait(5)


@pytest.fixture
def ollama() -> FakeOllama:
    return FakeOllama()


@pytest.fixture
async def looker(
    core: Settings,
    ollama: FakeOllama,
    tmp_path: Path,
    server_process: subprocess.Popen[bytes],
) -> AsyncIterator[Looker]:
    group = tmp_path / "cgroup" / "system.slice" / "ollama.service"
    await asyncio.to_thread(group.mkdir, parents=True)
    await asyncio.to_thread((group / "cgroup.procs").write_text, f"{server_process.pid}\n")
    server = TestServer(ollama.application())
    await server.start_server()
    async with http.session(total_seconds=5) as session:
        yield Looker(
            health=section(core.health, "[health]"),
            ollama=section(core.ollama, "[ollama]"),
            client=OllamaClient(session, str(server.make_url("/"))),
            processes=ProcessTable(cgroup=tmp_path / "cgroup"),
            gateway_socket=tmp_path / "run" / "gateway.sock",
            disk=tmp_path,
        )
    await server.close()


@pytest.fixture
def unit(core: Settings, looker: Looker, door: PeerDoor, clock: HeldClock) -> HealthUnit:
    vip = section(core.vip, "[vip]")
    vip.verdict_file.write_text("1\n")
    spool = Spool(core.spool.directory, "health", limit_bytes=1 << 20)
    track = TrackFile(vip.verdict_file)
    return HealthUnit(core, looker=looker, door=door, track=track, spool=spool, clock=clock)


async def _make_capable(unit: HealthUnit, looker: Looker) -> None:
    await looker.look_at_models()
    await looker.probe()
    await unit.ask_peer()
    for _ in range(3):
        unit.look()
    assert unit.verdict.capable, unit.verdict.sentence.en


def _value(core: Settings) -> str:
    return section(core.vip, "[vip]").verdict_file.read_text()


def _events(core: Settings) -> list[dict[str, object]]:
    files = sorted(core.spool.directory.glob("health-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


async def test_a_good_core_enters_after_three_looks(
    unit: HealthUnit, looker: Looker, core: Settings
) -> None:
    await looker.look_at_models()
    await looker.probe()
    for _ in range(2):
        unit.look()
        assert _value(core) == "1\n", "it entered before it was sure"
    unit.look()
    assert _value(core) == "0\n"
    (event,) = _events(core)
    assert (event["kind"], event["host"]) == ("verdict_changed", "core1")


async def test_before_the_first_looks_the_file_stays(unit: HealthUnit, core: Settings) -> None:
    unit.look()
    assert _value(core) == "1\n"
    assert "not checked" in unit.verdict.sentence.en


async def test_a_frozen_server_is_out_at_the_next_look(
    unit: HealthUnit, looker: Looker, core: Settings, server_process: subprocess.Popen[bytes]
) -> None:
    await _make_capable(unit, looker)
    os.kill(server_process.pid, signal.SIGSTOP)
    deadline = time.monotonic() + 5
    while unit.verdict.capable and time.monotonic() < deadline:
        unit.look()
    assert "is stopped (state T)" in unit.verdict.sentence.en
    assert _value(core) == "1\n"


async def test_a_wrong_model_is_out(
    unit: HealthUnit, looker: Looker, ollama: FakeOllama, core: Settings
) -> None:
    await _make_capable(unit, looker)
    ollama.digest = "00" * 32
    await looker.look_at_models()
    unit.look()
    assert "expected abababababab" in unit.verdict.sentence.en
    assert _value(core) == "1\n"


async def test_a_sick_core_stays_when_the_other_is_no_better(
    unit: HealthUnit, looker: Looker, ollama: FakeOllama, core: Settings, peer: FakePeer
) -> None:
    await _make_capable(unit, looker)
    peer.verdict = verdict_body(2, capable=False)
    await unit.ask_peer()
    ollama.digest = "00" * 32
    await looker.look_at_models()
    unit.look()
    assert not unit.verdict.capable
    assert _value(core) == "0\n"


async def test_a_peer_that_went_silent_does_not_count(
    unit: HealthUnit, looker: Looker, core: Settings, peer: FakePeer, clock: HeldClock
) -> None:
    await unit.ask_peer()
    await looker.look_at_models()
    await looker.probe()
    unit.look()
    assert _value(core) == "1\n"
    peer.verdict = None
    await unit.ask_peer()
    clock.time += 1.1
    unit.look()
    assert _value(core) == "0\n"


async def test_a_silent_model_is_out_after_two_probes(
    unit: HealthUnit, looker: Looker, ollama: FakeOllama
) -> None:
    await _make_capable(unit, looker)
    ollama.status = 500
    await looker.probe()
    unit.look()
    assert unit.verdict.capable
    assert 0.5 <= looker.pause_seconds <= 1.0, "the second look comes soon"
    await looker.probe()
    unit.look()
    assert not unit.verdict.capable


async def test_a_model_that_stays_silent_is_asked_less_often_and_never_in_step(
    looker: Looker, ollama: FakeOllama
) -> None:
    ollama.status = 500
    for _ in range(8):
        await looker.probe()
    pauses = {looker.pause_seconds for _ in range(20)}
    assert len(pauses) > 1, "two cores would ask in step"
    assert all(5.0 <= pause <= 10.0 for pause in pauses), pauses
    ollama.status = 200
    await looker.probe()
    assert looker.pause_seconds == 10.0


async def test_a_busy_model_is_not_probed(
    looker: Looker, ollama: FakeOllama, tmp_path: Path
) -> None:
    table = web.RouteTableDef()
    answers = 1

    @table.get("/load")
    async def load(_request: web.Request) -> web.Response:
        return web.json_response({"answers": answers})

    await looker.probe()
    async with http.unix_server(tmp_path / "run" / "gateway.sock", table):
        await looker.probe()
        assert ollama.probes == 1
        answers = 0
        await looker.probe()
        assert ollama.probes == 2


async def test_a_hand_over_runs_until_the_peer_holds_and_two_seconds_more(
    unit: HealthUnit, looker: Looker, core: Settings, peer: FakePeer, clock: HeldClock
) -> None:
    await _make_capable(unit, looker)
    assert unit.ask_to_step_down(reason=Sentence("work", "praca"), requested_by="anna") is None
    assert _value(core) == "1\n"
    assert unit.verdict.to_body()["step_down"]["requested_by"] == "anna"
    clock.time += 1
    await unit.ask_peer()
    unit.look()
    assert _value(core) == "1\n"
    peer.vrrp = "MASTER"
    await unit.ask_peer()
    unit.look()
    clock.time += 1.9
    unit.look()
    assert _value(core) == "1\n"
    clock.time += 0.2
    unit.look()
    assert _value(core) == "0\n"
    assert not unit.verdict.to_body()["stepping_down"]


async def test_a_hand_over_to_a_sick_peer_is_refused(
    unit: HealthUnit, looker: Looker, core: Settings, peer: FakePeer, tmp_path: Path
) -> None:
    peer.verdict = verdict_body(2, capable=False, sentence="core2 is ill")
    await _make_capable(unit, looker)
    path = tmp_path / "run" / "health" / "http.sock"
    async with http.unix_server(path, health.routes(unit)):
        client = http.unix_session(path, total_seconds=5)
        body = {"reason": "r", "requested_by": "anna"}
        async with client as session, session.post("/step_down", json=body) as answer:
            content = await answer.json()
    assert (answer.status, content["error"]) == (409, "core2 is ill")
    assert _value(core) == "0\n"
    assert _events(core)[-1]["outcome"] == "refused"


async def test_the_loops_run_until_the_unit_shall_stop(
    unit: HealthUnit, looker: Looker, core: Settings
) -> None:
    daemon = Daemon(notifier=Notifier({}))
    fast = section(core.health, "[health]").model_copy(update={"interval_seconds": 0.005})
    running = asyncio.ensure_future(health._loops(daemon, unit, looker, fast))
    async with asyncio.timeout(5):
        while not unit.verdict.capable:
            await daemon.pause(0.005)
    daemon.stop()
    await asyncio.wait_for(running, 5)
