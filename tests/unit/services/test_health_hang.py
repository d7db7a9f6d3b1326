"""A model server that hangs is found, one that is only slow is not, and what finds it."""

from __future__ import annotations

import pytest

from heyken_glue.domain import progress
from heyken_glue.domain.progress import Stall
from heyken_glue.services.health import HealthUnit
from heyken_glue.services.health_eyes import Eyes
from tests.support.health import (
    LOOK,
    FakeGateway,
    World,
    look_on,
    make_capable,
)

from .conftest import HeldClock


async def test_a_server_that_does_nothing_while_somebody_waits_is_out_within_half_a_second(
    unit: HealthUnit, eyes: Eyes, gateway: FakeGateway, clock: HeldClock
) -> None:
    await make_capable(unit, eyes)
    gateway.now(running=1)
    await eyes.looker.look_at_gateway()
    assert eyes.looker.interval_seconds == LOOK
    unit.look()
    after = await look_on(unit, eyes, clock, looks=10)
    assert after is not None
    assert after <= 0.4, after
    assert "hangs" in unit.verdict.sentence.en


@pytest.mark.parametrize("phase", [0.001, 0.05, 0.101, 0.15, 0.199])
async def test_a_hang_is_found_in_time_whenever_the_gateway_was_asked(
    unit: HealthUnit, eyes: Eyes, gateway: FakeGateway, clock: HeldClock, phase: float
) -> None:
    await make_capable(unit, eyes)
    gateway.now(running=1)
    await eyes.looker.look_at_gateway()
    unit.look()
    begun = clock.time
    look, ask = begun + LOOK, begun + phase
    while unit.verdict.capable and clock.time < begun + 1:
        clock.time = min(look, ask)
        if ask <= look:
            await eyes.looker.look_at_gateway()
            ask += eyes.looker.gateway_interval_seconds
        else:
            unit.look()
            look += eyes.looker.interval_seconds
    assert clock.time - begun <= 0.5


@pytest.fixture(params=[True, False], ids=["with evidence", "without"])
def evidence(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether what the model server gets done counts."""
    if not request.param:
        left_out = progress.check_progress(Stall())
        monkeypatch.setattr(progress, "check_progress", lambda _: left_out)
    return bool(request.param)


async def test_nothing_but_the_evidence_of_progress_finds_a_hung_server_in_time(
    unit: HealthUnit, eyes: Eyes, gateway: FakeGateway, clock: HeldClock, evidence: bool
) -> None:
    """Its processes are there and its lists come, as with one that reads a long question."""
    await make_capable(unit, eyes)
    gateway.now(running=1)
    await eyes.looker.look_at_gateway()
    await eyes.looker.look_at_models()
    fell = await look_on(unit, eyes, clock, looks=50)
    assert (fell is not None) is evidence, unit.verdict.sentence.en


@pytest.mark.parametrize("sign", ["processor", "swap", "starved", "other thread", "pieces"])
async def test_a_server_that_gets_on_however_slowly_is_no_hung_one(
    unit: HealthUnit, eyes: Eyes, world: World, clock: HeldClock, sign: str
) -> None:
    gateway, processes = world.gateway, world.processes
    await make_capable(unit, eyes)
    gateway.now(running=1)
    processes.turn({"swap": "D", "starved": "R"}.get(sign, "S"))
    processes.thread_alive = sign == "other thread"
    for number in range(300):  # as long as the prefill of a long question may take
        if sign == "processor":
            processes.work(0.01)
        if sign == "pieces":
            gateway.now(pieces=number + 1)
        assert await look_on(unit, eyes, clock, looks=1) is None, unit.verdict.sentence.en


async def test_a_server_without_anything_to_do_may_do_nothing(
    unit: HealthUnit, eyes: Eyes, clock: HeldClock
) -> None:
    await make_capable(unit, eyes)
    assert await look_on(unit, eyes, clock, looks=100) is None


async def test_a_hung_server_comes_back_with_an_answer_and_not_because_nobody_asks_any_more(
    unit: HealthUnit, eyes: Eyes, gateway: FakeGateway, clock: HeldClock
) -> None:
    await make_capable(unit, eyes)
    gateway.now(running=1)
    await eyes.looker.look_at_gateway()
    assert await look_on(unit, eyes, clock, looks=10) is not None
    gateway.now(running=0)
    await eyes.looker.look_at_gateway()
    for _ in range(20):
        clock.time += LOOK
        unit.look()
    assert not unit.verdict.capable
    gateway.now(running=0, pieces=9, answered=1)
    await eyes.looker.look_at_gateway()
    for _ in range(4):
        clock.time += LOOK
        unit.look()
    assert unit.verdict.capable, unit.verdict.sentence.en
