"""Drills over a real etcd: one at a time, judged, kept, told, and what they prove."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from heyken_glue.adapters.etcd.client import EtcdClient
from heyken_glue.domain import drills
from heyken_glue.domain.drills import DrillKind
from heyken_glue.domain.events import Event
from heyken_glue.domain.sentences import Sentence
from heyken_glue.domain.status import Chat, CoreHealth, CoreView, Pair
from heyken_glue.domain.switching import Vrrp
from heyken_glue.runtime import http
from heyken_glue.runtime.spool import Spool
from heyken_glue.services import core_manager_drills
from heyken_glue.services.core_manager_chat import ChatLink
from heyken_glue.services.core_manager_drills import DrillBook, ProofKeeper
from heyken_glue.services.core_manager_switch import Answer
from heyken_glue.settings import Drills, RocketChat, Settings
from tests.support import etcd as real
from tests.unit.domain.test_drills import GOOD

from .conftest import HeldClock

MEASURES = dataclasses.asdict(GOOD)


class Room(ChatLink):
    """The chat: keeps what was sent; `away` refuses that many times."""

    def __init__(self) -> None:
        super().__init__(Path("/nonexistent"), configured=True)
        self.sent: list[Mapping[str, Any]] = []
        self.away = 0

    async def send(self, wish: Mapping[str, Any], *, language: str) -> Answer:
        assert language
        if self.away:
            self.away -= 1
            return Answer(503, {"success": False, "error": "away"})
        self.sent.append(wish)
        return Answer(200, {"success": True})


class Rig:
    """A book over etcd, a pair that the test may spoil, and a room."""

    def __init__(self, settings: Settings, etcd: EtcdClient, clock: HeldClock) -> None:
        self.etcd, self.clock, self.room = etcd, clock, Room()
        self.twin, self.settings = CoreHealth.HEALTHY, settings
        self.spool = Spool(settings.spool.directory, "core-manager", limit_bytes=1 << 20)
        self.another()

    def another(self) -> None:
        """Begin with a unit that knows nothing, as the other core's or after a restart."""
        self.proofs = ProofKeeper(self.settings, self.etcd, self.clock)
        self.book = DrillBook(
            self.settings,
            self.proofs,
            self.pair,
            chat=self.room,
            spool=self.spool,
            clock=self.clock,
        )

    async def pair(self) -> Pair:
        what = Sentence("core2 is ill", "core2 jest chory")
        cores = (
            CoreView(1, "core1", CoreHealth.HEALTHY, 1.0, what, Vrrp.MASTER),
            CoreView(2, "core2", self.twin, 1.0, what, Vrrp.BACKUP),
        )
        chat = Chat(connected=True)
        return Pair("test", "lab", (), "0", "10.78.0.10", cores, None, True, 0, chat)

    async def write(self, language: str = "en", **wish: Any) -> Answer:
        return await self.book.write({"requested_by": "operator", **wish}, language=language)

    async def begin(self, kind: object = "core", seconds: object = 10) -> Answer:
        return await self.write(step="begin", kind=kind, seconds=seconds)

    async def drill(self, **change: Any) -> dict[str, Any]:
        begun = await self.begin()
        assert begun.status == 200, begun
        done = await self.write(step="end", id=begun.body["id"], measures={**MEASURES, **change})
        assert done.status == 200, done
        drill: dict[str, Any] = done.body["drill"]
        return drill

    async def read(self) -> Mapping[str, Any]:
        return (await self.book.read("en")).body


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Cluster]:
    with real.cluster(tmp_path_factory.mktemp("etcd")) as made:
        yield made


@pytest.fixture
async def rig(
    core: Settings,
    members: real.Cluster,
    clock: HeldClock,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Rig]:
    monkeypatch.setattr(core_manager_drills, "TELL_PAUSE_SECONDS", 0.0)
    deployment = core.deployment.model_copy(update={"name": f"t{abs(hash(request.node.name))}"})
    chat = RocketChat(url="http://127.0.0.1:1")
    settings = core.model_copy(update={"deployment": deployment, "rocketchat": chat})
    async with http.session(total_seconds=5) as session:
        made = Rig(settings, EtcdClient(session, members.urls, timeout_seconds=2.0), clock)
        yield made
        await made.book.close()
        made.spool.close()


