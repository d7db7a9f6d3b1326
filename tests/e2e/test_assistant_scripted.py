"""The assistant in the browser, with a scripted model: how an answer looks while it grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import expect

from heyken_glue import settings
from heyken_glue.domain.conversation import CURSOR
from heyken_glue.services import assistant_texts
from heyken_glue.settings import RocketChat
from tests.e2e import talk
from tests.e2e.browser import browser_fixture
from tests.e2e.chat_page import ChatPage
from tests.support.assistant import Scene, Step, scene
from tests.support.rocketchat import BOT, StandIn

CORE = """
[deployment]
name = "test"
environment = "lab"
[host]
name = "core1"
address = "10.78.0.11"
core_id = 1
[[peers]]
name = "core2"
address = "10.78.0.12"
core_id = 2
[vip]
address = "10.78.0.10"
[gateway]
[ollama]
general_model = "heyken-general"
[[ollama.models]]
name = "heyken-general"
digest = "{digest}"
[health]
[etcd]
endpoints = ["https://10.78.0.11:2379", "https://10.78.0.12:2379", "https://10.78.0.13:2379"]
[spool]
directory = "{directory}/spool"
[paths]
runtime_directory = "{directory}/run"
state_directory = "{directory}/state"
"""


@browser_fixture()
async def stage(chat: StandIn, tmp_path: Path) -> AsyncIterator[Scene]:
    """The assistant's world around the workspace that the browser shows."""
    file = tmp_path / "heyken.toml"
    file.write_text(CORE.format(digest="ab" * 32, directory=tmp_path))
    core = settings.load(file).model_copy(update={"rocketchat": RocketChat(url=chat.url)})
    async with scene(chat, core, tmp_path) as stage:
        yield stage


async def test_an_answer_grows_in_a_thread_to_its_end(stage: Scene, tab: ChatPage) -> None:
    going_on = [asyncio.Event(), asyncio.Event()]
    script: list[Step] = ["The capital of ", going_on[0], "Poland is ", going_on[1], "**Warsaw**."]
    stage.gateway.script = lambda _body: list(script)
    await stage.start(1)
    answer = await talk.ask(tab, f"@{BOT} what is the capital of Poland?")
    for event, text in zip(going_on, ("The capital of", "The capital of Poland is"), strict=True):
        await expect(answer.body).to_have_text(f"{text} {CURSOR}")
        event.set()
    assert await answer.finished() == "The capital of Poland is Warsaw."
    stations = [
        f"The capital of {CURSOR}",
        f"The capital of Poland is {CURSOR}",
        "The capital of Poland is Warsaw.",
    ]
    texts = await answer.growth()
    assert [text for text in texts if text in stations] == stations, texts
    await expect(tab.item(answer.question_id).locator(".thread-line strong")).to_have_text(
        "1 reply"
    )


async def test_a_follow_up_in_the_thread_is_answered_there(stage: Scene, tab: ChatPage) -> None:
    await stage.start(1)
    first = await talk.ask(tab, f"@{BOT} what is the capital of Poland?")
    assert await first.finished() == "You asked: what is the capital of Poland?"
    second = await talk.ask(tab, "and of France?", thread=True)
    assert await second.finished() == "You asked: and of France?"
    told = [turn["content"] for turn in stage.gateway.asked[-1]["messages"]]
    assert told == [
        "what is the capital of Poland?",
        "You asked: what is the capital of Poland?",
        "and of France?",
    ]


async def test_a_direct_message_needs_no_mention(stage: Scene, tab: ChatPage) -> None:
    await stage.start(1)
    await tab.open_direct(BOT)
    answer = await talk.ask(tab, "are you there?")
    assert await answer.finished() == "You asked: are you there?"


async def test_help_comes_in_the_writers_language(stage: Scene, tab: ChatPage) -> None:
    await stage.start(1)
    for word, language in (("pomoc", "pl"), ("help", "en")):
        answer = await talk.ask(tab, f"@{BOT} {word}")
        first = assistant_texts.help_text(BOT).render(language).splitlines()[0]
        assert (await answer.finished()).splitlines()[0] == first
        await tab.page.keyboard.press("Escape")


async def test_a_killed_core_leaves_one_whole_answer(stage: Scene, tab: ChatPage) -> None:
    stage.gateway.script = lambda _body: ["half of it", asyncio.Event()]
    first = await stage.start(1)
    await stage.start(2)
    answer = await talk.ask(tab, f"@{BOT} tell me all")
    await answer.has_grown_to(len("half of it"))
    await first.kill()
    stage.gateway.script = lambda _body: ["half of it ", "and the other half"]
    stage.pair.move(2)
    assert await answer.finished() == "half of it and the other half"
    assert len(await stage.replies(answer.question_id)) == 1
    bot = tab.panel(thread=True).locator("li.message:not(.own)")
    await expect(bot).to_have_count(1)


async def test_a_restarted_server_and_a_lost_page_miss_nothing(
    stage: Scene, chat: StandIn, tab: ChatPage
) -> None:
    tab.expect_problem("WebSocket connection|ERR_CONNECTION_REFUSED")
    going_on = asyncio.Event()
    stage.gateway.script = lambda _body: ["before ", going_on, "and after"]
    await stage.start(1)
    answer = await talk.ask(tab, f"@{BOT} tell me all")
    await answer.has_grown_to(len("before"))
    await chat.stop()
    await expect(tab.page.locator("#connection")).to_be_visible()
    going_on.set()
    await chat.start()
    assert await answer.finished() == "before and after"
    await expect(tab.page.locator("#connection")).to_be_hidden()
