"""A core that was frozen and wakes up does nothing twice, and nothing stale stays."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from collections import Counter
from typing import Any

import pytest

from heyken_glue.domain.conversation import is_unfinished, reply_id
from heyken_glue.domain.lease import Holding
from heyken_glue.domain.sentences import NOTHING
from heyken_glue.runtime import http
from heyken_glue.runtime.clock import boottime
from heyken_glue.services import assistant, assistant_announcer, assistant_door
from heyken_glue.services.assistant_desk import Outside
from tests.support.assistant import Scene, eventually
from tests.support.ice import Ice, Scripted
from tests.support.rocketchat import BOT

FIRST, SECOND = (tuple(f"{name}{n}" for n in range(24)) for name in ("old", "new"))


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant_announcer, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(assistant, "LOOK_SECONDS", 0.05)


async def two_cores(stage: Scene, ice: Ice) -> tuple[Scripted, Scripted]:
    """Start core1, which can be frozen, and core2; each says something of its own."""
    models = Scripted(FIRST, 0.01), Scripted(SECOND, 0.005)
    outside = stage._outside

    async def scripted(core_id: int) -> Any:
        return dataclasses.replace(await outside(core_id), model=models[core_id - 1])

    stage._outside = scripted  # type: ignore[method-assign]
    await stage.start(1, ice=ice)
    await stage.start(2)
    return models


def bot_messages(stage: Scene, room: str) -> list[dict[str, Any]]:
    room_id = stage.chat.rooms[room]
    found = stage.chat.workspace.messages.updated_since(room_id, 0)
    own = stage.chat.ids[BOT]
    return [dict(m) for m in found if m["u"]["_id"] == own and "t" not in m]


def right(stage: Scene, asked: dict[str, Any], first: Scripted, second: Scripted) -> bool:
    """Tell whether the reply is whole, and core2's if core2 wrote it to its end."""
    text = stage.text(asked)
    if is_unfinished(text):
        return False
    return text == second.whole if second.ended else text in (first.whole, second.whole)


