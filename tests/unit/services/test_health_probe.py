"""Asking the model: seldom, once at a time, patiently, and without costing anybody the cache."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from heyken_glue.domain.checks import Check, Process
from heyken_glue.services import health_probe
from heyken_glue.services.health_eyes import Eyes
from heyken_glue.settings import Settings
from tests.support.health import FakeGateway, FakeOllama, FakeProcesses, World, eyes_on

from .conftest import HeldClock

LOOK = 0.1


@pytest.fixture
async def eyes(
    world: World, core: Settings, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Eyes]:
    # the clock stands still, so how often a request is watched is only a matter of waiting
    monkeypatch.setattr(health_probe, "AT_ONCE_SECONDS", 0.01)
    async with eyes_on(world, core, clock) as eyes:
        eyes.looker.look_at_processes()
        await eyes.looker.look_at_gateway()
        yield eyes


def _detail(eyes: Eyes, name: str) -> str:
    return next(check.detail.en for key, check in eyes.looker._checks.items() if key == name)


async def _until(eyes: Eyes, name: str, words: str) -> None:
    kept, heard, looker = eyes.looker.keep, asyncio.Event(), eyes.looker

    def keep(check: Check) -> None:
        kept(check)
        if check.name == name and words in check.detail.en:
            heard.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looker, "keep", keep)
        async with asyncio.timeout(5):
            await heard.wait()


async def test_an_idle_model_is_asked_for_a_token_once_in_a_while(
    eyes: Eyes, ollama: FakeOllama, clock: HeldClock
) -> None:
    await eyes.prober.step()
    assert ollama.probes == 1
    for _ in range(9):
        clock.time += 1
        await eyes.prober.step()
    assert ollama.probes == 1
    clock.time += 1.1
    await eyes.prober.step()
    assert ollama.probes == 2


async def test_a_busy_model_is_not_asked_and_its_answers_are_the_evidence(
    eyes: Eyes, ollama: FakeOllama, gateway: FakeGateway, clock: HeldClock
) -> None:
    await eyes.prober.step()
    gateway.now(running=1)
    await eyes.looker.look_at_gateway()
    clock.time += 60
    await eyes.prober.step()
    assert (ollama.probes, ollama.loads) == (1, 1)
    gateway.now(running=0, pieces=7, answered=1)
    await eyes.looker.look_at_gateway()
    clock.time += 9
    await eyes.prober.step()
    assert (ollama.probes, ollama.loads) == (1, 1), "the answer was proof enough"


async def test_where_somebody_talked_of_late_nothing_is_asked_that_touches_the_cache(
    eyes: Eyes, ollama: FakeOllama, gateway: FakeGateway, clock: HeldClock
) -> None:
    await eyes.prober.step()
    gateway.now(pieces=7, answered=1)
    await eyes.looker.look_at_gateway()
    for _ in range(29):
        clock.time += 10
        await eyes.prober.step()
    assert (ollama.probes, ollama.loads) == (1, 30)
    clock.time += 20
    await eyes.prober.step()
    assert ollama.probes == 2, "nobody talks any more"


async def test_a_model_that_is_not_in_memory_is_loaded_however_long_that_takes(
    eyes: Eyes, ollama: FakeOllama, clock: HeldClock
) -> None:
    ollama.loaded, ollama.hold = False, asyncio.Event()
    step = asyncio.ensure_future(eyes.prober.step())
    await ollama.held.wait()
    await _until(eyes, "memory", "being loaded")
    clock.time += 250  # far more than any probe may take
    await _until(eyes, "memory", "for 250 s")
    assert not step.done()
    assert "not asked yet" in _detail(eyes, "probe")
    ollama.hold.set()
    await asyncio.wait_for(step, 5)
    assert ollama.given_up == 0, "Ollama throws away what it has loaded when we hang up"
    assert "is in memory" in _detail(eyes, "memory")
    assert (ollama.loads, ollama.probes) == (1, 1)


async def test_a_model_whose_process_went_is_asked_for_at_once(
    eyes: Eyes, ollama: FakeOllama, processes: FakeProcesses
) -> None:
    await eyes.prober.step()
    processes.units["ollama.service"] = (Process(10, "ollama", "S"),)
    ollama.loaded = False
    eyes.looker.look_at_processes()
    await eyes.prober.step()
    assert (ollama.loads, ollama.probes) == (2, 2)


async def test_a_server_that_came_back_is_asked_at_once_however_long_it_was_away(
    eyes: Eyes, world: World, clock: HeldClock
) -> None:
    await eyes.prober.step()
    world.processes.units["ollama.service"] = ()
    world.ollama.status = 500
    for _ in range(8):
        eyes.looker.look_at_processes()
        await eyes.prober.step()
        clock.time += 10.1
    world.ollama.loaded = False
    world.processes.units["ollama.service"] = (Process(30, "ollama", "S"),)
    eyes.looker.look_at_processes()
    await eyes.prober.step()  # it does not listen yet
    assert eyes.prober._pause <= 1.0
    world.ollama.status = 200
    clock.time += 1.0
    await eyes.prober.step()
    assert eyes.looker.findings.probe.answered
    assert "is in memory" in _detail(eyes, "memory")


async def test_a_model_that_cannot_be_loaded_is_not_tried_without_a_pause(
    eyes: Eyes, world: World, clock: HeldClock
) -> None:
    await eyes.prober.step()
    world.ollama.loaded, world.ollama.status = False, 500
    server, *_ = world.processes.units["ollama.service"]
    for number in range(40):  # each try starts a process that dies
        clock.time += LOOK
        runner = (Process(100 + number, "ollama", "S", started=100 + number),)
        world.processes.units["ollama.service"] = (server, *runner[: number % 2])
        eyes.looker.look_at_processes()
        await eyes.prober.step()
    assert world.ollama.loads <= 5, world.ollama.loads


async def test_a_second_model_that_comes_or_goes_changes_nothing(
    eyes: Eyes, processes: FakeProcesses
) -> None:
    await eyes.prober.step()
    former = processes.units["ollama.service"]
    for found in ((*former, Process(12, "ollama", "S")), former):
        processes.units["ollama.service"] = found
        eyes.looker.look_at_processes()
        await eyes.prober.step()
        assert eyes.looker.findings.probe.answered
        assert "is in memory" in _detail(eyes, "memory")


async def test_a_slow_machine_is_given_time_and_a_model_that_spins_is_not(
    eyes: Eyes, ollama: FakeOllama, processes: FakeProcesses, clock: HeldClock
) -> None:
    await eyes.prober.step()
    eyes.prober._processors = 1
    ollama.hold = asyncio.Event()
    step = asyncio.ensure_future(eyes.prober._ask_for_a_token())
    await ollama.held.wait()
    for _ in range(20):  # two seconds by the clock, half a second of the processor
        clock.time += LOOK
        processes.work(0.025)
        eyes.looker.look_at_processes()
    await asyncio.sleep(0.05)
    assert not step.done()
    processes.work(2)
    eyes.looker.look_at_processes()
    with pytest.raises(Exception, match="processor time"):
        await asyncio.wait_for(step, 5)


async def test_what_the_model_does_for_others_is_not_held_against_it(
    eyes: Eyes, world: World, clock: HeldClock
) -> None:
    world.ollama.hold = asyncio.Event()
    world.gateway.now(running=1)
    await eyes.looker.look_at_gateway()
    step = asyncio.ensure_future(eyes.prober._ask_for_a_token())
    await world.ollama.held.wait()
    for _ in range(5):
        clock.time += 10
        world.processes.work(10)
        eyes.looker.look_at_processes()
        await asyncio.wait({step}, timeout=0.03)
    assert not step.done(), "a long question is read before ours"
    world.ollama.hold.set()
    await asyncio.wait_for(step, 5)


async def test_what_is_left_of_a_given_up_question_is_not_held_against_the_model(
    eyes: Eyes, world: World, clock: HeldClock
) -> None:
    await eyes.prober.step()
    world.gateway.now(running=1)
    await eyes.looker.look_at_gateway()
    clock.time += 1
    world.gateway.now(running=0, silent=1)
    await eyes.looker.look_at_gateway()
    world.ollama.hold = asyncio.Event()
    step = asyncio.ensure_future(eyes.prober.step())
    await world.ollama.held.wait()
    world.processes.work(9)
    eyes.looker.look_at_processes()
    await asyncio.wait({step}, timeout=0.5)
    assert not step.done(), "the rest of the batch is read before ours"
    world.ollama.hold.set()
    await asyncio.wait_for(step, 5)
    assert _detail(eyes, "probe") == "the model answers"
    assert not eyes.looker.findings.doubted


async def test_a_model_that_does_nothing_is_not_waited_for(
    eyes: Eyes, ollama: FakeOllama, clock: HeldClock
) -> None:
    ollama.hold = asyncio.Event()
    eyes.looker.findings.asking = True
    step = asyncio.ensure_future(eyes.prober._ask_for_a_token())
    await ollama.held.wait()
    for _ in range(5):
        clock.time += LOOK
        eyes.looker.look_at_processes()
    with pytest.raises(Exception, match="did nothing"):
        await asyncio.wait_for(step, 5)


async def test_a_real_answer_ends_the_asking(
    eyes: Eyes, ollama: FakeOllama, gateway: FakeGateway, clock: HeldClock
) -> None:
    ollama.hold = asyncio.Event()
    step = asyncio.ensure_future(eyes.prober._ask_for_a_token())
    await ollama.held.wait()
    clock.time += 1
    gateway.now(pieces=3, answered=1)
    await eyes.looker.look_at_gateway()
    await asyncio.wait_for(step, 5)
    assert eyes.looker.findings.probe.answered


async def test_a_silent_model_is_out_after_two_probes(
    eyes: Eyes, ollama: FakeOllama, clock: HeldClock
) -> None:
    await eyes.prober.step()
    ollama.status = 500
    clock.time += 11
    await eyes.prober.step()
    assert _detail(eyes, "probe") == "the model answers"
    assert 0.5 <= eyes.prober._pause <= 1.0, "the second look comes soon"
    clock.time += 1
    await eyes.prober.step()
    assert "did not answer 2 times" in _detail(eyes, "probe")


async def test_real_answers_that_fail_are_looked_into_at_once_and_count(
    eyes: Eyes, ollama: FakeOllama, gateway: FakeGateway, clock: HeldClock
) -> None:
    await eyes.prober.step()
    clock.time += 1
    gateway.now(failed=1)
    await eyes.looker.look_at_gateway()
    ollama.status = 500
    await eyes.prober.step()
    assert "did not answer 2 times" in _detail(eyes, "probe")
    ollama.status = 200
    clock.time += 10
    await eyes.prober.step()
    assert _detail(eyes, "probe") == "the model answers"


async def test_a_gateway_that_began_anew_has_neither_failed_nor_answered(
    eyes: Eyes, gateway: FakeGateway
) -> None:
    gateway.now(pieces=90, answered=9, failed=5)
    await eyes.looker.look_at_gateway()
    before = eyes.looker.findings.produced_at
    gateway.now(pieces=0, answered=0, failed=0)
    await eyes.looker.look_at_gateway()
    assert eyes.looker.findings.produced_at == before
    assert eyes.looker.findings.probe.failures <= 2


async def test_a_model_that_stays_silent_is_asked_less_often_and_never_in_step(
    eyes: Eyes, ollama: FakeOllama, clock: HeldClock
) -> None:
    ollama.status = 500
    pauses = set()
    for _ in range(12):
        await eyes.prober.step()
        clock.time += eyes.prober._pause + 0.001
        pauses.add(eyes.prober._pause)
    assert len(pauses) == 12, "two cores would ask in step"
    assert 5.0 <= eyes.prober._pause <= 10.0, eyes.prober._pause
