"""Why the address came to a core, and the epoch of each takeover."""

# ruff: noqa: F811 - what pytest takes for a fixture, ruff takes for a second definition

from __future__ import annotations

from typing import Any

import pytest

from heyken_glue.adapters.etcd.client import EtcdClient
from heyken_glue.adapters.keepalived.fifo import Transition
from heyken_glue.domain.status import Holder
from heyken_glue.domain.switching import Cause
from heyken_glue.runtime.daemon import Daemon, Notifier
from heyken_glue.services import core_manager
from heyken_glue.services.core_manager import CoreManager
from heyken_glue.services.peers import PeerDoor
from heyken_glue.settings import Settings

from .conftest import FakePeer, HeldClock, verdict_body
from .test_core_manager import (  # fixtures among them
    _say,
    _settled,
    etcd,  # noqa: F401
    health,  # noqa: F401
    manager,  # noqa: F401
    member,  # noqa: F401
)


async def test_the_very_first_holder_is_there_by_deployment(manager: CoreManager) -> None:
    _say(manager, "MASTER")
    holder = await _settled(manager)
    assert (holder.cause, holder.core_id, holder.epoch) == (Cause.DEPLOY, 1, 11)


async def test_each_takeover_raises_the_epoch(manager: CoreManager) -> None:
    _say(manager, "MASTER")
    first = await _settled(manager)
    _say(manager, "BACKUP")
    _say(manager, "MASTER")
    second = await _settled(manager)
    assert first.epoch is not None
    assert second.epoch is not None
    assert second.epoch > first.epoch


@pytest.mark.parametrize(
    ("verdict", "cause", "reason"),
    [
        (None, Cause.FAILOVER, "core2 does not answer"),
        (verdict_body(2, capable=False, sentence="no model"), Cause.FAILOVER, "no model"),
        (
            verdict_body(
                2, stepping_down=True, step_down={"reason": "work", "requested_by": "anna"}
            ),
            Cause.PLANNED,
            "work",
        ),
    ],
)
async def test_why_it_took_over(
    manager: CoreManager,
    peer: FakePeer,
    verdict: dict[str, Any] | None,
    cause: Cause,
    reason: str,
) -> None:
    _say(manager, "MASTER")
    await _settled(manager)
    _say(manager, "BACKUP")
    peer.verdict = verdict
    _say(manager, "MASTER")
    holder = await _settled(manager)
    assert (holder.cause, holder.reason.en) == (cause, reason)


async def test_a_host_that_is_started_and_finds_nobody_says_so(
    manager: CoreManager, clock: HeldClock
) -> None:
    await manager.keeper._records.write(Holder(2, 1.0, Cause.FAILOVER))
    _say(manager, "BACKUP")
    clock.time += 0.1
    _say(manager, "MASTER")
    holder = await _settled(manager)
    assert (holder.cause, holder.reason.pl[:25]) == (Cause.START, "hosty zostały uruchomione")


async def test_a_restart_of_the_unit_is_no_start_of_the_host(
    manager: CoreManager, core: Settings, door: PeerDoor, etcd: EtcdClient, clock: HeldClock
) -> None:
    await manager.keeper._records.write(Holder(2, 1.0, Cause.FAILOVER))
    _say(manager, "BACKUP")
    again = core_manager.build(
        core, Daemon(notifier=Notifier({}), clock=clock), door=door, etcd=etcd
    )
    again.keeper.follow(Transition("heyken", "MASTER", 254))
    assert (await _settled(again)).cause is Cause.FAILOVER
    await again.keeper.close()
    again.spool.close()
