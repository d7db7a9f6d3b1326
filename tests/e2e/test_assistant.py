"""A person, a browser and a deployed lab: questions, answers, and a core that dies in between.

HEYKEN_LAB names the lab. Those tests that break something refuse the default one.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re

import pytest
from playwright.async_api import expect

from heyken_glue.domain.conversation import CURSOR
from heyken_glue.services import assistant_texts
from lab.chat import BOT
from tests.e2e import talk
from tests.e2e.browser import Tabs
from tests.e2e.chat_page import ChatPage
from tests.e2e.conftest import open_lab
from tests.e2e.lab_chat import LabChat, picture
from tests.support.pair import Pair, wait_for

pytestmark = pytest.mark.lab
CAPITAL = "what is the capital of Poland?"
LONG = "explain in ten sentences how a river is born in the mountains and finds the sea"
BACK_SECONDS = 180.0


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


# in the page's two languages; asked in Polish, the lab's toy of a model is done before a kill
@pytest.mark.parametrize("locale", ["en-GB", "pl-PL"])
async def test_who_watches_while_a_core_is_killed_sees_one_whole_answer(
    lab_chat: LabChat, lab_tabs: Tabs, pair: Pair, locale: str
) -> None:
    tab = await open_lab(lab_chat, lab_tabs, locale=locale)
    before = pair.holder()
    begun = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    answer = await talk.ask(tab, f"@{BOT} {LONG}")
    await answer.has_grown_to(60)
    await expect(answer.body.locator(".growing")).to_have_text(CURSOR)
    await asyncio.to_thread(pair.hosts[before].kill)
    text = await answer.finished()
    growth = await answer.growth()
    talk.assert_only_grew(growth)
    assert growth[-1] == text
    assert CURSOR not in text
    assert text.count(text[:40]) == 1, f"the answer is there twice: {text}"
    replies = lab_chat.user.replies(answer.question_id)
    assert len(replies) == 1, replies
    assert talk.letters(replies[0]) == talk.letters(text)
    after = await asyncio.to_thread(pair.holder)
    assert after == pair.other(before), "the other core must hold the address now"
    reason = str((await asyncio.to_thread(pair.status))["reason"])
    assert before in reason, reason
    told = await asyncio.to_thread(
        wait_for, "the channel tells of it", lambda: announced(lab_chat, after, since=begun)
    )
    assert len(told) == 1, told
    assert reason in told[0]
    await tab.open_room("heyken-system")
    await expect(tab.message("is the active core since").last).to_contain_text(reason)
    if locale == "en-GB":
        await picture(tab, "chat-announcement")


def announced(lab_chat: LabChat, holder: str, *, since: str) -> list[str]:
    """Return what was posted since then in the channel of the system about a new holder."""
    user = lab_chat.user
    query = {"roomId": user.room_id("heyken-system"), "lastUpdate": since}
    found = user.get("chat.syncMessages", **query)["result"]["updated"]
    texts = [str(one["msg"]) for one in found if one["u"]["username"] == BOT and one["ts"] > since]
    return [text for text in texts if text.startswith(f"*{holder}* is the active core since")]


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