async def _told(rig: Rig, count: int) -> list[str]:
    async with asyncio.timeout(5):
        while len(rig.room.sent) < count:  # noqa: ASYNC110 - the room has no event
            await asyncio.sleep(0)
    return [str(wish["text"]) for wish in rig.room.sent]


async def test_a_drill_is_announced_kept_and_told_in_both_languages(rig: Rig) -> None:
    drill = await rig.drill()
    assert (drill["subject"], drill["outcome"], drill["actor"]) == ("core", "ok", "operator")
    assert drill["payload"]["measures"] == MEASURES
    before, after = await _told(rig, 2)
    assert "core1 is lost" in before
    assert "core1 jest stracony" in before
    assert "at most 420 ms without an answer" in after
    assert "pomyślnie" in after
    assert {wish["room_id"] for wish in rig.room.sent} == {"#heyken-system"}
    assert len({wish["key"] for wish in rig.room.sent}) == 2
    read = await rig.read()
    assert (read["drills"], read["running"], read["whole"]) == ([drill], None, True)


async def test_what_came_of_it_goes_into_the_spool_too(rig: Rig) -> None:
    drill = await rig.drill()
    lines = [
        Event.from_line(line)
        for path in rig.settings.spool.directory.glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    assert [(line.kind, line.id) for line in lines] == [("drill", drill["id"])]


async def test_the_core_that_ends_it_may_be_another(rig: Rig) -> None:
    begun = await rig.begin("hang")
    rig.another()
    done = await rig.write(step="end", id=begun.body["id"], measures=MEASURES)
    assert (done.status, done.body["drill"]["subject"]) == (200, "hang")


@pytest.mark.parametrize("away", [0, 1])
async def test_whoever_begins_a_drill_learns_whether_people_were_told(rig: Rig, away: int) -> None:
    rig.room.away = away
    assert (await rig.begin()).body["told"] is not bool(away)


async def test_one_drill_at_a_time(rig: Rig) -> None:
    begun = await rig.begin()
    refused = await rig.begin("witness")
    assert (refused.status, refused.body["code"]) == (409, "drill_running")
    assert "“core” is under way, asked for by operator" in refused.body["error"]
    await rig.write(step="end", id=begun.body["id"], error="interrupted")
    assert (await rig.begin("witness")).status == 200


async def test_a_drill_that_nobody_ends_keeps_others_out_only_for_a_while(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drills, "AROUND_SECONDS", -4)
    assert (await rig.begin(seconds=5)).status == 200
    assert (await rig.begin()).status == 409
    async with asyncio.timeout(30):
        while (await rig.begin()).status != 200:  # noqa: ASYNC110 - etcd ends it by itself
            await asyncio.sleep(0.05)


async def test_a_failed_drill_says_why(rig: Rig) -> None:
    drill = await rig.drill(rto_ms=9000.0)
    assert (drill["outcome"], drill["cause"]) == (
        "failed",
        "nothing was answered for 9000 ms, more than 5000",
    )
    assert "failed: nothing was answered for 9000 ms" in (await _told(rig, 2))[1]
    assert (await rig.proofs.look()).why_not() is not None


async def test_a_drill_that_was_broken_off_is_kept_and_proves_nothing(rig: Rig) -> None:
    begun = await rig.begin()
    done = await rig.write(step="end", id=begun.body["id"], error="the disk is too big")
    assert done.body["drill"]["outcome"] == "refused"
    assert "the disk is too big" in (await _told(rig, 2))[1]
    assert (await rig.proofs.look()).newest is None


@pytest.mark.parametrize("kind", list(DrillKind))
async def test_nothing_is_broken_while_the_twin_is_ill(rig: Rig, kind: DrillKind) -> None:
    rig.twin = CoreHealth.UNHEALTHY
    refused = await rig.begin(kind.value)
    assert (refused.status, refused.body["code"]) == (409, "not_whole")
    assert refused.body["error"] == "core2 is ill"
    assert not rig.room.sent
    assert (await rig.read())["running"] is None


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({}, "drill_wrong"),
        ({"step": "destroy"}, "drill_wrong"),
        ({"step": "begin", "kind": "everything", "seconds": 10}, "drill_unknown"),
        ({"step": "begin", "kind": None, "seconds": 10}, "drill_unknown"),
        ({"step": "begin", "kind": ["core"], "seconds": 10}, "drill_unknown"),
        ({"step": "begin", "kind": "core"}, "drill_wrong"),
        ({"step": "begin", "kind": "core", "seconds": 1e9}, "drill_wrong"),
        ({"step": "begin", "kind": "core", "seconds": 600}, "drill_wrong"),
    ],
)
async def test_what_is_no_wish_is_refused(rig: Rig, wish: dict[str, Any], code: str) -> None:
    answer = await rig.write(**wish)
    assert (answer.status, answer.body["code"]) == (400, code)
    assert not rig.room.sent


