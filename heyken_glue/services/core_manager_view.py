"""The pair as this core sees it, for `/status` and for the state files."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar, cast
from urllib.parse import urlsplit

from heyken_glue import __version__, errors
from heyken_glue.adapters.etcd.client import EtcdClient
from heyken_glue.domain import parity, status
from heyken_glue.domain.parity import CoreFacts, Parity
from heyken_glue.domain.sentences import say
from heyken_glue.domain.status import Chat, CoreHealth, CoreView, Effects, Holder, Pair
from heyken_glue.domain.switching import Vrrp
from heyken_glue.domain.verdict import VerdictAnswer, parse_verdict
from heyken_glue.runtime import http
from heyken_glue.runtime.clock import Clock
from heyken_glue.runtime.spool import Spool, replace_file
from heyken_glue.services.core_manager_chat import ASSISTANT_SILENT, ChatLink
from heyken_glue.services.core_manager_drills import ProofKeeper
from heyken_glue.services.core_manager_lease import LeaseKeeper
from heyken_glue.services.core_manager_role import HolderRecords, RoleKeeper
from heyken_glue.services.peers import PeerDoor
from heyken_glue.settings import Settings, section

T = TypeVar("T")
ASK_SECONDS = 0.3
# one late answer of a busy machine is no news; what is older than this is silence
KEEP_SECONDS = 2.0
PEER_KEEP_SECONDS = 1.0
_FILE_MODE = 0o644


class Kept(Generic[T]):
    """The last answer of somebody, for as long as it may stand in for one that is late."""

    def __init__(self, clock: Clock, seconds: float = KEEP_SECONDS) -> None:
        self._clock, self._seconds, self._heard = clock, seconds, 0.0
        self._answer = cast("T | None", None)

    def or_new(self, answer: T | None) -> T | None:
        """Return what was answered now, or else not long ago; None is silence."""
        now = self._clock.monotonic()
        if answer is not None:
            self._heard, self._answer = now, answer
        elif now - self._heard > self._seconds:
            self._answer = None
        return self._answer


class PeerMemory:
    """What the other core said of itself: now, or within a second to us or to our health unit.

    Health asks it several times a second; we ask seldom, so that one late answer would be silence.
    """

    def __init__(self, clock: Clock) -> None:
        self._kept: Kept[VerdictAnswer] = Kept(clock, PEER_KEEP_SECONDS)
        self._last: VerdictAnswer | None = None

    def or_heard(
        self, answer: VerdictAnswer | None, own: VerdictAnswer | None
    ) -> VerdictAnswer | None:
        """Return what is known of it, None for silence; `own` is what our health answered now."""
        self._last = answer or self._last
        heard = own.heard_peer if own is not None else None
        if answer is None and self._last is not None and heard is not None:
            if heard.age_seconds > PEER_KEEP_SECONDS:
                return None
            return replace(self._last, capable=heard.capable, sentence=heard.sentence)
        return self._kept.or_new(answer)


class Observer:
    """Asks everybody at once; silence is shown as such once it lasts."""

    def __init__(
        self,
        settings: Settings,
        *,
        core_id: int,
        keeper: RoleKeeper,
        lease: LeaseKeeper,
        door: PeerDoor,
        records: HolderRecords,
        etcd: EtcdClient,
        spool: Spool,
        clock: Clock,
        chat: ChatLink,
        proofs: ProofKeeper,
    ) -> None:
        self._chat, self._lease, self._proofs = chat, lease, proofs
        self._settings, self._core_id, self._keeper = settings, core_id, keeper
        self._door, self._records, self._etcd = door, records, etcd
        self._spool, self._clock = spool, clock
        self._health_socket = settings.paths.runtime_directory / "health" / "http.sock"
        self._witnesses = witnesses(settings)
        self._heard: dict[int, float] = {}
        self._own: Kept[VerdictAnswer] = Kept(clock)
        self._peer = PeerMemory(clock)
        self._witness: Kept[bool] = Kept(clock)
        self._record: Kept[Holder] = Kept(clock)
        self._connected: Kept[Chat] = Kept(clock)
        self.parity: Parity | None = None

    async def observe(self) -> Pair:
        """Return the pair as it is now; takes as long as the slowest answer, bounded."""
        (own, peer, peer_role), (recorded, effects, proof), witness, chat = await asyncio.gather(
            asyncio.gather(self._own_verdict(), self._door.verdict(), self._door.role()),
            asyncio.gather(self._recorded(), self._effects(), self._proofs.look()),
            self._witness_reachable(),
            self._chat.look(),
        )
        own, peer = self._own.or_new(own), self._peer.or_heard(peer, own)
        me, other = self._settings.host.name, self._door.peer
        role = self._keeper.role.vrrp
        cores = [
            self._core(self._core_id, me, own, role),
            self._core(other.core_id, other.name, peer, peer_role or Vrrp.UNKNOWN),
        ]
        self.parity = _parity(cores, {self._core_id: own, other.core_id: peer})
        return Pair(
            deployment=self._settings.deployment.name,
            environment=self._settings.deployment.environment,
            stand_ins=self._settings.deployment.stand_ins,
            version=__version__,
            vip=section(self._settings.vip, "[vip]").address,
            cores=tuple(sorted(cores, key=lambda core: core.core_id)),
            holder=self._keeper.holder if role is Vrrp.MASTER else recorded,
            witness_reachable=self._witness.or_new(witness or None) is True,
            dropped_events=self._spool.dropped(),
            chat=self._connected.or_new(None if chat == ASSISTANT_SILENT else chat) or chat,
            effects=effects,
            parity=self.parity,
            proof=proof,
        )

    def _core(self, core_id: int, name: str, answer: VerdictAnswer | None, vrrp: Vrrp) -> CoreView:
        if answer is None:
            heard = self._heard.get(core_id)
            health = CoreHealth.UNKNOWN if heard is None else CoreHealth.ERROR
            return CoreView(core_id, name, health, heard or 0.0, say("silent", core=name), vrrp)
        self._heard[core_id] = answer.time
        health = CoreHealth.HEALTHY if answer.capable else CoreHealth.UNHEALTHY
        return CoreView(
            core_id,
            name,
            health,
            answer.time,
            answer.sentence,
            vrrp,
            answers=answer.answers,
            stepped_down=answer.stepped_down,
        )

    async def _own_verdict(self) -> VerdictAnswer | None:
        try:
            async with http.unix_session(self._health_socket, total_seconds=ASK_SECONDS) as session:
                return parse_verdict(await http.request_json(session, "GET", "/verdict"))
        except (errors.HeykenError, ValueError):
            return None

    async def _recorded(self) -> Holder | None:
        """Return who is recorded; while members are away or elect, whoever asked does not wait."""
        found = None
        with contextlib.suppress(errors.HeykenError, TimeoutError):
            async with asyncio.timeout(ASK_SECONDS):
                found = await self._records.read()
        return self._record.or_new(found)

    async def _effects(self) -> Effects:
        """Tell who may do more than answer: this core by its own lease, else whoever has it."""
        reason = self._lease.why_not()
        if reason is None:
            return Effects(self._core_id)
        if self._keeper.role.vrrp is not Vrrp.MASTER:
            tenant = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ASK_SECONDS):
                    tenant = await self._lease.tenant()
            if tenant is not None and tenant.core_id != self._core_id:
                return Effects(tenant.core_id)
        return Effects(None, reason)

    async def _witness_reachable(self) -> bool:
        answers = await asyncio.gather(*(self._etcd.reachable(url) for url in self._witnesses))
        return any(answers)


def _parity(cores: list[CoreView], answers: Mapping[int, VerdictAnswer | None]) -> Parity | None:
    """Compare what the cores say about themselves; None where one of them says nothing."""
    one, other = [
        CoreFacts(core.name, answer.facts if (answer := answers[core.core_id]) else {})
        for core in sorted(cores, key=lambda core: core.core_id)
    ]
    return parity.compare(one, other)


def witnesses(settings: Settings) -> tuple[str, ...]:
    """Return the etcd members that are on no core: they break the tie between the two."""
    cores = {settings.host.address, *(peer.address for peer in settings.peers)}
    endpoints = section(settings.etcd, "[etcd]").endpoints
    return tuple(url for url in endpoints if urlsplit(url).hostname not in cores)


def write_files(directory: Path, pair: Pair) -> None:
    """Bring `system_status.json` and `active_core` up to date, each in one step."""
    content = json.dumps(status.system_status(pair.cores), indent=2)
    replace_file(directory / "system_status.json", content + "\n", mode=_FILE_MODE)
    active = status.active_core(pair.cores)
    if active is None:
        (directory / "active_core").unlink(missing_ok=True)
    else:
        replace_file(directory / "active_core", f"{active}\n", mode=_FILE_MODE)
