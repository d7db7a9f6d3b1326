"""Who may act: two cores and a real etcd of three, in every way they can lose sight of each other.

Member 0 is core1's, member 1 core2's, member 2 is the witness.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from heyken_glue.runtime.clock import boottime
from heyken_glue.runtime.daemon import Daemon, Notifier
from heyken_glue.settings import Settings
from tests.support import etcd as real
from tests.support.assistant import eventually
from tests.support.leases import TTL, Rig, side


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Cluster]:
    with real.cluster(tmp_path_factory.mktemp("etcd"), size=3) as cluster:
        yield cluster


@pytest.fixture
async def rig(members: real.Cluster, core: Settings, tmp_path: Path) -> AsyncIterator[Rig]:
    members.start()
    async with AsyncExitStack() as stack:
        sides = [await side(stack, members, core, tmp_path, number) for number in (1, 2)]
        made = Rig(members, sides)
        yield made
        members.start()
        for each in sides:
            each.reach(*members.urls)
            await each.keeper.close()
            await each.lease.close()


async def held_by_core1(rig: Rig) -> int:
    """Make core1 the holder and return its epoch."""
    rig.two.vrrp("BACKUP")
    rig.one.vrrp("MASTER")
    await rig.until(lambda: rig.one.held is not None, "core1 has the lease")
    assert rig.one.held is not None
    return rig.one.held.epoch


async def test_the_recorded_holder_gets_it_and_nobody_else(rig: Rig) -> None:
    epoch = await held_by_core1(rig)
    assert rig.one.keeper.holder is not None
    assert rig.one.keeper.holder.epoch == epoch
    told = rig.one.lease.body()
    assert (told["held"], told["epoch"], told["reason"]) == (True, epoch, "")
    assert 0 < told["valid_seconds"] < TTL
    told = rig.two.lease.body()
    assert (told["held"], told["reason_pl"]) == (False, "core2 nie ma wirtualnego adresu")


async def test_it_is_kept_longer_than_it_lives(rig: Rig) -> None:
    await held_by_core1(rig)
    begin = boottime()
    await rig.until(lambda: boottime() - begin > 2 * TTL, "time passes")
    assert rig.one.held is not None
    assert rig.one.lease.why_not() is None


async def test_after_a_planned_switch_the_other_one_gets_it_at_once(rig: Rig) -> None:
    epoch = await held_by_core1(rig)
    rig.one.vrrp("BACKUP")
    assert rig.one.held is None, "not even until the store knows"
    rig.two.vrrp("MASTER")
    begin = boottime()
    await rig.until(lambda: rig.two.held is not None, "core2 has the lease")
    assert rig.two.held is not None
    assert rig.two.held.epoch > epoch
    assert boottime() - begin < TTL, "it did not have to run out"


async def test_after_a_loss_the_other_one_gets_it_when_it_has_run_out(rig: Rig) -> None:
    await held_by_core1(rig)
    rig.one.runs = False
    rig.two.vrrp("MASTER")
    await rig.until(lambda: "has not run out" in rig.two.lease.body()["reason"], "it waits")
    await rig.until(lambda: rig.two.held is not None, "core2 has the lease")
    assert rig.one.held is None


async def test_a_restarted_unit_goes_on_with_its_lease(rig: Rig) -> None:
    epoch = await held_by_core1(rig)
    former = rig.one.lease
    rig.one.restart()
    await rig.until(lambda: rig.one.held is not None, "it has its lease again")
    assert rig.one.held is not None
    assert rig.one.held.epoch == epoch
    assert rig.one.lease._lease.lease_id == former._lease.lease_id


async def test_a_core_that_was_suspended_finds_it_over_at_once(rig: Rig) -> None:
    await held_by_core1(rig)
    rig.one.ahead += 3600
    assert rig.one.held is None
    assert not rig.one.lease.is_settled, "nor is it believed who it is"
    await rig.until(lambda: rig.one.held is not None, "nobody took it: it is renewed")


async def test_a_frozen_holder_that_wakes_up_rests_and_takes_anew_when_it_is_alone(
    rig: Rig,
) -> None:
    """The higher priority takes the address back without keepalived ever having lost it."""
    epoch = await held_by_core1(rig)
    rig.one.runs = False
    rig.two.vrrp("MASTER")
    await rig.until(lambda: rig.two.held is not None, "core2 has the lease")
    rig.one.runs = True
    await rig.until(lambda: rig.one.lease.is_superseded, "core1 knows that it was superseded")
    assert rig.two.held is not None, "nothing was taken from core2"
    assert rig.one.lease.body()["reason"] == "another core took the address over later"
    between = rig.two.held.epoch
    rig.two.vrrp("BACKUP")
    await rig.until(lambda: rig.one.held is not None, "core1 has the lease again")
    assert rig.one.held is not None
    assert epoch < between < rig.one.held.epoch


async def test_an_epoch_of_an_etcd_that_is_gone_gives_no_right(rig: Rig) -> None:
    """The core outlived etcd's data: its epoch is larger than any that the new one has given."""
    await held_by_core1(rig)
    rig.one.vrrp("BACKUP")
    rig.one.vrrp("MASTER")
    await rig.until(lambda: rig.one.keeper.holder is not None, "core1 recorded it")
    holder = rig.one.keeper.holder
    assert holder is not None
    former = 1_000_000 + (holder.epoch or 0)
    rig.one.keeper.holder = dataclasses.replace(holder, epoch=former)
    assert rig.one.held is None
    await rig.until(lambda: rig.one.held is not None, "core1 took it anew")
    assert rig.one.held is not None
    assert rig.one.held.epoch < former


