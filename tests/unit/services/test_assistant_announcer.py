"""People are told who is active and why, once."""

from __future__ import annotations

import time
from typing import Any

import pytest

from heyken_glue.domain.conversation import reply_id
from heyken_glue.services import assistant_announcer
from heyken_glue.services.assistant_announcer import HealthWatch
from heyken_glue.services.assistant_ports import CoreState
from tests.support.assistant import Scene, eventually


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant_announcer, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(assistant_announcer, "EPOCH_SECONDS", 0.2)
    monkeypatch.setattr(assistant_announcer, "ALONE_SECONDS", 0.1)


def told(stage: Scene) -> list[str]:
    return [message["msg"] for message in notices(stage)]


def notices(stage: Scene) -> list[dict[str, Any]]:
    messages = stage.chat.workspace.messages
    room = stage.chat.rooms["heyken-system"]
    return [dict(message) for message in messages.updated_since(room, 0) if "t" not in message]


async def started(stage: Scene) -> None:
    """Start core1 and wait until it knows how the cores are."""
    await stage.start()
    await eventually(lambda: stage.pair.looks > 5, "some looks")


async def test_the_first_holder_is_announced(stage: Scene) -> None:
    stage.pair.since = time.time()
    await stage.start()
    await eventually(lambda: len(told(stage)) == 1, "it is told")
    assert told(stage)[0].startswith("*core1* is the active core since 20")
    assert told(stage)[0].endswith("UTC. Why: first start of the pair")
    assert notices(stage)[0]["_id"] == reply_id(f"epoch-test-1-{stage.pair.since:.3f}")


async def test_a_takeover_says_from_whom_and_why(stage: Scene) -> None:
    await stage.start(1)
    await stage.start(2)
    stage.pair.move(2, since=time.time(), reason="core1 does not answer")
    await eventually(lambda: len(told(stage)) == 1, "it is told")
    assert "*core2*" in told(stage)[0]
    assert told(stage)[0].endswith("before it was core1. Why: core1 does not answer")


async def test_a_restarted_unit_tells_nothing_again(stage: Scene) -> None:
    stage.pair.since = time.time()
    core = await stage.start()
    await eventually(lambda: len(told(stage)) == 1, "it is told")
    await core.stop()
    await stage.start()
    stage.pair.move(1, since=time.time() + 1, reason="again")
    await eventually(lambda: any("again" in text for text in told(stage)), "the next is told")
    assert len(told(stage)) == 2


async def test_an_epoch_that_comes_again_after_etcd_was_made_anew_is_told(stage: Scene) -> None:
    stage.pair.since = time.time()
    await stage.start()
    await eventually(lambda: len(told(stage)) == 1, "it is told")
    stage.pair.move(1, since=time.time() + 1, reason="all hosts are new")
    stage.pair.epoch = 1
    await eventually(lambda: len(told(stage)) == 2, "it is told although epoch 1 was told before")
    assert "all hosts are new" in told(stage)[-1]


async def test_what_is_long_past_is_not_news(stage: Scene) -> None:
    stage.pair.since = time.time() - 7200
    await started(stage)
    stage.pair.move(1, since=time.time(), reason="now")
    await eventually(lambda: any("now" in text for text in told(stage)), "the next is told")
    assert len(told(stage)) == 1


async def test_without_an_epoch_it_is_told_all_the_same_and_once(stage: Scene) -> None:
    stage.pair.since, stage.pair.epoch = time.time(), None
    await started(stage)
    await eventually(lambda: len(told(stage)) == 1, "it is told")
    stage.pair.epoch = 5
    stage.pair.health[2] = "unhealthy"
    await eventually(lambda: len(told(stage)) == 2, "something else is told")
    assert "core2" in told(stage)[1]


async def test_a_core_that_falls_ill_and_recovers_is_told_about(stage: Scene) -> None:
    await started(stage)
    for health, sentence in (
        ("unhealthy", "*core2* is not healthy: core2 en unhealthy"),
        ("error", "*core2* does not answer any more."),
        ("healthy", "*core2* is healthy again."),
    ):
        stage.pair.health[2] = health
        await eventually(lambda wanted=sentence: wanted in told(stage), sentence)  # type: ignore[misc]
    assert len(told(stage)) == 3


async def test_what_could_not_be_posted_is_posted_later(stage: Scene) -> None:
    await started(stage)
    await stage.chat.stop()
    stage.pair.health[2] = "error"
    looks = stage.pair.looks
    await eventually(lambda: stage.pair.looks > looks + 5, "it was seen")
    await stage.chat.start()
    await eventually(lambda: len(told(stage)) == 1, "it is told")


async def test_without_the_lease_people_are_told_once_and_the_rest_waits(stage: Scene) -> None:
    await started(stage)
    stage.pair.only_answers = "two have to agree"
    await eventually(lambda: len(told(stage)) == 1, "it is told")
    alone = "*core1* answers, and does nothing else for now: two have to agree"
    assert told(stage) == [alone]
    stage.pair.health[2] = "error"
    looks = stage.pair.looks
    await eventually(lambda: stage.pair.looks > looks + 5, "it was seen")
    assert told(stage) == [alone], "the other core may be saying the same of this one"
    stage.pair.only_answers = ""
    await eventually(lambda: len(told(stage)) == 3, lambda: str(told(stage)))
    assert "*core2* does not answer any more." in told(stage)
    assert "*core1* does everything again, not only answering." in told(stage)


async def test_a_takeover_is_told_without_the_lease_for_its_id_is_the_epochs(stage: Scene) -> None:
    stage.pair.since, stage.pair.only_answers = time.time(), "two have to agree"
    await stage.start()
    await eventually(lambda: len(told(stage)) >= 1, "it is told")
    assert notices(stage)[0]["_id"] == reply_id(f"epoch-test-1-{stage.pair.since:.3f}")


def test_a_change_has_to_last_and_what_is_unknown_is_none() -> None:
    watch = HealthWatch()

    def look(status: str) -> list[str]:
        return [core.status for core in watch.turned((CoreState(1, "core1", status, ""),))]

    said = [look(s) for s in "unknown healthy healthy error healthy error error unknown".split()]  # noqa: SIM905
    assert said == [[], [], [], [], [], [], ["error"], []]
