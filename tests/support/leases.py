"""Two cores with role and lease over a real etcd of three, and how they get out of sight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from heyken_glue.adapters.etcd.client import EtcdClient
from heyken_glue.adapters.keepalived.fifo import Transition
from heyken_glue.domain.lease import Holding
from heyken_glue.runtime import http
from heyken_glue.runtime.clock import SystemClock, boottime
from heyken_glue.runtime.spool import Spool
from heyken_glue.services.core_manager_lease import LeaseKeeper, LeaseStore
from heyken_glue.services.core_manager_role import HolderRecords, RoleKeeper
from heyken_glue.services.peers import PeerDoor
from heyken_glue.settings import Peer, Settings
from tests.support import etcd as real

TTL = 2
PATIENCE_SECONDS = 30.0
BREATH_SECONDS = 0.02


class Sight:
    """The other core's gateway, which tells its role; None is silence."""

    def __init__(self) -> None:
        self.vrrp: str | None = "BACKUP"

    def application(self) -> web.Application:
        """Return what answers."""
        application = web.Application()
        application.router.add_get("/peer/role", self._role)
        return application

    async def _role(self, _request: web.Request) -> web.Response:
        if self.vrrp is None:
            raise web.HTTPServiceUnavailable
        return web.json_response({"vrrp": self.vrrp})


class Side:
    """One core's role and lease; `ahead` moves its clock, `runs` stops it as a freeze would."""

    def __init__(
        self, number: int, keeper: RoleKeeper, door: PeerDoor, etcd: EtcdClient, sight: Sight
    ) -> None:
        self.number, self.keeper, self.etcd, self.sight = number, keeper, etcd, sight
        self.ahead, self.runs, self._door = 0.0, True, door
        self.restart()

    def restart(self) -> None:
        """Begin with a lease keeper that knows nothing, as after a restart of the unit."""
        self.lease = LeaseKeeper(
            LeaseStore(self.etcd, "test", self.number),
            self.keeper,
            self._door,
            core_id=self.number,
            core=f"core{self.number}",
            ttl_seconds=TTL,
            now=lambda: boottime() + self.ahead,
        )
        self.keeper.listeners[1:] = [self.lease.nudge]

    @property
    def held(self) -> Holding | None:
        """Return the right to act, as another unit of this host would be told now."""
        return self.lease.holding()

    def reach(self, *urls: str) -> None:
        """Let it reach these members only."""
        self.etcd._endpoints[:] = urls

    def vrrp(self, state: str) -> None:
        """Say what keepalived says."""
        self.keeper.follow(Transition("heyken", state, 254))

    async def live(self) -> None:
        """Do what is due."""
        if self.runs:
            await self.keeper.ensure_recorded()
            await self.lease.tick()


class Rig:
    """Both cores and the members."""

    def __init__(self, cluster: real.Cluster, sides: list[Side]) -> None:
        self.cluster, self.urls = cluster, cluster.urls
        self.one, self.two = sides
        self.seen: list[int] = []

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Live until something is so; two cores that may act at once fail at any time."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not condition():
                    await self.step()
        except TimeoutError:
            told = [side.lease.body() for side in (self.one, self.two)]
            raise AssertionError(f"{what}: {told}") from None

    async def step(self) -> None:
        """Let both do what is due."""
        for side in (self.one, self.two):
            other = self.two if side is self.one else self.one
            if side.sight.vrrp is not None:
                side.sight.vrrp = other.keeper.role.vrrp.value
            await side.live()
            self.check()
        await asyncio.sleep(BREATH_SECONDS)
        self.check()

    def check(self) -> None:
        """Fail if both may act."""
        held = [side.number for side in (self.one, self.two) if side.held is not None]
        assert len(held) <= 1, "both may act at once"
        self.seen += held

    def apart(self) -> None:
        """Let the cores not hear each other."""
        self.one.sight.vrrp = self.two.sight.vrrp = None


async def side(
    stack: AsyncExitStack, members: real.Cluster, core: Settings, tmp_path: Path, number: int
) -> Side:
    name, other = f"core{number}", 3 - number
    sight = Sight()
    server = TestServer(sight.application())
    await server.start_server()
    stack.push_async_callback(server.close)
    assert server.port is not None
    peer = Peer(name=f"core{other}", address="127.0.0.1", core_id=other)
    door = PeerDoor(peer, port=server.port, tls=None)
    stack.push_async_callback(door.close)
    session = await stack.enter_async_context(http.session(total_seconds=2))
    etcd = EtcdClient(session, members.urls, timeout_seconds=1.0)
    host = core.host.model_copy(update={"name": name, "core_id": number})
    folder = tmp_path / name
    folder.mkdir()
    spool = Spool(folder, "core-manager", limit_bytes=1 << 20)
    stack.callback(spool.close)
    keeper = RoleKeeper(
        core.model_copy(update={"host": host}),
        core_id=number,
        file=folder / "role.json",
        door=door,
        records=HolderRecords(etcd, "test"),
        spool=spool,
        clock=SystemClock(),
        changed=lambda: None,
    )
    return Side(number, keeper, door, etcd, sight)
