"""Talking on the stand-in's page, in a real browser, with other people over REST."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import FilePayload, expect

from tests.e2e.browser import Tabs
from tests.e2e.chat_page import ChatPage
from tests.support.rocketchat import StandIn

GENERAL = "GENERAL"


async def test_a_wrong_password_is_refused_and_the_right_one_lets_in(
    chat: StandIn, tabs: Tabs
) -> None:
    tab = await tabs.open()
    tab.expect_problem("status of 401")
    await tab.page.goto(tab.url)
    await tab.submit_login("user", "not it")
    await expect(tab.page.locator("#login-error")).to_have_text(
        "This user name and password do not fit."
    )
    await tab.submit_login("user", chat.passwords["user"])
    await expect(tab.page.locator("#room-name")).to_have_text("#general")
    await expect(tab.page.locator("#me-name")).to_have_text("User")


async def test_a_message_is_sent_with_enter_and_stands_there_once(
    chat: StandIn, tab: ChatPage
) -> None:
    await tab.field().fill("first line")
    await tab.field().press("Shift+Enter")
    await tab.field().press_sequentially("second line")
    await tab.field().press("Enter")
    await expect(tab.message("first line")).to_have_count(1)
    await expect(tab.message("first line")).not_to_have_class(re.compile("waiting"))
    await expect(tab.field()).to_have_value("")
    texts = [message["msg"] for message in await chat.messages("general")]
    assert texts == ["first line\nsecond line"]


async def test_what_others_write_comes_by_itself(chat: StandIn, tab: ChatPage) -> None:
    await chat.post("admin", "general", "Hello @user, and **welcome**")
    message = tab.message("Hello @user")
    await expect(message.locator("strong.author")).to_have_text("Administrator")
    await expect(message.locator(".mention.self")).to_have_text("@user")
    await expect(message.locator(".body strong")).to_have_text("welcome")


async def test_an_answer_grows_in_its_place(chat: StandIn, tab: ChatPage) -> None:
    sent = await chat.post("heyken_bot", "general", "The")
    item = tab.item(sent["_id"])
    await expect(item).to_have_count(1)
    await item.evaluate("item => { item.kept = true }")
    for text in ("The capital ▍", "The capital of ▍", "The capital of Poland is **Warsaw**."):
        await chat.api("heyken_bot", "chat.update", roomId=GENERAL, msgId=sent["_id"], text=text)
        await expect(item.locator(".body")).to_have_text(text.replace("*", ""))
        await expect(item.locator(".growing")).to_have_count(text.count("▍"))
    assert await item.evaluate("item => item.kept"), "the message was built anew"
    await expect(item.locator(".edited")).to_be_visible()
    await expect(tab.message("The capital")).to_have_count(1)


async def test_a_thread_is_opened_read_live_and_answered(chat: StandIn, tab: ChatPage) -> None:
    await tab.say("@heyken_bot what is the capital of Poland?")
    question = tab.message("what is the capital")
    await expect(question).not_to_have_class(re.compile("waiting"))
    question_id = str(await question.get_attribute("data-id"))
    reply = await chat.post("heyken_bot", "general", "It is", thread_id=question_id)
    await question.get_by_role("button", name="1 reply").click()
    await expect(tab.message("It is", thread=True)).to_have_count(1)
    text = "It is Warsaw."
    await chat.api("heyken_bot", "chat.update", roomId=GENERAL, msgId=reply["_id"], text=text)
    await expect(tab.message(text, thread=True)).to_have_count(1)
    await tab.say("Since when?", thread=True)
    await expect(tab.message("Since when?", thread=True)).to_have_count(1)
    await expect(question.locator(".thread-line strong")).to_have_text("2 replies")
    await expect(question.locator(".preview")).to_have_text("User: Since when?")
    everything = [text for text in await tab.texts() if "joined" not in text]
    assert everything == ["@heyken_bot what is the capital of Poland?"], "replies stay outside"
    sent = (await chat.messages("general"))[-1]
    assert (sent["msg"], sent["tmid"]) == ("Since when?", question_id)
    await expect(tab.page).to_have_url(f"{tab.url}/channel/general/thread/{question_id}")
    await tab.page.keyboard.press("Escape")
    await expect(tab.page.locator("#thread")).to_be_hidden()
    await expect(tab.page).to_have_url(f"{tab.url}/channel/general")


async def test_a_direct_message_is_begun_from_the_keyboard(chat: StandIn, tab: ChatPage) -> None:
    await tab.page.keyboard.press("Control+k")
    await tab.page.locator("#switcher-input").fill("heyken_b")
    await expect(tab.page.locator("#switcher [aria-selected=true]")).to_contain_text("@heyken_bot")
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.locator("#room-name")).to_have_text("heyken_bot")
    await expect(tab.page).to_have_url(f"{tab.url}/direct/heyken_bot")
    await tab.say("Are you there?")
    await expect(tab.message("Are you there?")).not_to_have_class(re.compile("waiting"))
    room_id = await chat.direct("heyken_bot", "user")
    assert [message["msg"] for message in await chat.messages(room_id)] == ["Are you there?"]
    await chat.post("heyken_bot", room_id, "I am.")
    await expect(tab.message("I am.")).to_have_count(1)


async def test_the_keyboard_alone_is_enough(chat: StandIn, tabs: Tabs) -> None:
    tab = await tabs.open()
    await tab.page.goto(tab.url)
    keys = tab.page.keyboard
    await expect(tab.page.locator("#login-user")).to_be_focused()
    for key in ("user", "Tab", chat.passwords["user"], "Enter"):
        await (keys.press(key) if key in {"Tab", "Enter"} else keys.type(key))
    await expect(tab.field()).to_be_focused()
    await keys.type("Who is there?")
    await keys.press("Enter")
    await expect(tab.message("Who is there?")).not_to_have_class(re.compile("waiting"))
    await back_to(tab, "Reply in a thread")
    await keys.press("Enter")
    await expect(tab.field(thread=True)).to_be_focused()
    await keys.type("Nobody else")
    await keys.press("Enter")
    await expect(tab.message("Nobody else", thread=True)).not_to_have_class(re.compile("waiting"))
    await keys.press("Escape")
    await expect(tab.field()).to_be_focused()
    await back_to(tab, "1 reply")
    await keys.press("Enter")
    await expect(tab.message("Nobody else", thread=True)).to_be_visible()
    await keys.press("Escape")
    await back_to(tab, "Log out")
    await keys.press("Enter")
    await expect(tab.page.locator("#login-user")).to_be_focused()


async def back_to(tab: ChatPage, name: str) -> None:
    """Go back through what can be reached by the keyboard until a button has the focus."""
    for _ in range(40):
        await tab.page.keyboard.press("Shift+Tab")
        focused = tab.page.locator(":focus")
        label = await focused.get_attribute("aria-label") or await focused.inner_text()
        if label.startswith(name):
            return
    pytest.fail(f"the keyboard does not reach {name!r}")


async def test_somebody_who_writes_first_appears_in_the_list(chat: StandIn, tab: ChatPage) -> None:
    room_id = await chat.direct("admin", "user")
    await chat.post("admin", room_id, "Psst")
    link = tab.page.locator("#rooms a", has_text="admin")
    await expect(link.locator(".count")).to_have_text("1")
    await expect(tab.page).to_have_title(re.compile(r"^\(1\) "))
    async with tab.page.expect_response("**/subscriptions.read"):
        await link.click()
    await expect(tab.message("Psst")).to_have_count(1)
    await expect(link.locator(".count")).to_have_count(0)
    await expect(tab.page).to_have_title(re.compile(r"^admin"))
    # after the reading the server counts from nought again, also for other tabs
    assert await unread_of(chat, room_id) == 0


async def unread_of(chat: StandIn, room_id: str) -> int:
    found = await chat.get("user", "subscriptions.get")
    return next(int(one["unread"]) for one in found["update"] if one["rid"] == room_id)


async def test_messages_that_came_while_away_stand_below_a_line(
    chat: StandIn, tab: ChatPage
) -> None:
    await chat.post("user", "heyken-system", "old")
    await tab.open_room("heyken-system")
    await expect(tab.message("old")).to_have_count(1)
    await tab.open_room("general")
    await chat.post("admin", "heyken-system", "first news")
    await chat.post("admin", "heyken-system", "second news")
    await expect(tab.page.locator("#rooms a.unread", has_text="heyken-system")).to_be_visible()
    await tab.open_room("heyken-system")
    await expect(tab.message("first news").locator(".day .new")).to_have_text("New")
    await expect(tab.panel().locator(".day .new")).to_have_count(1)


async def test_own_messages_are_edited_with_arrow_up_and_deleted(
    chat: StandIn, tab: ChatPage
) -> None:
    await chat.post("admin", "general", "not mine")
    await tab.say("teh answer")
    await expect(tab.message("teh answer")).not_to_have_class(re.compile("waiting"))
    await tab.field().press("ArrowUp")
    await expect(tab.field()).to_have_value("teh answer")
    await tab.field().fill("the answer")
    await tab.field().press("Enter")
    await expect(tab.message("the answer").locator(".edited")).to_be_visible()
    await expect(tab.message("teh answer")).to_have_count(0)
    await expect(tab.message("not mine").get_by_role("button", name="Edit")).to_have_count(0)
    await tab.act(tab.message("the answer"), "Delete")
    await tab.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await expect(tab.message("the answer")).to_have_count(1)
    await tab.act(tab.message("the answer"), "Delete")
    await tab.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(tab.message("the answer")).to_have_count(0)
    assert [message["msg"] for message in await chat.messages("general")] == ["not mine"]


async def test_reactions_are_given_seen_and_taken_back(chat: StandIn, tab: ChatPage) -> None:
    sent = await chat.post("admin", "general", "Lunch?")
    item = tab.item(sent["_id"])
    await tab.act(item, "React")
    await item.get_by_role("button", name="tada").click()
    mine = item.locator(".reaction[aria-pressed=true]")
    await expect(mine).to_have_text("🎉 1")
    await chat.api("admin", "chat.react", messageId=sent["_id"], emoji=":tada:")
    await expect(mine).to_have_text("🎉 2")
    await mine.click()
    await expect(item.locator(".reaction[aria-pressed=false]")).to_have_text("🎉 1")


async def test_a_mention_is_completed(chat: StandIn, tab: ChatPage) -> None:
    await tab.field().press_sequentially("ask @hey")
    option = tab.page.get_by_role("option", name="@heyken_bot")
    await expect(option).to_have_attribute("aria-selected", "true")
    await tab.field().press("Tab")
    await expect(tab.field()).to_have_value("ask @heyken_bot ")
    await expect(option).to_be_hidden()
    await tab.field().press_sequentially("now")
    await tab.field().press("Enter")
    await expect(tab.message("now").locator(".mention")).to_have_text("@heyken_bot")
    assert (await chat.messages("general"))[-1]["mentions"][0]["username"] == "heyken_bot"


async def test_who_is_typing_is_seen_by_others_and_of_others(
    chat: StandIn, tabs: Tabs, tab: ChatPage
) -> None:
    other = await tabs.open()
    await other.log_in("admin", chat.passwords["admin"])
    await tab.field().press_sequentially("hm")
    typing = other.panel().locator(".typing")
    await expect(typing).to_have_text("user is typing…")
    await tab.field().press("Enter")
    await expect(typing).to_have_text("")
    await expect(tab.panel().locator(".typing")).to_have_text("")


async def test_files_are_sent_shown_and_saved(chat: StandIn, tab: ChatPage, tmp_path: Path) -> None:
    picture = await tab.page.screenshot(clip={"x": 0, "y": 0, "width": 40, "height": 30})
    sent: list[FilePayload] = [
        {"name": "dot.png", "mimeType": "image/png", "buffer": picture},
        {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"some notes"},
    ]
    await tab.panel().locator("input[type=file]").set_input_files(sent)
    shown = tab.panel().locator("img.picture")
    await expect(shown).to_have_js_property("naturalWidth", 40)
    async with tab.page.expect_download() as coming:
        await tab.panel().get_by_role("button", name="notes.txt").click()
    saved = tmp_path / "notes.txt"
    await (await coming.value).save_as(saved)
    assert saved.read_bytes() == b"some notes"
    names = [message["file"]["name"] for message in await chat.messages("general")]
    assert sorted(names) == ["dot.png", "notes.txt"]


async def test_a_file_is_dropped_into_a_thread(chat: StandIn, tab: ChatPage) -> None:
    sent = await chat.post("admin", "general", "Send me the file here")
    await tab.act(tab.item(sent["_id"]), "Reply in a thread")
    await expect(tab.message("Send me the file", thread=True)).to_have_count(1)
    dropped = await tab.page.evaluate_handle(
        "() => { const data = new DataTransfer();"
        " data.items.add(new File(['dropped'], 'dropped.txt', {type: 'text/plain'})); return data }"
    )
    for event in ("dragover", "drop"):
        await tab.panel(thread=True).dispatch_event(event, {"dataTransfer": dropped})
    button = tab.panel(thread=True).get_by_role("button", name="dropped.txt")
    await expect(button).to_be_visible()
    assert (await chat.messages("general"))[-1]["tmid"] == sent["_id"]


async def test_a_login_outlives_a_reload_and_ends_with_the_button(tab: ChatPage) -> None:
    await tab.open_room("heyken-sandbox")
    await tab.page.reload()
    await expect(tab.page.locator("#room-name")).to_have_text("heyken-sandbox")
    await expect(tab.page).to_have_url(f"{tab.url}/group/heyken-sandbox")
    assert await tab.page.evaluate("() => localStorage.length") == 0, (
        "the token is of this tab only"
    )
    await tab.page.get_by_role("button", name="Log out").click()
    await expect(tab.page.locator("#login-user")).to_be_visible()
    await tab.page.reload()
    await expect(tab.page.locator("#login-user")).to_be_visible()
