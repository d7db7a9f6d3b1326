"""A person, a browser and a deployed lab: questions, answers, and a core that dies in between.

HEYKEN_LAB names the lab. Those tests that break something refuse the default one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import expect

from heyken_glue.services import assistant_texts
from tests.e2e import talk
from tests.e2e.browser import Tabs, chromium
from tests.e2e.chat_page import ChatPage
from tests.e2e.lab_chat import LabChat, picture
from tests.support.pair import Pair, healthy, wait_for

pytestmark = pytest.mark.lab
BOT = "heyken_bot"
CAPITAL = "what is the capital of Poland?"
LONG = "explain in ten sentences how a river is born in the mountains and finds the sea"
BACK_SECONDS = 180.0


@pytest.fixture
def lab_chat() -> LabChat:
    """The lab's chat server."""
    return LabChat()


@pytest.fixture
async def lab_tab(lab_chat: LabChat) -> AsyncIterator[ChatPage]:
    """A tab in which `user` of the lab is logged in."""
    async with chromium() as browser:
        tabs = Tabs(browser, lab_chat.url)
        # Python has checked the certificate; the browser has no way to learn one more authority.
        tab = await tabs.open(ignore_https_errors=True)
        await tab.log_in("user", lab_chat.passwords["user"])
        yield tab
        await tabs.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Both cores healthy before the test, and healthy again after it."""
    pair = Pair()
    healthy(pair)
    yield pair
    for host in pair.hosts.values():
        host.start()
    healthy(pair)


async def test_a_question_in_a_channel_grows_in_a_thread(
    lab_chat: LabChat, lab_tab: ChatPage
) -> None:
    answer = await talk.ask(lab_tab, f"@{BOT} {LONG}")  # a short one may be there at once
    await answer.has_grown_to(60)
    await picture(lab_tab, "chat-answer-growing")
    text = await answer.finished()
    await picture(lab_tab, "chat-answer-finished")
    growth = await answer.growth()
    assert len(growth) > 1, f"the answer came at once: {growth}"
    assert growth[-1] == text
    assert len(lab_chat.user.replies(answer.question_id)) == 1


async def test_a_follow_up_knows_the_thread(lab_chat: LabChat, lab_tab: ChatPage) -> None:
    first = await talk.ask(lab_tab, f"@{BOT} {CAPITAL}")
    await first.finished()
    second = await talk.ask(lab_tab, "how many people live there?", thread=True)
    await second.finished()
    await picture(lab_tab, "chat-follow-up")
    assert len(lab_chat.user.replies(first.question_id)) == 2


async def test_a_direct_message_needs_no_mention(lab_chat: LabChat, lab_tab: ChatPage) -> None:
    await lab_tab.open_direct(BOT)
    answer = await talk.ask(lab_tab, CAPITAL)
    await answer.finished()
    await picture(lab_tab, "chat-direct")
    assert len(lab_chat.user.replies(answer.question_id)) == 1


async def test_help_comes_in_polish(lab_tab: ChatPage) -> None:
    answer = await talk.ask(lab_tab, f"@{BOT} pomoc")
    first = assistant_texts.help_text(BOT).render("pl").splitlines()[0]
    assert (await answer.finished()).splitlines()[0] == first
    await picture(lab_tab, "chat-help")


async def test_a_core_killed_in_the_middle_leaves_one_whole_answer(
    lab_chat: LabChat, lab_tab: ChatPage, pair: Pair
) -> None:
    before = pair.holder()
    answer = await talk.ask(lab_tab, f"@{BOT} {LONG}")
    await answer.has_grown_to(60)
    await asyncio.to_thread(pair.hosts[before].kill)
    text = await answer.finished()
    replies = lab_chat.user.replies(answer.question_id)
    assert len(replies) == 1, replies
    assert len(text) > 60, text
    after = await asyncio.to_thread(pair.holder)
    assert after == pair.other(before), "the other core must hold the address now"
    await lab_tab.open_room("heyken-system")
    await expect(lab_tab.message(after).last).to_be_visible()
    await picture(lab_tab, "chat-announcement")


async def test_a_restart_of_the_chat_host_loses_nothing(
    lab_chat: LabChat, lab_tab: ChatPage, pair: Pair
) -> None:
    del pair  # healthy before and after
    lab_tab.expect_problem("WebSocket connection|ERR_|status of 50")
    host = lab_chat.host()
    first = await talk.ask(lab_tab, f"@{BOT} {CAPITAL}")
    await first.finished()
    await asyncio.to_thread(host.kill)
    try:
        await expect(lab_tab.page.locator("#connection")).to_be_visible(timeout=60_000)
        await picture(lab_tab, "chat-reconnecting")
        await lab_tab.say(f"@{BOT} and of France?", thread=True)
    finally:
        await asyncio.to_thread(host.start)
    hidden = expect(lab_tab.page.locator("#connection"))
    await hidden.to_be_hidden(timeout=BACK_SECONDS * 1000)
    question = lab_tab.message("and of France?", thread=True)
    await expect(question).not_to_have_class(re.compile("waiting"), timeout=BACK_SECONDS * 1000)
    second = talk.Answer(lab_tab, str(await question.get_attribute("data-id")))
    await second.finished()
    await asyncio.to_thread(
        wait_for,
        "every reply is there once",
        lambda: len(lab_chat.user.replies(first.question_id)) == 2,
        seconds=BACK_SECONDS,
    )
