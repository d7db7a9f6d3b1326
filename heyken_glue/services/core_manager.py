"""Unit `core-manager`: follows keepalived, keeps the epoch, tells the status, moves the address."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from dataclasses import dataclass

from aiohttp import web

from heyken_glue import logs
from heyken_glue.adapters.etcd.client import EtcdClient
from heyken_glue.adapters.keepalived.fifo import FifoReader
from heyken_glue.credentials import Credentials
from heyken_glue.domain import status
from heyken_glue.domain.events import Event, Kind, Outcome
from heyken_glue.runtime import exposition, http
from heyken_glue.runtime.clock import Clock
from heyken_glue.runtime.daemon import Daemon
from heyken_glue.runtime.spool import Spool
from heyken_glue.services.core_manager_chat import ChatLink
from heyken_glue.services.core_manager_drills import DrillBook, ProofKeeper
from heyken_glue.services.core_manager_figures import CoreManagerFigures
from heyken_glue.services.core_manager_lease import LeaseKeeper, LeaseStore
from heyken_glue.services.core_manager_role import UNIT, HolderRecords, RoleKeeper
from heyken_glue.services.core_manager_switch import Switcher
from heyken_glue.services.core_manager_view import Observer, write_files
from heyken_glue.services.peers import PeerDoor, only_peer, own_core_id
from heyken_glue.settings import Settings, section

REFRESH_SECONDS = 2.0
HOPS_HEADER = "Heyken-Hops"
_ETCD_SECONDS = 0.5
_OK = 200
_log = logs.get(__name__)


@dataclass(frozen=True)
class CoreManager:
    """The unit's parts, joined."""

    settings: Settings
    core_id: int
    keeper: RoleKeeper
    lease: LeaseKeeper
    observer: Observer
    switcher: Switcher
    chat: ChatLink
    reader: FifoReader
    spool: Spool
    daemon: Daemon
    changed: asyncio.Event
    drills: DrillBook

    async def follow_keepalived(self) -> None:
        """Read the FIFO for ever."""
        async for transition in self.reader.transitions():
            self.keeper.follow(transition)
            self.daemon.status(f"{transition.instance} {transition.state}")

    async def keep_files(self) -> None:
        """Write the state files at each change, and every two seconds."""
        heart = self.daemon.heart("files", allowance=10.0)
        directory = self.settings.paths.state_directory / UNIT
        while True:
            self.changed.clear()
            try:
                await self.keeper.ensure_recorded()
                write_files(directory, await self.observer.observe())
            except Exception as error:  # noqa: BLE001 - the top of a loop: logged, the next round comes
                _log.error("files_not_written", exc_info=error)
            heart.beat()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), REFRESH_SECONDS)

    async def keep_lease(self) -> None:
        """Keep the lease for ever."""
        await self.lease.keep(self.daemon.heart("lease", allowance=10.0))

    def routes(self) -> web.RouteTableDef:
        """Return what the other units of this host may ask."""
        table = web.RouteTableDef()
        table.get("/status")(self._status)
        table.get("/role")(self._role)
        table.get("/lease")(self._lease)
        figures = CoreManagerFigures(self.keeper, self.lease, lambda: self.observer.parity)
        table.get(exposition.PATH)(exposition.handler(figures))
        table.post("/switch_core")(self._switch)
        table.post("/send")(self._send)
        table.get("/drills")(self._read_drills)
        table.post("/drills")(self._write_drills)
        return table

    async def _status(self, request: web.Request) -> web.Response:
        pair = await self.observer.observe()
        return web.json_response(status.status_body(pair, language=self._language(request)))

    async def _role(self, _request: web.Request) -> web.Response:
        role, holder = self.keeper.role, self.keeper.holder
        body = {
            "core_id": self.core_id,
            "vrrp": role.vrrp.value,
            "since": role.since,
            "epoch": None if holder is None else holder.epoch,
            "superseded": self.lease.is_superseded,
            "settled": self.lease.is_settled,
        }
        return web.json_response(body)

    async def _lease(self, _request: web.Request) -> web.Response:
        body = self.lease.body()
        self.lease.refused_effects += not body["held"]
        return web.json_response(body)

    async def _switch(self, request: web.Request) -> web.Response:
        wish = await http.read_json(request)
        answer = await self.switcher.switch(
            wish, language=self._language(request), passed_on=HOPS_HEADER in request.headers
        )
        succeeded = answer.status == _OK
        self.spool.append(
            Event(
                id=uuid.uuid4().hex,
                time=self.daemon.clock.now(),
                host=self.settings.host.name,
                actor=str(wish.get("requested_by") or "unknown"),
                kind=Kind.SWITCH_REQUESTED,
                subject=f"core {wish.get('core_id')!r}",
                cause="" if succeeded else str(answer.body.get("error", "")),
                outcome=Outcome.OK if succeeded else Outcome.REFUSED,
                payload={"status": answer.status, "force": wish.get("force") is True},
            )
        )
        self.changed.set()
        return web.json_response(dict(answer.body), status=answer.status)

    async def _send(self, request: web.Request) -> web.Response:
        wish = await http.read_json(request)
        answer = await self.chat.send(wish, language=self._language(request))
        return web.json_response(dict(answer.body), status=answer.status)

    async def _read_drills(self, request: web.Request) -> web.Response:
        answer = await self.drills.read(self._language(request))
        return web.json_response(dict(answer.body), status=answer.status)

    async def _write_drills(self, request: web.Request) -> web.Response:
        wish = await http.read_json(request)
        answer = await self.drills.write(wish, language=self._language(request))
        return web.json_response(dict(answer.body), status=answer.status)

    def _language(self, request: web.Request) -> str:
        """Take what the gateway negotiated with the client."""
        asked = request.headers.get("Accept-Language", "")
        return asked if asked in {"en", "pl"} else self.settings.deployment.language