@pytest.mark.parametrize("seed", range(20))
async def test_a_core_that_wakes_up_does_nothing_twice_and_leaves_nothing_stale(
    stage: Scene, seed: int
) -> None:
    roll, ice = random.Random(seed), Ice()  # noqa: S311 - a scripted chance
    first, second = await two_cores(stage, ice)
    stage.pair.since = time.time()
    ice.at = roll.randint(1, 40)
    asked = await stage.chat.post("user", "general", f"@{BOT} tell me")
    await eventually(
        lambda: ice.frozen.is_set() or right(stage, asked, first, second),
        "it freezes, or was done before",
    )
    ice.freeze()
    stage.pair.move(2, since=time.time())
    wakes_at = roll.choice([0, 5, len(SECOND) // 2, len(SECOND)])
    said = 0

    def count() -> None:
        nonlocal said
        said += 1

    second.after = count

    def whole() -> bool:
        return right(stage, asked, first, second)

    await eventually(lambda: said >= wakes_at or whole(), "core2 is so far")
    if wakes_at == len(SECOND):
        await eventually(whole, "core2 is done")
    ice.thaw(after_seconds=roll.uniform(1.5, 600.0), unsettled=roll.randint(0, 3))
    await eventually(whole, lambda: f"seed {seed}: {stage.text(asked)!r}")
    await settle(stage)
    assert right(stage, asked, first, second), f"seed {seed}: {stage.text(asked)!r}"
    keys = {*first.keys, *second.keys}
    assert len(keys) <= 1, f"both cores ask for the same answer: {keys}"
    replies = Counter(m["_id"] for m in bot_messages(stage, "general"))
    assert replies == {reply_id(asked["_id"]): 1}
    told = [m["msg"] for m in bot_messages(stage, "heyken-system")]
    assert len(told) == len(set(told)) <= 2, told


async def settle(stage: Scene) -> None:
    """Wait until both cores have looked often enough to have done what they still would."""
    before = dict(stage.pair.asked)
    looked = lambda: all(stage.pair.asked[n] > before[n] + 5 for n in (1, 2))  # noqa: E731
    await eventually(looked, "both looked at their role several times")


@pytest.mark.parametrize("seed", range(8))
async def test_one_that_gets_the_address_back_as_it_wakes_up_begins_anew(
    stage: Scene, seed: int
) -> None:
    """As the higher priority does: its own keepalived never lost the address, the epoch tells."""
    roll, ice = random.Random(seed), Ice()  # noqa: S311 - a scripted chance
    first, second = await two_cores(stage, ice)
    ice.at = roll.randint(4, 30)
    asked = await stage.chat.post("user", "general", f"@{BOT} tell me")
    await eventually(lambda: ice.frozen.is_set() or bool(first.ended), "it freezes")
    ice.freeze()
    stage.pair.move(2)
    wakes_at = roll.choice([0, 3, len(SECOND)])
    said = 0

    def count() -> None:
        nonlocal said
        said += 1

    second.after = count
    wholes = (first.whole, second.whole)
    await eventually(lambda: said >= wakes_at or stage.text(asked) in wholes, "core2 is so far")
    stage.pair.move(1)
    ice.thaw(after_seconds=roll.uniform(0.1, 2.5), unsettled=roll.randint(0, 3))
    await settle(stage)
    await eventually(lambda: stage.text(asked) in wholes, lambda: stage.text(asked))
    await settle(stage)
    assert stage.text(asked) in wholes
    assert len(bot_messages(stage, "general")) == 1


class Granted:
    """What a core would have that asked nobody: the right to act, always."""

    epoch, reason = 1, NOTHING

    async def held(self, least_seconds: float = 0.0) -> Holding:
        """Return the right to act."""
        return Holding(self.epoch, boottime() + least_seconds + 1)


@pytest.mark.parametrize("leased", [True, False], ids=["with the lease", "without"])
async def test_what_has_no_key_is_done_once_because_of_the_lease(
    stage: Scene, monkeypatch: pytest.MonkeyPatch, leased: bool
) -> None:
    """Its sender gave the frozen core up and asked the other one; the first one still has it."""
    monkeypatch.setattr(assistant_door, "LEASE_SECONDS", 1.5 if leased else 10.0)
    ice, outside = Ice(), stage._outside

    async def unleased(core_id: int) -> Outside:
        return dataclasses.replace(await outside(core_id), lease=Granted())

    if not leased:
        stage._outside = unleased  # type: ignore[method-assign]
    await stage.start(1, ice=ice)
    await stage.start(2)
    ice.freeze()
    first = asyncio.create_task(wish(stage, "core1"))
    await eventually(ice.lease_wanted.is_set, "the wish has come to core1")
    stage.pair.move(2)
    assert await wish(stage, "core2") == 200
    ice.thaw(after_seconds=60, unsettled=0)
    assert await first == (503 if leased else 200)
    posted = [message["msg"] for message in await stage.chat.messages("general")]
    assert posted == ["hello"] * (1 if leased else 2)


async def wish(stage: Scene, core: str) -> int:
    """Ask a core's door to post something, without a key; return the answer's status."""
    path = stage.directory / core / "assistant" / "http.sock"
    body = {"room_id": "GENERAL", "text": "hello"}
    async with (
        http.unix_session(path, total_seconds=10) as session,
        session.post("/send", json=body) as answer,
    ):
        return answer.status


async def slip(stage: Scene, asked: dict[str, Any], text: str) -> None:
    """Write as a former holder whose last request was on its way."""
    late = {"roomId": asked["rid"], "msgId": reply_id(str(asked["_id"])), "text": text}
    await stage.chat.api(BOT, "chat.update", **late)


async def test_a_finished_reply_of_a_former_holder_over_the_new_one_is_put_right(
    stage: Scene,
) -> None:
    """It bears no mark, so nothing but what was written tells that it is stale."""
    core = await stage.start()
    asked = await stage.chat.post("user", "general", f"@{BOT} tell me")
    assert await stage.finished(asked) == "You asked: tell me"
    await slip(stage, asked, "You asked: something older")
    put_right = lambda: stage.text(asked) == "You asked: tell me"  # noqa: E731
    await eventually(put_right, lambda: stage.text(asked))
    assert len(stage.gateway.asked) == 1
    assert not core.task.done()


async def test_after_a_takeover_it_is_found_without_the_live_feed(
    stage: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heyken_glue.services.assistant_pen.AGAIN_SECONDS", 0.05)
    core = await stage.start()
    monkeypatch.setattr("heyken_glue.services.assistant_pen.Pen.seen", lambda *_: None)
    asked = await stage.chat.post("user", "general", f"@{BOT} tell me")
    await stage.finished(asked)
    await slip(stage, asked, "You asked: something older")
    put_right = lambda: stage.text(asked) == "You asked: tell me"  # noqa: E731
    await eventually(put_right, lambda: stage.text(asked))
    assert not core.task.done()


async def test_what_a_person_changed_is_left_alone(stage: Scene) -> None:
    await stage.start()
    asked = await stage.chat.post("user", "general", f"@{BOT} tell me")
    await stage.finished(asked)
    change = {"roomId": asked["rid"], "msgId": reply_id(str(asked["_id"])), "text": "removed"}
    await stage.chat.api("admin", "chat.update", **change)
    other = await stage.chat.post("user", "general", f"@{BOT} and this")
    await stage.finished(other)
    await settle_one(stage)
    assert stage.text(asked) == "removed"


async def settle_one(stage: Scene) -> None:
    before = stage.pair.asked[1]
    await eventually(lambda: stage.pair.asked[1] > before + 5, "it looked several times")


async def test_a_server_that_changes_what_it_is_given_is_not_fought(stage: Scene) -> None:
    """As a filter for bad words does."""
    await stage.start()
    asked = await stage.chat.post("user", "general", f"@{BOT} tell me")
    await stage.finished(asked)
    for n in range(6):
        await slip(stage, asked, f"filtered {n}")
        await settle_one(stage)
    assert stage.text(asked) == "filtered 5"
