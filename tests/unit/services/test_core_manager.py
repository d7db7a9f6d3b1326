"""core-manager over a real FIFO, a scripted peer, a scripted etcd and a scripted health unit."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from heyken_glue.adapters.etcd.client import EtcdClient
from heyken_glue.adapters.keepalived.fifo import Transition
from heyken_glue.domain.sentences import Sentence, say
from heyken_glue.domain.status import Holder
from heyken_glue.domain.switching import Cause, Vrrp
from heyken_glue.runtime import http
from heyken_glue.runtime.daemon import Daemon, Notifier
from heyken_glue.services import core_manager, core_manager_switch
from heyken_glue.services.core_manager import CoreManager
from heyken_glue.services.peers import PeerDoor
from heyken_glue.settings import Settings, section
from tests.unit.adapters.test_etcd import Member

from .conftest import FakePeer, HeldClock, verdict_body


class FakeHealth:
    """This core's health unit."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.refusal = ""
        self.behind = 0  # so often it has not heard yet that the peer has settled

    def routes(self) -> web.RouteTableDef:
        table = web.RouteTableDef()
        table.get("/verdict")(self._verdict)
        table.post("/step_down")(self._step_down)
        return table

    async def _verdict(self, _request: web.Request) -> web.Response:
        return web.json_response(verdict_body(1))

    async def _step_down(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        if len(self.asked) <= self.behind:
            heard = say("peer_stepping_down", core="core2")
            body = {"success": False, "error": heard.en, "error_pl": heard.pl}
            return web.json_response(body, status=409)
        if self.refusal:
            body = {"success": False, "error": self.refusal, "error_pl": "nie"}
            return web.json_response(body, status=409)
        return web.json_response({"success": True})


@pytest.fixture
def member() -> Member:
    return Member()


@pytest.fixture
async def etcd(member: Member) -> AsyncIterator[EtcdClient]:
    server = TestServer(member.application())
    await server.start_server()
    async with http.session(total_seconds=5) as session:
        yield EtcdClient(session, [str(server.make_url("/"))])
    await server.close()


@pytest.fixture
async def health(core: Settings) -> AsyncIterator[FakeHealth]:
    unit = FakeHealth()
    path = core.paths.runtime_directory / "health" / "http.sock"
    async with http.unix_server(path, unit.routes()):
        yield unit


@pytest.fixture
async def manager(
    core: Settings, door: PeerDoor, etcd: EtcdClient, clock: HeldClock, health: FakeHealth
) -> AsyncIterator[CoreManager]:
    assert not health.asked
    daemon = Daemon(notifier=Notifier({}), clock=clock)
    built = core_manager.build(core, daemon, door=door, etcd=etcd)
    yield built
    await built.keeper.close()
    built.spool.close()


def _say(manager: CoreManager, state: str) -> None:
    manager.keeper.follow(Transition("heyken", state, 254))


async def _settled(manager: CoreManager) -> Holder:
    task = manager.keeper._takeover
    assert task is not None
    await asyncio.wait_for(task, 5)
    assert manager.keeper.holder is not None
    return manager.keeper.holder


async def _ask(manager: CoreManager, method: str, path: str, **options: Any) -> tuple[int, Any]:
    socket = manager.settings.paths.runtime_directory / "core-manager" / "http.sock"
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(http.unix_server(socket, manager.routes()))
        session = await stack.enter_async_context(http.unix_session(socket, total_seconds=20))
        answer = await stack.enter_async_context(session.request(method, path, **options))
        return answer.status, await answer.json()


async def test_without_etcd_it_goes_on_and_the_epoch_comes_later(
    manager: CoreManager, etcd: EtcdClient
) -> None:
    endpoints = list(etcd._endpoints)
    etcd._endpoints[:] = []
    _say(manager, "MASTER")
    assert (await _settled(manager)).epoch is None
    etcd._endpoints[:] = endpoints
    await manager.keeper.ensure_recorded()
    assert manager.keeper.holder is not None
    assert manager.keeper.holder.epoch == 11


async def test_a_role_lost_meanwhile_is_not_recorded_as_held(manager: CoreManager) -> None:
    _say(manager, "MASTER")
    _say(manager, "BACKUP")
    await manager.keeper.ensure_recorded()
    assert manager.keeper.holder is None
    assert manager.keeper.role.vrrp is Vrrp.BACKUP


async def test_a_restart_of_the_unit_keeps_role_and_reason(
    manager: CoreManager, core: Settings, door: PeerDoor, etcd: EtcdClient
) -> None:
    _say(manager, "MASTER")
    holder = await _settled(manager)
    daemon = Daemon(notifier=Notifier({}))
    again = core_manager.build(core, daemon, door=door, etcd=etcd)
    assert again.keeper.role.vrrp is Vrrp.MASTER
    assert again.keeper.holder == holder


async def test_the_status_of_the_holder(manager: CoreManager) -> None:
    _say(manager, "MASTER")
    await _settled(manager)
    status, body = await _ask(manager, "GET", "/status", headers={"Accept-Language": "pl"})
    assert status == 200
    assert (body["active_core"], body["holder"], body["cause"]) == (1, "core1", "deploy")
    assert body["reason"] == "pierwsze uruchomienie pary"
    assert body["cores"]["2"]["sentence"] == "core2 jest zdrowy"
    assert body["status"] == "degraded", "the witness is not reachable here"


async def test_the_status_of_the_backup_tells_what_the_holder_recorded(
    manager: CoreManager, peer: FakePeer
) -> None:
    record = Holder(2, 7.0, Cause.PLANNED, Sentence("work", "praca"), "anna")
    await manager.keeper._records.write(record)
    await manager.keeper._records.write(record)
    _say(manager, "BACKUP")
    peer.vrrp = "MASTER"
    _, body = await _ask(manager, "GET", "/status")
    assert (body["active_core"], body["epoch"], body["reason"]) == (2, 12, "work")
    assert body["cores"]["1"]["vrrp"] == "BACKUP"


async def test_a_silent_peer_is_unknown_until_it_was_heard_and_then_an_error(
    manager: CoreManager, peer: FakePeer, clock: HeldClock
) -> None:
    heard, peer.verdict = peer.verdict, None
    _, body = await _ask(manager, "GET", "/status")
    assert body["cores"]["2"]["status"] == "unknown"
    peer.verdict = heard
    await _ask(manager, "GET", "/status")
    peer.verdict = None
    _, body = await _ask(manager, "GET", "/status")
    assert body["cores"]["2"]["status"] == "healthy", "one late answer is no news"
    clock.time += 2.1
    _, body = await _ask(manager, "GET", "/status")
    assert (body["cores"]["2"]["status"], body["cores"]["2"]["last_check"]) == ("error", 5.0)


async def test_the_role(manager: CoreManager) -> None:
    _say(manager, "FAULT")
    _, body = await _ask(manager, "GET", "/role")
    beliefs = {"epoch": None, "superseded": False, "settled": True}
    assert body == {"core_id": 1, "vrrp": "FAULT", "since": 1000.0, **beliefs}


async def test_who_may_act(manager: CoreManager) -> None:
    _, body = await _ask(manager, "GET", "/lease")
    assert (body["held"], body["epoch"], body["valid_seconds"]) == (False, None, 0.0)
    assert body["reason"] == "core1 does not hold the address"


async def _switch(manager: CoreManager, core_id: object, **more: Any) -> tuple[int, Any]:
    headers = more.pop("headers", {})
    wish = {"core_id": core_id, "requested_by": "anna", **more}
    return await _ask(manager, "POST", "/switch_core", json=wish, headers=headers)


async def test_a_switch_is_done_when_the_peer_holds_the_address(
    manager: CoreManager, peer: FakePeer, health: FakeHealth, clock: HeldClock
) -> None:
    _say(manager, "MASTER")
    clock.time += 60
    peer.vrrp = "MASTER"
    status, body = await _switch(manager, 2)
    assert (status, body) == (200, {"success": True, "active_core": 2, "changed": True})
    assert health.asked[0]["requested_by"] == "anna"


async def test_a_switch_to_the_holder_changes_nothing(
    manager: CoreManager, health: FakeHealth
) -> None:
    _say(manager, "MASTER")
    assert await _switch(manager, 1) == (
        200,
        {"success": True, "active_core": 1, "changed": False},
    )
    assert health.asked == []


async def test_a_switch_too_soon_is_refused_unless_forced(
    manager: CoreManager, peer: FakePeer
) -> None:
    _say(manager, "MASTER")
    peer.vrrp = "MASTER"
    status, body = await _switch(manager, 2)
    assert (status, body["code"]) == (409, "cooldown")
    status, _ = await _switch(manager, 2, force=True)
    assert status == 200


async def test_a_switch_to_a_sick_peer_is_refused_in_the_readers_language(
    manager: CoreManager, health: FakeHealth, clock: HeldClock
) -> None:
    _say(manager, "MASTER")
    clock.time += 60
    health.refusal = "core2 is ill"
    status, body = await _switch(manager, 2, headers={"Accept-Language": "pl"})
    assert (status, body["error"]) == (409, "nie")


async def test_a_switch_back_at_once_waits_until_health_heard_that_the_peer_has_settled(
    manager: CoreManager, peer: FakePeer, health: FakeHealth, clock: HeldClock
) -> None:
    _say(manager, "MASTER")
    clock.time += 60
    peer.vrrp = "MASTER"
    health.behind = 2
    status, _ = await _switch(manager, 2)
    assert (status, len(health.asked)) == (200, 3)


@pytest.mark.parametrize("vrrp", ["FAULT", "STOP"])
async def test_a_switch_to_a_peer_that_would_not_take_the_address_is_refused(
    manager: CoreManager,
    peer: FakePeer,
    health: FakeHealth,
    monkeypatch: pytest.MonkeyPatch,
    vrrp: str,
) -> None:
    monkeypatch.setattr(core_manager_switch, "SETTLE_SECONDS", 0.0)
    _say(manager, "MASTER")
    peer.vrrp = vrrp
    status, body = await _switch(manager, 2, force=True)
    assert (status, body["code"]) == (409, "not_capable")
    assert "keepalived" in body["error"]
    assert health.asked == [], "nobody would have held the address for seconds"


async def test_a_switch_that_the_peer_does_not_follow_ends_in_time(
    manager: CoreManager, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_manager_switch, "TAKE_OVER_SECONDS", 0.0)
    _say(manager, "MASTER")
    clock.time += 60
    status, body = await _switch(manager, 2)
    assert (status, body["success"]) == (504, False)


@pytest.mark.parametrize("core_id", [3, "2", True, None])
async def test_another_core_is_refused(manager: CoreManager, core_id: object) -> None:
    status, body = await _switch(manager, core_id)
    assert (status, body["code"]) == (400, "unknown_core")


async def test_the_backup_passes_the_wish_on_once(manager: CoreManager, peer: FakePeer) -> None:
    _say(manager, "BACKUP")
    peer.switch_answer = (409, {"success": False, "error": "nie teraz"})
    status, body = await _switch(manager, 1, headers={"Accept-Language": "pl"})
    assert (status, body["error"], peer.languages) == (409, "nie teraz", ["pl"])
    status, body = await _switch(manager, 1, headers={"Heyken-Hops": "1"})
    assert (status, body["code"], len(peer.wishes)) == (409, "no_holder", 1)


async def test_the_unit_follows_keepalived_and_writes_its_files(
    manager: CoreManager, core: Settings
) -> None:
    fifo = section(core.vip, "[vip]").notify_fifo
    os.mkfifo(fifo)
    writer = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    files = core.paths.state_directory / "core-manager"
    running = asyncio.ensure_future(core_manager.serve(manager, manager.daemon))
    try:
        os.write(writer, b'INSTANCE "heyken" MASTER 254\n')
        async with asyncio.timeout(5):
            while not (files / "active_core").exists():
                await manager.daemon.pause(0.01)
        assert (files / "active_core").read_text() == "1\n"
        content = json.loads((files / "system_status.json").read_text())
        assert content["cores"]["1"]["status"] == "healthy"
        manager.daemon.stop()
        await asyncio.wait_for(running, 5)
    finally:
        os.close(writer)
    kinds = [
        json.loads(line)["kind"]
        for path in core.spool.directory.glob("core-manager-*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert "role_changed" in kinds


async def test_sending_to_a_room_needs_a_chat_server(manager: CoreManager) -> None:
    wish = {"room_id": "GENERAL", "text": "hello"}
    code, body = await _ask(manager, "POST", "/send", json=wish)
    assert (code, body["code"]) == (503, "no_rocketchat"), body
