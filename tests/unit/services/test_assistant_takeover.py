"""Two cores: one acts, the other goes on where it stops, and nothing is said twice."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from heyken_glue.domain.conversation import is_unfinished, reply_id
from heyken_glue.services import assistant_lookout
from heyken_glue.settings import RocketChat, Settings
from tests.support.assistant import Scene, echo, eventually, scene
from tests.support.rocketchat import BOT, standin


async def ask(stage: Scene, text: str = "tell me all") -> dict[str, Any]:
    return await stage.chat.post("user", "general", f"@{BOT} {text}")


async def test_a_killed_worker_is_continued_in_the_same_message(stage: Scene) -> None:
    stage.gateway.script = lambda _body: ["half of it", asyncio.Event()]
    first = await stage.start(1)
    await stage.start(2)
    asked = await ask(stage)
    await eventually(lambda: stage.text(asked) == "half of it ▍", lambda: stage.text(asked))
    await first.kill()
    assert stage.text(asked) == "half of it ▍"
    stage.gateway.script = echo
    stage.pair.move(2)
    assert await stage.finished(asked) == "You asked: tell me all"
    assert len(await stage.replies(asked["_id"])) == 1


async def test_the_backup_does_nothing(stage: Scene) -> None:
    stage.pair.active = 2
    await stage.start(1)
    asked = await ask(stage)
    await stage.start(2)
    await stage.finished(asked)
    assert len(stage.gateway.asked) == 1


async def test_a_restarted_unit_ends_what_it_left(stage: Scene) -> None:
    stage.gateway.script = lambda _body: ["half", asyncio.Event()]
    core = await stage.start()
    asked = await ask(stage)
    await eventually(lambda: stage.text(asked) == "half ▍", lambda: stage.text(asked))
    await core.stop()
    assert stage.text(asked) == "half ▍"
    stage.gateway.script = echo
    await stage.start()
    assert await stage.finished(asked) == "You asked: tell me all"


async def test_a_core_that_comes_back_looks_at_everything_at_once(stage: Scene) -> None:
    await stage.start(1)
    second = await stage.start(2)
    await stage.finished(await ask(stage, "before"))
    stage.gateway.script = lambda _body: ["half", asyncio.Event()]
    await stage.move(2)
    asked = await ask(stage)
    await eventually(lambda: stage.text(asked) == "half ▍", lambda: stage.text(asked))
    await second.kill()
    stage.gateway.script = echo
    await stage.move(1, running=(1,))
    assert await stage.finished(asked) == "You asked: tell me all"


async def test_who_loses_the_address_stops_at_once_and_leaves_the_mark(stage: Scene) -> None:
    stage.gateway.script = lambda _body: ["half", asyncio.Event()]
    await stage.start(1)
    asked = await ask(stage)
    await eventually(lambda: stage.text(asked) == "half ▍", lambda: stage.text(asked))
    stage.pair.move(None)
    await eventually(lambda: stage.gateway.open == 0, "the model was stopped")
    assert stage.text(asked) == "half ▍"
    stage.gateway.script = echo
    stage.pair.move(1)
    assert await stage.finished(asked) == "You asked: tell me all"


async def test_what_was_shown_does_not_shrink_while_it_is_made_again(stage: Scene) -> None:
    seen: list[str] = []
    go_on = asyncio.Event()
    long = "a long beginning of an answer"
    stage.gateway.script = lambda _body: [long, asyncio.Event()]
    await stage.start(1)
    asked = await ask(stage)
    await eventually(lambda: stage.text(asked) == f"{long} ▍", lambda: stage.text(asked))
    stage.pair.move(None)
    await eventually(lambda: stage.gateway.open == 0, "the model was stopped")
    stage.gateway.script = lambda _body: [*"abcdefghijklm", go_on, "n" * 30]
    await stage.start(2)
    stage.pair.move(2)
    await eventually(lambda: stage.gateway.open == 1, "it is made again")

    def still() -> bool:
        seen.append(stage.text(asked))
        return len(seen) > 30

    await eventually(still, "some looks")
    assert set(seen) == {f"{long} ▍"}
    go_on.set()
    assert await stage.finished(asked) == "abcdefghijklm" + "n" * 30


async def test_questions_asked_while_nobody_acted_are_answered_in_their_order(
    stage: Scene,
) -> None:
    stage.pair.move(None)
    await stage.start(1)
    asked = [await ask(stage, f"question {n}") for n in range(5)]
    assert stage.gateway.asked == []
    stage.pair.move(1)
    for question in asked:
        await stage.finished(question)
    order = [body["messages"][-1]["content"] for body in stage.gateway.asked]
    assert sorted(order) == [f"question {n}" for n in range(5)]
    assert len(await stage.chat.messages("general")) == 10


async def test_a_finished_reply_is_left_alone_by_whoever_comes_next(stage: Scene) -> None:
    await stage.start(1)
    asked = await ask(stage)
    await stage.finished(asked)
    await stage.start(2)
    stage.pair.move(2)
    other = await ask(stage, "another one")
    await stage.finished(other)
    react = {"messageId": asked["_id"], "emoji": ":eyes:"}
    await stage.chat.api("user", "chat.react", **react)
    third = await ask(stage, "a third one")
    await stage.finished(third)
    questions = [body["messages"][-1]["content"] for body in stage.gateway.asked]
    assert questions.count("tell me all") == 1


async def test_a_late_edit_of_a_core_that_woke_up_is_put_right(stage: Scene) -> None:
    await stage.start(1)
    asked = await ask(stage)
    await stage.finished(asked)
    late = {"roomId": asked["rid"], "msgId": reply_id(str(asked["_id"])), "text": "You ▍"}
    await stage.chat.api(BOT, "chat.update", **late)
    await eventually(lambda: not is_unfinished(stage.text(asked)), lambda: stage.text(asked))
    assert stage.text(asked) == "You asked: tell me all"
    assert len(stage.gateway.asked) == 1, "its words were known"


async def test_a_placeholder_of_a_question_that_is_gone_is_taken_away(stage: Scene) -> None:
    root = await stage.chat.post("user", "general", "a thread")
    asked = await stage.chat.post("user", "general", f"@{BOT} hm", thread_id=root["_id"])
    left = {"_id": reply_id(asked["_id"]), "rid": asked["rid"], "tmid": root["_id"], "msg": "… ▍"}
    await stage.chat.api(BOT, "chat.sendMessage", message=left)
    await stage.chat.api("user", "chat.delete", roomId=asked["rid"], msgId=asked["_id"])
    await stage.start(1)
    await eventually(lambda: stage.text(asked) == "", lambda: stage.text(asked))


async def test_a_switch_is_carried_out_once_and_told_by_whoever_takes_over(stage: Scene) -> None:
    await stage.start(1)
    await stage.start(2)
    asked = await stage.chat.post("admin", "general", f"@{BOT} switch")
    assert await stage.finished(asked) == "core2 is the active core now."
    assert stage.pair.wishes == [(2, "rocketchat:admin")]
    assert stage.pair.active == 2


@pytest.mark.parametrize("ahead", [7200.0, -7200.0])
async def test_clocks_that_differ_by_hours_hide_no_question(
    core: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    monkeypatch.setattr(assistant_lookout, "EVERYWHERE_SECONDS", 0.05)
    monkeypatch.setattr(assistant_lookout, "TICK_SECONDS", 0.02)
    settings = core.model_copy(update={"rocketchat": RocketChat(url="http://127.0.0.1:1")})
    async with (
        standin(clock=lambda: time.time() + ahead) as chat,
        scene(chat, settings, tmp_path) as stage,
    ):
        missed = await ask(stage, "asked before it was there")
        await stage.start()
        live = await ask(stage, "asked live")
        assert await stage.finished(live) == "You asked: asked live"
        assert await stage.finished(missed) == "You asked: asked before it was there"