async def test_a_newer_takeover_that_never_used_its_lease_does_not_block_for_ever(
    rig: Rig,
) -> None:
    await held_by_core1(rig)
    rig.apart()
    rig.two.vrrp("MASTER")
    await rig.until(lambda: rig.two.keeper.holder is not None, "core2 recorded its takeover")
    rig.two.runs = False
    await rig.until(lambda: rig.one.lease.is_superseded, "core1 knows it")
    await rig.until(lambda: rig.one.held is not None, "and takes it anew")


async def acts(rig: Rig, number: int) -> None:
    """Wait until a core acts, and for longer than a lease lives see that nobody else does."""
    side_ = (rig.one, rig.two)[number - 1]
    await rig.until(lambda: side_.held is not None, f"core{number} may act")
    rig.seen.clear()
    begin = boottime()
    await rig.until(lambda: boottime() - begin > TTL, "time passes")
    assert set(rig.seen) == {number}


async def nobody_acts(rig: Rig) -> None:
    await rig.until(lambda: rig.one.held is rig.two.held is None, "nobody may act")
    rig.seen.clear()
    begin = boottime()
    await rig.until(lambda: boottime() - begin > TTL, "time passes")
    assert rig.seen == []


async def test_core1_apart_from_core2_and_witness(rig: Rig) -> None:
    await held_by_core1(rig)
    rig.apart()
    rig.one.reach()
    rig.two.vrrp("MASTER")
    await acts(rig, 2)
    assert "have to agree" in rig.one.lease.body()["reason"]


async def test_core2_apart_from_core1_and_witness(rig: Rig) -> None:
    await held_by_core1(rig)
    rig.apart()
    rig.two.reach()
    rig.two.vrrp("MASTER")
    await acts(rig, 1)
    assert "not recorded" in rig.two.lease.body()["reason"]


async def test_the_witness_apart_from_both(rig: Rig) -> None:
    await held_by_core1(rig)
    rig.cluster.members[2].kill()
    await acts(rig, 1)
    rig.one.vrrp("BACKUP")
    rig.two.vrrp("MASTER")
    await acts(rig, 2)


async def test_peer_and_witness_away(rig: Rig) -> None:
    await held_by_core1(rig)
    rig.apart()
    for member in rig.cluster.members[1:]:
        member.kill()
    await nobody_acts(rig)
    assert "have to agree" in rig.one.lease.body()["reason"]
    assert "muszą się zgodzić" in rig.one.lease.body()["reason_pl"]
    rig.cluster.start()
    await rig.until(lambda: rig.one.held is not None, "core1 may act again")


async def test_all_three_apart(rig: Rig) -> None:
    await held_by_core1(rig)
    rig.apart()
    rig.one.reach()
    rig.two.reach()
    rig.two.vrrp("MASTER")
    await nobody_acts(rig)
    rig.one.reach(*rig.urls)
    rig.two.reach(*rig.urls)
    rig.two.vrrp("BACKUP")
    await acts(rig, 1)


async def test_core2_does_not_hear_core1(rig: Rig) -> None:
    """Both hold the address; both reach the witness. The newest takeover acts."""
    await held_by_core1(rig)
    rig.apart()
    rig.two.vrrp("MASTER")
    await acts(rig, 2)
    assert rig.one.lease.is_superseded


async def test_core1_does_not_hear_core2(rig: Rig) -> None:
    """core2 still hears the holder, so nothing moves."""
    await held_by_core1(rig)
    rig.apart()
    await acts(rig, 1)


async def test_the_leader_of_the_store_is_frozen(rig: Rig) -> None:
    """Whichever member it is: a new leader is found within the lease's life or nobody acts."""
    await held_by_core1(rig)
    for member in rig.cluster.members:
        member.freeze()
        begin = boottime()
        await rig.until(lambda begin=begin: boottime() - begin > TTL, "time passes")  # type: ignore[misc]
        member.thaw()
        await rig.until(lambda: rig.one.held is not None, "core1 may act")


async def test_its_loops_take_it_at_a_takeover_and_notice_a_freeze(rig: Rig) -> None:
    heart = Daemon(notifier=Notifier({})).heart("lease", allowance=10.0)
    lease = rig.one.lease
    loops = [asyncio.ensure_future(each) for each in (lease.keep(heart), lease.attend())]
    rig.one.vrrp("MASTER")
    try:
        await eventually(lambda: rig.one.held is not None, "core1 has the lease")
        assert rig.one.lease.is_settled
        rig.one.ahead += 60
        assert rig.one.held is None
        assert not rig.one.lease.is_settled
        await eventually(lambda: rig.one.held is not None, "it has been renewed")
        await eventually(lambda: rig.one.lease.is_settled, "it is to be believed again")
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)
