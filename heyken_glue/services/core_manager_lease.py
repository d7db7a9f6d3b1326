"""Keeping the lease: asked for as soon as this core is the recorded holder, returned with the role.

Whatever else this host does outside asks here (`GET /lease`) right before it does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

from heyken_glue import errors, logs
from heyken_glue.adapters.etcd.client import EtcdClient, Stored
from heyken_glue.domain.lease import (
    Attention,
    Claim,
    Holding,
    Lease,
    Standing,
    Step,
    Tenant,
    may_take_anew,
)
from heyken_glue.domain.sentences import NOTHING, Sentence, say
from heyken_glue.domain.switching import Vrrp
from heyken_glue.runtime.clock import boottime
from heyken_glue.runtime.daemon import Heart
from heyken_glue.services.core_manager_role import RoleKeeper
from heyken_glue.services.peers import PeerDoor

TICK_SECONDS = 0.1
# A process that did not run for so long may have missed a takeover, and keepalived beside it too.
GAP_SECONDS = 1.0
SETTLE_SECONDS = 1.0
FREE_SECONDS = 2.0
_log = logs.get(__name__)


class LeaseStore:
    """The lease in etcd: a key that ends with it, made only for the newest recorded takeover."""

    def __init__(self, etcd: EtcdClient, deployment: str, core_id: int) -> None:
        self._etcd, self._core_id = etcd, core_id
        self._lease_key = f"/heyken/{deployment}/lease"
        self._holder_key = f"/heyken/{deployment}/holder"

    async def look(self) -> Standing:
        """Return what a majority knows."""
        holder, lease = await self._etcd.get_together(self._holder_key, self._lease_key)
        return Standing(None if holder is None else holder.revision, _tenant(lease))

    async def take(self, epoch: int, ttl_seconds: int) -> tuple[int, float] | None:
        """Make the lease this core's; returns its number and life, None if it was not to be had."""
        grant = await self._etcd.grant(ttl_seconds)
        value = json.dumps({"core_id": self._core_id, "epoch": epoch}).encode()
        made = await self._etcd.create_if(
            self._lease_key,
            value,
            lease_id=grant.lease_id,
            unchanged=self._holder_key,
            since=epoch,
        )
        if made:
            return grant.lease_id, grant.ttl_seconds
        with contextlib.suppress(errors.HeykenError):
            await self._etcd.revoke(grant.lease_id)
        return None

    async def renew(self, lease_id: int) -> float | None:
        """Begin the lease's life anew; returns its length in seconds, None if it is over."""
        return await self._etcd.keep_alive(lease_id)

    async def give_back(self, lease_id: int) -> None:
        """End the lease at once."""
        await self._etcd.revoke(lease_id)


def _tenant(stored: Stored | None) -> Tenant | None:
    if stored is None:
        return None
    try:
        content = json.loads(stored.value)
        return Tenant(int(content["core_id"]), int(content["epoch"]), stored.lease_id)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Tenant(0, 0, stored.lease_id)  # somebody's, whoever they are


