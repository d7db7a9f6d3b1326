"""Many questions, and everything breaking meanwhile: one answer each, none doubled, none lost."""

from __future__ import annotations

import asyncio
import contextlib
import http
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from heyken_glue.domain.conversation import is_unfinished, reply_id
from heyken_glue.services import assistant_lookout
from heyken_glue.settings import RocketChat
from tests.support.assistant import Scene, eventually
from tests.support.rocketchat import BOT

ROOMS, QUESTIONS_EACH = 20, 10
PATIENCE_SECONDS = 60.0


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant_lookout, "AGAIN_SECONDS", 0.2)


async def rooms(stage: Scene) -> list[str]:
    made = []
    for number in range(ROOMS):
        body = {"name": f"room-{number}", "members": [BOT, "user"]}
        made.append((await stage.chat.api("admin", "channels.create", **body))["channel"]["_id"])
    return made


def question(room_id: str, number: int) -> dict[str, Any]:
    return {"_id": f"q{number}x{room_id}"[:17], "rid": room_id, "msg": f"@{BOT} what is {number}?"}


async def ask(stage: Scene, message: dict[str, Any]) -> None:
    """Post as a patient client does: again, under the same id, until it is there."""
    status = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while status != http.HTTPStatus.OK:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await stage.chat.call("user", "POST", "chat.sendMessage", {"message": message})
                wanted = {"msgId": message["_id"]}
                status, _ = await stage.chat.call("user", "GET", "chat.getMessage", wanted)
            await asyncio.sleep(0.002)


def is_answered(stage: Scene, asked: dict[str, Any]) -> bool:
    text = stage.text(asked)
    return bool(text) and not is_unfinished(text)


async def test_200_questions_with_drops_a_restart_and_two_kills(stage: Scene) -> None:
    made = await rooms(stage)
    asked = [question(room_id, number) for number in range(QUESTIONS_EACH) for room_id in made]
    first, second = await stage.start(1), await stage.start(2)

    def answered() -> int:
        return sum(is_answered(stage, each) for each in asked)

    async def ask_all() -> None:
        for each in asked:
            await ask(stage, each)

    asking = asyncio.create_task(ask_all())
    await until(lambda: answered() > 10, "it begins")
    await stage.chat.drop_sockets()
    await until(lambda: answered() > 40, lambda: f"after a drop: {answered()}")
    await first.kill()
    stage.pair.move(2)
    await until(lambda: answered() > 80, lambda: f"after a kill: {answered()}")
    await stage.chat.drop_sockets()
    await stage.chat.restart()
    await until(lambda: answered() > 120, lambda: f"after a restart: {answered()}")
    await second.kill()
    await stage.start(1)
    stage.pair.move(1)
    await until(lambda: answered() > 160, lambda: f"after another kill: {answered()}")
    await stage.chat.drop_sockets()
    await asyncio.wait_for(asking, PATIENCE_SECONDS)
    await until(lambda: answered() == len(asked), lambda: f"all: {answered()}")
    await check(stage, asked)


async def until(condition: Callable[[], bool], what: str | Callable[[], str]) -> None:
    """Wait for longer than usual: this test has much to do."""
    await eventually(condition, what, PATIENCE_SECONDS)


async def check(stage: Scene, asked: list[dict[str, Any]]) -> None:
    """See that each question has its one answer, and that there is nothing else."""
    expected = {
        reply_id(each["_id"]): f"You asked: {each['msg'].split(' ', 1)[1]}" for each in asked
    }
    found = {}
    for room_id in {each["rid"] for each in asked}:
        for message in await stage.chat.messages(room_id):
            if message["u"]["_id"] == stage.chat.ids[BOT]:
                assert message["_id"] not in found
                found[message["_id"]] = message["msg"]
    assert found == expected


async def test_who_asks_much_does_not_hold_up_others(stage: Scene) -> None:
    hold = asyncio.Event()
    stage.gateway.script = lambda _body: [hold, "done"]
    assert isinstance(stage.settings.rocketchat, RocketChat)
    await stage.start()
    flood = [question("GENERAL", number) for number in range(40)]
    for each in flood:
        await ask(stage, each)
    await eventually(lambda: "before you" in stage.text(flood[-1]), lambda: stage.text(flood[-1]))
    other = await stage.chat.post("admin", "general", f"@{BOT} only one")
    await eventually(lambda: bool(stage.text(other)), "the other one is seen")
    hold.set()
    await stage.finished(other)
    assert sum(is_answered(stage, each) for each in flood) <= 12
    for each in flood:
        await stage.finished(each)
    assert stage.gateway.most_open == stage.settings.rocketchat.answers_max


async def test_questions_of_one_thread_wait_for_one_another(stage: Scene) -> None:
    await stage.start()
    first = await stage.chat.post("user", "general", f"@{BOT} one")
    second = await stage.chat.post("user", "general", f"@{BOT} two", thread_id=first["_id"])
    third = await stage.chat.post("admin", "general", f"@{BOT} three", thread_id=first["_id"])
    for each in (first, second, third):
        await stage.finished(each)
    assert [len(body["messages"]) for body in stage.gateway.asked] == [1, 3, 5]
    assert stage.gateway.most_open == 1