async def test_measures_that_are_none_do_not_end_a_drill(rig: Rig) -> None:
    begun = await rig.begin()
    refused = await rig.write(step="end", id=begun.body["id"], measures={"rto_ms": 1})
    assert (refused.status, refused.body["code"]) == (400, "drill_wrong")
    assert (await rig.read())["running"]["id"] == begun.body["id"]


async def test_another_drill_cannot_be_ended(rig: Rig) -> None:
    assert (await rig.write(step="end", id="x", measures=MEASURES)).status == 404
    await rig.begin()
    assert (await rig.write(step="end", id="x", measures=MEASURES)).status == 404


async def test_only_the_newest_are_kept(rig: Rig) -> None:
    rig.settings = rig.settings.model_copy(update={"drills": Drills(history_max=2)})
    rig.another()
    kept = [(await rig.drill())["id"] for _ in range(3)]
    assert [drill["id"] for drill in (await rig.read())["drills"]] == [kept[2], kept[1]]


async def test_two_units_that_write_at_once_lose_nothing(rig: Rig) -> None:
    answers = await asyncio.gather(*(rig.write(step="proof") for _ in range(4)))
    assert [answer.status for answer in answers] == [200] * 4
    assert len((await rig.read())["drills"]) == 4


async def test_a_deployments_own_question_is_a_proof(rig: Rig) -> None:
    assert (await rig.proofs.look()).why_not() is not None
    assert (await rig.write(step="proof")).status == 200
    proof = await rig.proofs.look()
    assert proof.why_not() is None
    body = proof.to_body("en")
    assert (body["kind"], body["rto_ms"], body["passed"]) == ("deploy", None, True)


async def test_a_pair_that_is_not_whole_proves_nothing(rig: Rig) -> None:
    rig.twin = CoreHealth.ERROR
    answer = await rig.write(step="proof", language="pl")
    assert (answer.status, answer.body["error"]) == (409, "core2 jest chory")


async def test_a_proof_grows_old(rig: Rig) -> None:
    await rig.write(step="proof")
    rig.clock.time += 7 * 86400 - 1
    assert (await rig.proofs.look()).why_not() is None
    rig.clock.time += 2
    assert (await rig.proofs.look()).why_not() is not None


async def test_the_other_core_hears_of_a_proof_within_seconds(rig: Rig) -> None:
    other = ProofKeeper(rig.settings, rig.etcd, rig.clock)
    assert (await other.look()).newest is None
    await rig.write(step="proof")
    rig.clock.time += core_manager_drills.KEEP_SECONDS
    assert (await other.look()).newest is not None


async def test_without_etcd_the_last_known_proof_counts_and_says_so(rig: Rig) -> None:
    await rig.write(step="proof")
    assert (await rig.proofs.look()).remembered is False
    rig.etcd._endpoints[:] = []
    rig.clock.time += core_manager_drills.KEEP_SECONDS
    proof = await rig.proofs.look()
    assert (proof.why_not(), proof.remembered) == (None, True)
    fresh = ProofKeeper(rig.settings, rig.etcd, rig.clock)
    why = (await fresh.look()).why_not()
    assert why is not None
    assert "cannot be read" in why.en


async def test_without_etcd_nothing_is_broken(rig: Rig) -> None:
    rig.etcd._endpoints[:] = []
    for answer in (await rig.begin(), await rig.book.read("en"), await rig.write(step="proof")):
        assert (answer.status, answer.body["code"]) == (503, "no_majority")
    assert not rig.room.sent


async def test_a_room_that_is_away_is_told_when_it_is_back(rig: Rig) -> None:
    begun = await rig.begin()
    rig.room.away = 3
    await rig.write(step="end", id=begun.body["id"], measures=MEASURES)
    assert "passed" in (await _told(rig, 2))[1]