async def run(settings: Settings, daemon: Daemon) -> None:
    """Run the unit until it shall stop."""
    vip, gateway = section(settings.vip, "[vip]"), section(settings.gateway, "[gateway]")
    endpoints = section(settings.etcd, "[etcd]").endpoints
    tls = http.client_tls(
        ca_file=settings.tls.ca_file,
        certificate_file=settings.tls.certificate_file,
        key_file=Credentials.of_unit(UNIT).path("tls_key"),
    )
    async with contextlib.AsyncExitStack() as stack:
        door = PeerDoor(only_peer(settings), port=gateway.port, tls=tls)
        stack.push_async_callback(door.close)
        session = await stack.enter_async_context(
            http.session(tls=tls, total_seconds=_ETCD_SECONDS)
        )
        etcd = EtcdClient(session, endpoints, timeout_seconds=_ETCD_SECONDS)
        manager = build(settings, daemon, door=door, etcd=etcd)
        stack.callback(manager.spool.close)
        stack.push_async_callback(manager.drills.close)
        stack.push_async_callback(manager.lease.close)
        stack.push_async_callback(manager.keeper.close)
        socket_path = settings.paths.runtime_directory / UNIT / "http.sock"
        await stack.enter_async_context(http.unix_server(socket_path, manager.routes()))
        daemon.ready(f"{vip.instance} {manager.keeper.role.vrrp}")
        await serve(manager, daemon)


def build(settings: Settings, daemon: Daemon, *, door: PeerDoor, etcd: EtcdClient) -> CoreManager:
    """Join the parts of the unit."""
    vip, core_id = section(settings.vip, "[vip]"), own_core_id(settings)
    clock, changed = daemon.clock, asyncio.Event()
    runtime = settings.paths.runtime_directory
    spool = Spool(settings.spool.directory, UNIT, limit_bytes=settings.spool.limit_mib << 20)
    records = HolderRecords(etcd, settings.deployment.name)
    keeper = RoleKeeper(
        settings,
        core_id=core_id,
        file=runtime / UNIT / "role.json",
        door=door,
        records=records,
        spool=spool,
        clock=clock,
        changed=changed.set,
    )
    lease = lease_of(settings, keeper, door, etcd)
    chat, reader = ChatLink.of(settings), FifoReader(vip.notify_fifo, vip.instance)
    observer = Observer(
        settings,
        core_id=core_id,
        keeper=keeper,
        lease=lease,
        door=door,
        records=records,
        etcd=etcd,
        spool=spool,
        clock=clock,
        chat=chat,
        proofs=(proofs := ProofKeeper(settings, etcd, clock)),
    )
    book = DrillBook(settings, proofs, observer.observe, chat=chat, spool=spool, clock=clock)
    switcher = switcher_of(settings, keeper, door, clock)
    parts = (keeper, lease, observer, switcher, chat, reader, spool, daemon, changed, book)
    return CoreManager(settings, core_id, *parts)


def lease_of(
    settings: Settings, keeper: RoleKeeper, door: PeerDoor, etcd: EtcdClient
) -> LeaseKeeper:
    """Make what keeps the lease; it hears of each change of the role."""
    core_id = own_core_id(settings)
    lease = LeaseKeeper(
        LeaseStore(etcd, settings.deployment.name, core_id),
        keeper,
        door,
        core_id=core_id,
        core=settings.host.name,
        ttl_seconds=section(settings.etcd, "[etcd]").lease_seconds,
    )
    keeper.listeners.append(lease.nudge)
    return lease


def switcher_of(settings: Settings, keeper: RoleKeeper, door: PeerDoor, clock: Clock) -> Switcher:
    """Make what moves the address."""
    return Switcher(
        core_id=own_core_id(settings),
        vip=section(settings.vip, "[vip]"),
        keeper=keeper,
        door=door,
        health_socket=settings.paths.runtime_directory / "health" / "http.sock",
        peer_interval_seconds=section(settings.health, "[health]").peer_interval_seconds,
        clock=clock,
    )


async def serve(manager: CoreManager, daemon: Daemon) -> None:
    """Run the unit's loops until the daemon shall stop, or one of them fails."""
    loops = {
        asyncio.ensure_future(manager.follow_keepalived()),
        asyncio.ensure_future(manager.keep_files()),
        asyncio.ensure_future(manager.keep_lease()),
        asyncio.ensure_future(manager.lease.attend()),
    }
    stop = asyncio.ensure_future(daemon.stopping.wait())
    try:
        done, _ = await asyncio.wait({*loops, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stop}:
            task.result()
    finally:
        for task in (*loops, stop):
            task.cancel()
        await asyncio.wait({*loops, stop})
