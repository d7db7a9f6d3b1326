"""The pair as one core sees it: late answers, silence, and cores that differ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from heyken_glue.adapters.etcd.client import EtcdClient
from heyken_glue.domain import status
from heyken_glue.runtime import http
from heyken_glue.runtime.daemon import Daemon, Notifier
from heyken_glue.services import core_manager, core_manager_view, peers
from heyken_glue.services.core_manager_view import Kept, Observer, witnesses
from heyken_glue.services.peers import PeerDoor
from heyken_glue.settings import Settings
from tests.unit.adapters.test_etcd import Member

from .conftest import FakePeer, HeldClock, verdict_body

FACTS = {"ollama": "b1", "glue": "g1"}


class Own:
    """What this core's health unit says; None fails."""

    def __init__(self) -> None:
        self.verdict: dict[str, Any] | None = verdict_body(1, facts=FACTS)

    async def answer(self, _request: web.Request) -> web.Response:
        if self.verdict is None:
            raise web.HTTPServiceUnavailable
        return web.json_response(self.verdict)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is silent here says so: an answer that a busy machine delays is none of it."""
    monkeypatch.setattr(core_manager_view, "ASK_SECONDS", 20.0)
    monkeypatch.setattr(peers, "ASK_SECONDS", 20.0)


@pytest.fixture
def own() -> Own:
    return Own()


@pytest.fixture
async def observer(
    core: Settings, door: PeerDoor, peer: FakePeer, clock: HeldClock, own: Own
) -> AsyncIterator[Observer]:
    peer.verdict, peer.vrrp = verdict_body(2, facts=FACTS), "MASTER"
    async with AsyncExitStack() as stack:
        member = TestServer(Member().application())
        await member.start_server()
        stack.push_async_callback(member.close)
        session = await stack.enter_async_context(http.session(total_seconds=5))
        table = web.RouteTableDef()
        table.get("/verdict")(own.answer)
        socket = core.paths.runtime_directory / "health" / "http.sock"
        await stack.enter_async_context(http.unix_server(socket, table))
        etcd = EtcdClient(session, [str(member.make_url("/"))])
        daemon = Daemon(notifier=Notifier({}), clock=clock)
        built = core_manager.build(core, daemon, door=door, etcd=etcd)
        stack.callback(built.spool.close)
        built.observer._witness.or_new(True)
        assert (await built.drills.write({"step": "proof"}, language="en")).status == 200
        yield built.observer


async def _status(observer: Observer) -> dict[str, Any]:
    return status.status_body(await observer.observe(), language="pl")


async def test_two_cores_that_are_well_and_alike_are_online(observer: Observer) -> None:
    body = await _status(observer)
    assert body["parity"] == {"percent": 100, "equal": True, "differences": []}
    assert body["status"] == "online", body
    assert body["problems"] == []


async def test_cores_that_differ_are_degraded_and_the_difference_is_named(
    observer: Observer, peer: FakePeer
) -> None:
    peer.verdict = verdict_body(2, facts={**FACTS, "ollama": "b2"})
    body = await _status(observer)
    assert (body["status"], body["parity"]["percent"]) == ("degraded", 50)
    assert body["parity"]["differences"] == ["różnią się wersje Ollama: core1 ma b1, core2 ma b2"]
    apart = "rdzenie są zgodne w 50 %; w trakcie wdrożenia jeden wyprzedza drugi"
    assert body["problems"] == [apart, *body["parity"]["differences"]]


async def test_a_core_that_says_nothing_about_itself_is_not_compared(
    observer: Observer, peer: FakePeer
) -> None:
    peer.verdict = verdict_body(2)
    body = await _status(observer)
    assert (body["status"], body["parity"]) == ("online", None)


@pytest.mark.parametrize("told", [3, None, "many"])
async def test_what_a_core_still_finishes_is_told(
    observer: Observer, peer: FakePeer, told: object
) -> None:
    peer.verdict = verdict_body(2, answers=told)
    wanted = told if isinstance(told, int) else None
    assert (await _status(observer))["cores"]["2"]["answers"] == wanted


async def test_one_late_answer_is_no_news_and_silence_is(
    observer: Observer, peer: FakePeer, own: Own, clock: HeldClock
) -> None:
    await _status(observer)
    peer.verdict = own.verdict = None
    clock.time += 0.9
    assert (await _status(observer))["status"] == "online"
    clock.time += 0.2
    body = await _status(observer)
    assert [core["status"] for core in body["cores"].values()] == ["healthy", "error"]
    clock.time += 1.0
    body = await _status(observer)
    assert [core["status"] for core in body["cores"].values()] == ["error", "error"]


def _heard(age_seconds: float, **change: object) -> dict[str, Any]:
    told = {"core_id": 2, "capable": True, "sentence": "core2 is well", "sentence_pl": "zdrowy"}
    return {"peer": {**told, "age_seconds": age_seconds, **change}}


@pytest.mark.parametrize(
    ("age_seconds", "status"), [(0.3, "healthy"), (1.0, "healthy"), (1.1, "error"), (60, "error")]
)
async def test_what_health_heard_from_the_peer_stands_in_for_a_second(
    observer: Observer, peer: FakePeer, own: Own, age_seconds: float, status: str
) -> None:
    await _status(observer)
    peer.verdict, own.verdict = None, verdict_body(1, facts=FACTS, **_heard(age_seconds))
    body = await _status(observer)
    assert body["cores"]["2"]["status"] == status
    if status == "error":
        assert body["cores"]["2"]["sentence"] == "core2 nie odpowiada"
        assert "core2 nie odpowiada" in body["problems"]


async def test_what_health_heard_last_counts_and_not_what_we_heard_before(
    observer: Observer, peer: FakePeer, own: Own
) -> None:
    await _status(observer)
    sick = _heard(0.1, capable=False, sentence="core2 is ill", sentence_pl="core2 jest chory")
    peer.verdict, own.verdict = None, verdict_body(1, facts=FACTS, **sick)
    core = (await _status(observer))["cores"]["2"]
    assert (core["status"], core["sentence"]) == ("unhealthy", "core2 jest chory")


async def test_a_peer_that_was_never_heard_by_us_is_not_made_up(
    observer: Observer, peer: FakePeer, own: Own, clock: HeldClock
) -> None:
    observer._peer = core_manager_view.PeerMemory(clock)
    observer._heard.clear()
    peer.verdict, own.verdict = None, verdict_body(1, **_heard(0.1))
    assert (await _status(observer))["cores"]["2"]["status"] == "unknown"


async def test_a_core_that_says_it_is_sick_is_believed_at_once(
    observer: Observer, peer: FakePeer
) -> None:
    await _status(observer)
    peer.verdict = verdict_body(2, capable=False)
    body = await _status(observer)
    assert (body["status"], body["cores"]["2"]["status"]) == ("offline", "unhealthy")


async def test_a_role_is_never_kept_for_the_address_moves_faster(
    observer: Observer, peer: FakePeer
) -> None:
    assert (await _status(observer))["active_core"] == 2
    peer.vrrp = None
    assert (await _status(observer))["active_core"] is None


def test_what_was_never_heard_is_silence(clock: HeldClock) -> None:
    kept: Kept[str] = Kept(clock)
    assert kept.or_new(None) is None
    assert kept.or_new("news") == "news"
    assert kept.or_new(None) == "news"


def test_the_witness_is_the_member_on_no_core(core: Settings) -> None:
    assert witnesses(core) == ("https://10.78.0.13:2379",)


class Election:
    """Records whose members elect a leader: whoever reads waits."""

    async def read(self) -> None:
        await asyncio.Event().wait()


async def test_who_asks_does_not_wait_for_an_election(
    observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = (await observer.observe()).holder
    monkeypatch.setattr(observer, "_records", Election())
    monkeypatch.setattr(core_manager_view, "ASK_SECONDS", 0.5)
    pair = await asyncio.wait_for(observer.observe(), 30)
    assert pair.holder == known, "what was read a moment ago still counts"
