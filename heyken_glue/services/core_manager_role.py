"""What keepalived says about this core, and the record of who holds the address."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from heyken_glue import errors, logs
from heyken_glue.adapters.etcd.client import EtcdClient
from heyken_glue.adapters.keepalived.fifo import Transition
from heyken_glue.domain.events import Event, Kind
from heyken_glue.domain.sentences import Sentence, say
from heyken_glue.domain.status import Holder
from heyken_glue.domain.switching import Cause, Vrrp, why_taken
from heyken_glue.runtime.clock import Clock
from heyken_glue.runtime.spool import Spool, replace_file
from heyken_glue.services.peers import PeerDoor
from heyken_glue.settings import Settings

UNIT = "core-manager"
_log = logs.get(__name__)


class HolderRecords:
    """The record in etcd; its revision is the epoch, which grows with each takeover."""

    def __init__(self, etcd: EtcdClient, deployment: str) -> None:
        self._etcd, self._key = etcd, f"/heyken/{deployment}/holder"

    async def write(self, holder: Holder) -> Holder:
        """Record a takeover, and return it with its epoch; the very first one is the deployment."""
        first = replace(holder, cause=Cause.DEPLOY, reason=say("first_start"))
        written = await self._etcd.put_first_or_else(
            self._key, first=_to_json(first), otherwise=_to_json(holder)
        )
        return replace(first if written.was_new else holder, epoch=written.revision)

    async def read(self) -> Holder | None:
        """Return what is recorded, None if nothing is or it cannot be read."""
        stored = await self._etcd.get(self._key)
        if stored is None:
            return None
        try:
            return replace(_from_json(stored.value), epoch=stored.revision)
        except (KeyError, TypeError, ValueError, AttributeError):
            _log.warning("holder_record_unreadable", revision=stored.revision)
            return None


@dataclass(frozen=True)
class Role:
    """A VRRP state and since when (seconds since 1970)."""

    vrrp: Vrrp
    since: float


class RoleKeeper:
    """Follows keepalived; a restart of the unit finds its state in the runtime directory."""

    def __init__(
        self,
        settings: Settings,
        *,
        core_id: int,
        file: Path,
        door: PeerDoor,
        records: HolderRecords,
        spool: Spool,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self._host, self._core_id, self._file = settings.host.name, core_id, file
        self._door, self._records, self._spool, self._clock = door, records, spool, clock
        self.listeners: list[Callable[[], None]] = [changed]
        self._takeover: asyncio.Task[None] | None = None
        self.changes: Counter[Vrrp] = Counter()
        # when keepalived spoke first after the host's start; a restart of the unit is no such start
        self._began = float("-inf")
        self.role, self.holder = self._restore()

    def follow(self, transition: Transition) -> None:
        """Take note of a change; taking the address over goes on in the background."""
        state = Vrrp(transition.state)
        former = self.role
        if state is former.vrrp:
            return
        if former.vrrp is Vrrp.UNKNOWN:
            self._began = self._clock.monotonic()
        self._drop_takeover()
        self.role = Role(state, self._clock.now())
        self.changes[state] += 1
        self.holder = None
        self._save()
        _log.info("role_changed", former=former.vrrp, vrrp=state, lost=transition.lost)
        cause = "keepalived is gone" if transition.lost else "keepalived"
        self._record(Kind.ROLE_CHANGED, cause, former=former.vrrp.value, vrrp=state.value)
        if state is Vrrp.MASTER:
            self._takeover = asyncio.get_running_loop().create_task(self._take_over())
        self._changed()

    async def ensure_recorded(self) -> None:
        """Try again to record a takeover that etcd has not seen, while this core is the holder."""
        if self.role.vrrp is not Vrrp.MASTER or self._is_taking_over():
            return
        if self.holder is None:
            await self._take_over()
        elif self.holder.epoch is None:
            await self._store(self.holder)

    async def take_anew(self) -> None:
        """Record another takeover of an address that keepalived never said was lost."""
        if self.role.vrrp is not Vrrp.MASTER or self._is_taking_over():
            return
        self.role, self.holder = Role(Vrrp.MASTER, self._clock.now()), None
        self._takeover = asyncio.get_running_loop().create_task(self._take_over())
        await asyncio.wait({self._takeover})

    async def close(self) -> None:
        """End what runs in the background."""
        task = self._takeover
        self._drop_takeover()
        if task is not None:
            await asyncio.wait({task})

    async def _take_over(self) -> None:
        role, up = self.role, self._clock.monotonic() - self._began
        is_first, answer = self.changes[Vrrp.MASTER] == 1, await self._door.verdict()
        reason = why_taken(self._door.peer.name, answer, up_seconds=up, is_first=is_first)
        if self.role is not role:
            return
        self.holder = Holder(
            self._core_id, self.role.since, reason.cause, reason.reason, reason.requested_by
        )
        self._save()
        await self._store(self.holder)
        holder = self.holder
        if holder is None:
            return
        _log.info("vip_taken", cause=holder.cause, reason=holder.reason.en, epoch=holder.epoch)
        self._record(
            Kind.VIP_TAKEN,
            holder.reason.en,
            cause_class=holder.cause.value,
            epoch=holder.epoch,
            requested_by=holder.requested_by,
        )
        self._changed()

    async def _store(self, holder: Holder) -> None:
        role = self.role
        try:
            stored = await self._records.write(holder)
        except errors.HeykenError as error:
            _log.warning("epoch_unknown", reason=error.tried)
            return
        if self.role is role:
            self.holder = stored
            self._save()

    def _changed(self) -> None:
        for listener in self.listeners:
            listener()

    def _is_taking_over(self) -> bool:
        return self._takeover is not None and not self._takeover.done()

    def _drop_takeover(self) -> None:
        if self._takeover is not None:
            self._takeover.cancel()
            self._takeover = None

    def _restore(self) -> tuple[Role, Holder | None]:
        try:
            content = json.loads(self._file.read_bytes())
            role = Role(Vrrp(content["vrrp"]), float(content["since"]))
            record = content["holder"]
            if record is None:
                return role, None
            return role, replace(_from_json(json.dumps(record).encode()), epoch=record["epoch"])
        except (OSError, KeyError, TypeError, ValueError, AttributeError):
            return Role(Vrrp.UNKNOWN, self._clock.now()), None

    def _save(self) -> None:
        record = None
        if self.holder is not None:
            record = {**json.loads(_to_json(self.holder)), "epoch": self.holder.epoch}
        content = {"vrrp": self.role.vrrp.value, "since": self.role.since, "holder": record}
        try:
            replace_file(self._file, json.dumps(content))
        except OSError as error:
            _log.error("role_not_saved", error=str(error))

    def _record(self, kind: Kind, cause: str, **payload: object) -> None:
        self._spool.append(
            Event(
                id=uuid.uuid4().hex,
                time=self._clock.now(),
                host=self._host,
                actor=UNIT,
                kind=kind,
                subject=self._host,
                cause=cause,
                payload=payload,
            )
        )


def _to_json(holder: Holder) -> bytes:
    content = {
        "core_id": holder.core_id,
        "since": holder.since,
        "cause": holder.cause.value,
        "reason": holder.reason.en,
        "reason_pl": holder.reason.pl,
        "requested_by": holder.requested_by,
    }
    return json.dumps(content, ensure_ascii=False).encode()


def _from_json(data: bytes) -> Holder:
    content = json.loads(data)
    return Holder(
        core_id=int(content["core_id"]),
        since=float(content["since"]),
        cause=Cause(content["cause"]),
        reason=Sentence(str(content["reason"]), str(content["reason_pl"])),
        requested_by=str(content["requested_by"]),
    )
