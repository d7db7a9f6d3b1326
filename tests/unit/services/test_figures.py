"""What health and core-manager count, and the page that lists every figure of a core."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from heyken_glue.adapters.keepalived.fifo import Transition
from heyken_glue.adapters.keepalived.track_file import TrackFile
from heyken_glue.domain.parity import Parity
from heyken_glue.gateway.copies import Copies
from heyken_glue.gateway.core_page import CopyFigures
from heyken_glue.gateway.metrics import Metrics
from heyken_glue.runtime.spool import Spool
from heyken_glue.services.core_manager import CoreManager
from heyken_glue.services.core_manager_figures import CoreManagerFigures
from heyken_glue.services.health import HealthUnit
from heyken_glue.services.health_figures import HealthFigures
from heyken_glue.services.peers import PeerDoor
from heyken_glue.settings import Settings, section
from tests.contract import support
from tests.support.health import World, eyes_on

from .conftest import HeldClock
from .test_core_manager import etcd, health, manager, member  # noqa: F401 - fixtures

Figures = Mapping[str, float]
LOOK = 0.1


def read(*collectors: Collector) -> Figures:
    """Return all figures as Prometheus reads them, by name and label values."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return {
        ":".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


async def test_healths_figures(
    world: World, core: Settings, clock: HeldClock, door: PeerDoor
) -> None:
    async with eyes_on(world, core, clock) as eyes:
        unit = HealthUnit(
            core,
            looker=eyes.looker,
            facts=eyes.facts,
            door=door,
            track=TrackFile(section(core.vip, "[vip]").verdict_file),
            spool=Spool(core.spool.directory, "health", limit_bytes=1 << 20),
            clock=clock,
        )
        figures = HealthFigures(unit, eyes.looker.findings)
        assert read(figures)["heyken_health_capable"] == 0
        assert "heyken_health_peer_silence_seconds" not in read(figures), "never heard"
        await eyes.looker.look_at_gateway()
        await eyes.looker.look_at_models()
        await eyes.prober.step()
        await unit.ask_peer()
        for _ in range(3):
            unit.look()
        clock.time += 0.5
        unit.look()
        seen = read(figures)
        assert seen["heyken_health_capable"] == 1
        assert seen["heyken_health_looks_total"] == 4
        assert seen["heyken_health_peer_silence_seconds"] == pytest.approx(0.5)
        assert seen["heyken_health_falls_total"] == 0
        assert {seen[f"heyken_health_check_failed:{name}"] for name in CHECKS} == {0}
        world.processes.turn("T")
        unit.look()
        seen = read(figures)
        assert seen["heyken_health_capable"] == 0
        assert seen["heyken_health_falls_total"] == 1
        assert [name for name in CHECKS if seen[f"heyken_health_check_failed:{name}"]] == [
            "process"
        ]


CHECKS = ("process", "gateway", "models", "disk", "memory", "probe", "progress")


async def test_a_suspicion_is_counted_once_and_a_hang_that_comes_of_it_too(
    world: World, core: Settings, clock: HeldClock
) -> None:
    async with eyes_on(world, core, clock) as eyes:
        looker, found = eyes.looker, eyes.looker.findings

        async def look(times: int) -> tuple[int, int]:
            for _ in range(times):
                clock.time += LOOK
                await looker.look_at_gateway()
                looker.look_at_processes()
            return found.suspicions, found.hangs

        assert await look(5) == (0, 0), "it had nothing to do"
        world.gateway.now(running=1)
        assert await look(3) == (1, 0)
        world.processes.work(0.1)
        assert await look(1) == (1, 0), "it was only slow"
        assert await look(10) == (2, 1)
        world.processes.thread_alive = True
        assert await look(10) == (2, 1)


async def test_core_managers_figures(manager: CoreManager) -> None:  # noqa: F811
    figures = CoreManagerFigures(manager.keeper, manager.lease, lambda: manager.observer.parity)
    seen = read(figures)
    assert seen["heyken_core_manager_role:UNKNOWN"] == 1
    assert "heyken_core_manager_epoch" not in seen
    assert "heyken_core_manager_parity_percent" not in seen
    for state in ("BACKUP", "MASTER", "BACKUP", "MASTER"):
        manager.keeper.follow(Transition("heyken", state, 254))
    await manager.keeper.ensure_recorded()
    task = manager.keeper._takeover
    assert task is not None
    await task
    manager.observer.parity = Parity(93)
    seen = read(figures)
    assert seen["heyken_core_manager_role:MASTER"] == 1
    assert seen["heyken_core_manager_role:UNKNOWN"] == 0
    assert seen["heyken_core_manager_role_changes_total:MASTER"] == 2
    assert seen["heyken_core_manager_role_changes_total:BACKUP"] == 2
    assert manager.keeper.holder is not None
    assert seen["heyken_core_manager_epoch"] == manager.keeper.holder.epoch
    assert seen["heyken_core_manager_parity_percent"] == 93


async def test_the_lease_and_who_is_refused(manager: CoreManager) -> None:  # noqa: F811
    figures = CoreManagerFigures(manager.keeper, manager.lease, lambda: None)
    lease = next(route.handler for route in manager.routes() if route.path == "/lease")  # type: ignore[attr-defined]
    await lease(None)
    await lease(None)
    seen = read(figures)
    assert seen["heyken_core_manager_refused_effects_total"] == 2
    assert seen["heyken_core_manager_lease_held"] == 0


async def test_every_figure_stands_on_the_page_and_nothing_else(
    manager: CoreManager,  # noqa: F811
    world: World,
    core: Settings,
    clock: HeldClock,
    door: PeerDoor,
) -> None:
    told = _told(Path("docs/reference/metrics.md"))
    async with eyes_on(world, core, clock) as eyes:
        unit = HealthUnit(
            core,
            looker=eyes.looker,
            facts=eyes.facts,
            door=door,
            track=TrackFile(section(core.vip, "[vip]").verdict_file),
            spool=Spool(core.spool.directory, "health", limit_bytes=1 << 20),
            clock=clock,
        )
        await unit.ask_peer()
        unit.look()
        manager.keeper.follow(Transition("heyken", "MASTER", 254))
        task = manager.keeper._takeover
        assert task is not None
        await task
        metrics = Metrics()
        metrics.registry.register(CopyFigures(Copies().replicas))
        metrics.registry.register(HealthFigures(unit, eyes.looker.findings))
        metrics.registry.register(
            CoreManagerFigures(manager.keeper, manager.lease, lambda: Parity(100))
        )
        text = generate_latest(metrics.registry).decode()
    made = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(text)
        if not family.name.endswith("_created")  # the unit gateway turns these off
    }
    assert told == made


def _told(page: Path) -> set[str]:
    rows = (support.ROOT / page).read_text(encoding="utf-8").splitlines()
    names = {
        name
        for row in rows
        if row.startswith("| `heyken_")
        for name in re.findall(r"`(heyken_\w+)`", row.split(" | ")[0])
    }
    assert len(names) >= 25, f"only {sorted(names)} were found on {page}"
    return names
