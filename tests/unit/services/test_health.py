"""The health unit: from looks to the verdict and the track file, and planned hand-overs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from heyken_glue.domain.sentences import Sentence
from heyken_glue.runtime import http
from heyken_glue.runtime.daemon import Daemon, Notifier
from heyken_glue.services import health
from heyken_glue.services.health import HealthUnit
from heyken_glue.services.health_eyes import Eyes
from heyken_glue.settings import Settings, section
from tests.support.health import (
    GATEWAY_UNIT,
    LOOK,
    FakeGateway,
    FakeOllama,
    FakeProcesses,
    World,
    look_at_everything,
    make_capable,
)

from .conftest import FakePeer, HeldClock, verdict_body


def _value(core: Settings) -> str:
    return section(core.vip, "[vip]").verdict_file.read_text()


def _events(core: Settings) -> list[dict[str, object]]:
    files = sorted(core.spool.directory.glob("health-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


async def test_a_good_core_enters_after_three_looks(
    unit: HealthUnit, eyes: Eyes, core: Settings
) -> None:
    await eyes.looker.look_at_gateway()
    await eyes.looker.look_at_models()
    await eyes.prober.step()
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


@pytest.mark.parametrize("running", [0, 1])
async def test_a_stopped_server_is_out_at_the_next_look(
    unit: HealthUnit, eyes: Eyes, core: Settings, world: World, running: int
) -> None:
    await make_capable(unit, eyes)
    world.gateway.now(running=running)
    await eyes.looker.look_at_gateway()
    world.processes.turn("T")
    unit.look()
    assert "is stopped (state T)" in unit.verdict.sentence.en
    assert _value(core) == "1\n"


async def test_a_core_that_comes_and_goes_has_to_be_good_for_longer_each_time(
    unit: HealthUnit, eyes: Eyes, processes: FakeProcesses, clock: HeldClock
) -> None:
    await make_capable(unit, eyes)
    needed = []
    for _ in range(8):
        processes.turn("T")
        unit.look()
        processes.turn("S")
        looks = 0
        while not unit.verdict.capable:
            clock.time += LOOK
            unit.look()
            looks += 1
        needed.append(looks)
    assert needed == [3, 6, 12, 24, 48, 96, 150, 150]
    clock.time += 600
    processes.turn("T")
    unit.look()
    processes.turn("S")
    for _ in range(3):
        unit.look()
    assert unit.verdict.capable, "what is long past counts no more"


async def test_a_wrong_model_is_out(
    unit: HealthUnit, eyes: Eyes, ollama: FakeOllama, core: Settings
) -> None:
    await make_capable(unit, eyes)
    ollama.digest = "00" * 32
    await eyes.looker.look_at_models()
    unit.look()
    assert "expected abababababab" in unit.verdict.sentence.en
    assert _value(core) == "1\n"


async def test_a_server_that_is_silent_about_its_models_once_is_not_out_yet(
    unit: HealthUnit, eyes: Eyes, ollama: FakeOllama
) -> None:
    await make_capable(unit, eyes)
    ollama.tags_status = 500
    await eyes.looker.look_at_models()
    unit.look()
    assert unit.verdict.capable
    await eyes.looker.look_at_models()
    unit.look()
    assert "Ollama does not answer" in unit.verdict.sentence.en


async def test_a_gateway_that_is_away_is_out_after_two_looks(
    unit: HealthUnit, eyes: Eyes, gateway: FakeGateway, processes: FakeProcesses
) -> None:
    await make_capable(unit, eyes)
    gateway.status = 500
    processes.units[GATEWAY_UNIT] = ()
    await eyes.looker.look_at_gateway()
    unit.look()
    assert unit.verdict.capable
    await eyes.looker.look_at_gateway()
    unit.look()
    assert "the gateway does not answer" in unit.verdict.sentence.en


async def test_the_verdict_tells_what_the_core_is_making(
    unit: HealthUnit, eyes: Eyes, gateway: FakeGateway
) -> None:
    gateway.answers = 2
    await make_capable(unit, eyes)
    assert unit.verdict.to_body()["answers"] == 2
    gateway.status = 500
    await eyes.looker.look_at_gateway()
    unit.look()
    assert unit.verdict.to_body()["answers"] is None


async def test_a_gateway_that_goes_down_is_out_at_once(
    unit: HealthUnit, eyes: Eyes, gateway: FakeGateway
) -> None:
    await make_capable(unit, eyes)
    gateway.draining = True
    await eyes.looker.look_at_gateway()
    unit.look()
    assert "takes no new questions" in unit.verdict.sentence.en


async def test_a_frozen_gateway_is_out_at_once_and_a_busy_one_is_not(
    unit: HealthUnit, eyes: Eyes, gateway: FakeGateway, processes: FakeProcesses
) -> None:
    await make_capable(unit, eyes)
    gateway.status = 500
    processes.turn("R", unit=GATEWAY_UNIT)
    for _ in range(5):
        await eyes.looker.look_at_gateway()
        unit.look()
    assert unit.verdict.capable, unit.verdict.sentence.en
    processes.turn("T", unit=GATEWAY_UNIT)
    await eyes.looker.look_at_gateway()
    unit.look()
    assert "is stopped (state T)" in unit.verdict.sentence.en


async def test_a_sick_core_stays_when_the_other_is_no_better(
    unit: HealthUnit, eyes: Eyes, ollama: FakeOllama, core: Settings, peer: FakePeer
) -> None:
    await make_capable(unit, eyes)
    peer.verdict = verdict_body(2, capable=False)
    await unit.ask_peer()
    ollama.digest = "00" * 32
    await eyes.looker.look_at_models()
    unit.look()
    assert not unit.verdict.capable
    assert _value(core) == "0\n"


async def test_a_peer_that_went_silent_does_not_count(
    unit: HealthUnit, eyes: Eyes, core: Settings, peer: FakePeer, clock: HeldClock
) -> None:
    await look_at_everything(unit, eyes)
    unit.look()
    assert _value(core) == "1\n"
    peer.verdict = None
    await unit.ask_peer()
    clock.time += 1.1
    unit.look()
    assert _value(core) == "0\n"


async def test_a_hand_over_runs_until_the_peer_holds_and_is_told_for_two_seconds_more(
    unit: HealthUnit, eyes: Eyes, core: Settings, peer: FakePeer, clock: HeldClock
) -> None:
    await make_capable(unit, eyes)
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
    assert _value(core) == "0\n", "the new holder may be lost at any time"
    clock.time += 1.9
    await unit.ask_peer()
    unit.look()
    assert unit.verdict.to_body()["step_down"]["requested_by"] == "anna"
    assert not unit.verdict.to_body()["stepping_down"]
    clock.time += 0.2
    unit.look()
    assert unit.verdict.to_body()["step_down"] is None


async def test_a_core_takes_the_address_back_when_the_new_holder_is_lost(
    unit: HealthUnit, eyes: Eyes, core: Settings, peer: FakePeer, clock: HeldClock
) -> None:
    await make_capable(unit, eyes)
    assert unit.ask_to_step_down(reason=Sentence("work", "praca"), requested_by="anna") is None
    peer.verdict = None
    clock.time += 1.1
    await unit.ask_peer()
    unit.look()
    assert _value(core) == "0\n"


async def test_a_model_server_that_never_answered_is_judged_too(
    unit: HealthUnit, eyes: Eyes, ollama: FakeOllama, core: Settings, peer: FakePeer
) -> None:
    ollama.tags_status = ollama.ps_status = ollama.status = 500
    peer.verdict = verdict_body(2, capable=False)
    await look_at_everything(unit, eyes)
    unit.look()
    assert not unit.verdict.capable
    assert _value(core) == "0\n", "somebody has to say why nobody can answer"


async def test_a_hand_over_to_a_sick_peer_is_refused(
    unit: HealthUnit, eyes: Eyes, core: Settings, peer: FakePeer, tmp_path: Path
) -> None:
    peer.verdict = verdict_body(2, capable=False, sentence="core2 is ill")
    await make_capable(unit, eyes)
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
    unit: HealthUnit, eyes: Eyes, core: Settings
) -> None:
    daemon = Daemon(notifier=Notifier({}))
    fast = section(core.health, "[health]").model_copy(update={"interval_seconds": 0.005})
    running = asyncio.ensure_future(health._loops(daemon, unit, eyes, fast))
    async with asyncio.timeout(5):
        while not (unit.verdict.capable and unit.verdict.facts):
            await daemon.pause(0.005)
    daemon.stop()
    await asyncio.wait_for(running, 5)