class LeaseKeeper:
    """One core's lease, kept from the takeover to the loss of the address.

    It also notices that a takeover of the other core is newer than this one's, although keepalived
    never said that the address was lost: after a freeze, or while both cores announce it.
    """

    def __init__(
        self,
        store: LeaseStore,
        keeper: RoleKeeper,
        door: PeerDoor,
        *,
        core_id: int,
        core: str,
        ttl_seconds: int,
        now: Callable[[], float] = boottime,
    ) -> None:
        self._store, self._keeper, self._door, self._now = store, keeper, door, now
        self._core_id, self._core, self._ttl = core_id, core, ttl_seconds
        self._lease = Lease(ttl_seconds)
        self._attention = Attention(now(), gap_seconds=GAP_SECONDS, settle_seconds=SETTLE_SECONDS)
        self._nudged = asyncio.Event()
        self._free_since: float | None = None
        self.refused_effects = 0

    async def keep(self, heart: Heart) -> None:
        """Do whatever is due, for ever."""
        while True:
            self._nudged.clear()
            await self.tick()
            heart.beat()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), TICK_SECONDS)

    def nudge(self) -> None:
        """Let the next tick come at once: the role has changed, or may have."""
        self._lease.hurry()
        self._nudged.set()

    async def attend(self) -> None:
        """Notice for ever whether this process ran; a store that is slow to answer is no sleep."""
        while True:
            if self._attention.beat(self._now()):
                _log.warning("slept", gap_seconds=GAP_SECONDS)
                self.nudge()
            await asyncio.sleep(TICK_SECONDS)

    async def tick(self) -> None:
        """Do what is due now; that the store is away is no reason to fail."""
        try:
            await self._do(self._lease.step(self._now(), self._claim()))
        except errors.HeykenError as error:
            self._lease.failed(say("lease_unheard", error=error.tried))
        except Exception as error:  # noqa: BLE001 - the top of a loop: logged, the next round comes
            _log.error("lease_not_kept", exc_info=error)

    async def close(self) -> None:
        """Give the lease back when the unit ends."""
        with contextlib.suppress(errors.HeykenError):
            await self._give_up()

    def holding(self) -> Holding | None:
        """Return the right to act, if it is certain now."""
        return self._lease.holding(self._now(), self._claim())

    def why_not(self) -> Sentence | None:
        """Return why this core may not act now, or None if it may."""
        return self._lease.why_not(self._now(), self._claim(), core=self._core)

    @property
    def is_superseded(self) -> bool:
        """Whether another takeover is known that is newer than this core's."""
        return self._lease.is_superseded(self._claim())

    @property
    def is_settled(self) -> bool:
        """Whether what this unit says of the role is to be believed: not right after a freeze."""
        return self._attention.is_settled(self._now())

    def body(self) -> dict[str, Any]:
        """Return what `GET /lease` answers."""
        holding, reason = self.holding(), self.why_not() or NOTHING
        return {
            "held": holding is not None,
            "epoch": self._claim().epoch,
            "valid_seconds": 0.0 if holding is None else holding.until - self._now(),
            "reason": reason.en,
            "reason_pl": reason.pl,
        }

    async def tenant(self) -> Tenant | None:
        """Return who has the lease, None if nobody does or it cannot be known."""
        try:
            return (await self._store.look()).tenant
        except errors.HeykenError:
            return None

    def _claim(self) -> Claim:
        holder = self._keeper.holder
        epoch = None if holder is None else holder.epoch
        return Claim(self._keeper.role.vrrp is Vrrp.MASTER, epoch)

    async def _do(self, step: Step) -> None:
        match step:
            case Step.TAKE:
                await self._take()
            case Step.RENEW:
                await self._renew()
            case Step.GIVE_UP:
                await self._give_up()

    async def _take(self) -> None:
        asked, claim = self._now(), self._claim()
        self._lease.asked(asked)
        standing = await self._store.look()
        if not self._is_newest(standing, claim):
            await self._take_anew(standing)
            return
        tenant = standing.tenant
        if tenant is None:
            await self._ask_for(claim, asked)
        elif (tenant.core_id, tenant.epoch) == (self._core_id, claim.epoch):
            # this unit was restarted, or the answer to its question got lost
            await self._prolong(tenant.lease_id, tenant.epoch, asked)
        else:
            self._lease.lost(say("lease_others", core=self._name(tenant.core_id)))

    async def _ask_for(self, claim: Claim, asked: float) -> None:
        assert claim.epoch is not None  # noqa: S101 - nobody asks without one
        taken = await self._store.take(claim.epoch, self._ttl)
        if taken is None:
            self._lease.hurry()
            return
        lease_id, ttl = taken
        self._granted(lease_id, claim.epoch, asked, ttl)
        _log.info("lease_taken", epoch=claim.epoch, ttl_seconds=ttl)

    async def _renew(self) -> None:
        asked, claim, lease_id = self._now(), self._claim(), self._lease.lease_id
        self._lease.asked(asked)
        if lease_id is None or claim.epoch is None:
            return
        await self._prolong(lease_id, claim.epoch, asked)

    async def _prolong(self, lease_id: int, epoch: int, asked: float) -> None:
        """Renew, and believe it only once a majority has confirmed who has the lease."""
        ttl = await self._store.renew(lease_id)
        standing = await self._store.look()
        tenant = standing.tenant
        if ttl is None or tenant is None or tenant.lease_id != lease_id:
            _log.warning("lease_lost", epoch=epoch)
            self._lease.lost(say("lease_gone"))
            self._lease.hurry()
        elif self._is_newest(standing, self._claim()):
            self._granted(lease_id, epoch, asked, ttl)
        else:
            await self._give_up(say("lease_superseded"), lease_id=lease_id)

    def _granted(self, lease_id: int, epoch: int, asked: float, ttl: float) -> None:
        # etcd may give a longer life than was asked for; what was asked for is all that we use
        life = min(ttl, float(self._ttl))
        self._lease.granted(lease_id=lease_id, epoch=epoch, asked=asked, ttl_seconds=life)

    async def _give_up(
        self, reason: Sentence | None = None, *, lease_id: int | None = None
    ) -> None:
        lease_id = self._lease.lease_id if lease_id is None else lease_id
        self._lease.lost(reason or say("lease_returned"))
        if lease_id is not None:
            _log.info("lease_returned")
            await self._store.give_back(lease_id)

    def _is_newest(self, standing: Standing, claim: Claim) -> bool:
        self._lease.saw(standing.newest_epoch)
        return standing.newest_epoch == claim.epoch

    async def _take_anew(self, standing: Standing) -> None:
        """Record the takeover anew if the other core's, which is newer, is over."""
        self._lease.lost(say("lease_superseded"))
        now = self._now()
        if standing.tenant is not None:
            self._free_since = None
            return
        self._free_since = now if self._free_since is None else self._free_since
        role = await self._door.role()
        if may_take_anew(
            standing,
            peer_holds=None if role is None else role is Vrrp.MASTER,
            free_seconds=now - self._free_since,
            patience_seconds=FREE_SECONDS,
        ):
            self._free_since = None
            await self._keeper.take_anew()
            self._lease.hurry()

    def _name(self, core_id: int) -> str:
        peer = self._door.peer
        return peer.name if core_id == peer.core_id else f"core{core_id}"
