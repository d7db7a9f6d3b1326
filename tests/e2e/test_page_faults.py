"""What the page does when the server refuses, is slow, or is not there."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator

from playwright.async_api import expect

from tests.e2e.browser import Tabs
from tests.e2e.chat_page import ChatPage
from tests.support.rocketchat import StandIn, standin

GENERAL = "GENERAL"
NO_SOCKET = "WebSocket connection to .* failed|ERR_CONNECTION_REFUSED"


@contextlib.asynccontextmanager
async def cut_off(chat: StandIn, tab: ChatPage) -> AsyncIterator[None]:
    """Cut the tab's live connection for as long as the context lasts."""
    tab.expect_problem(NO_SOCKET)
    await chat.set_modes(refuse_sockets=True)
    await chat.drop_sockets()
    await expect(tab.page.locator("#connection")).to_have_text("Connection lost. Reconnecting…")
    yield
    await chat.set_modes(refuse_sockets=False)
    await expect(tab.page.locator("#connection")).to_be_hidden()


async def test_nothing_is_missed_while_the_connection_is_lost(chat: StandIn, tab: ChatPage) -> None:
    kept = await chat.post("admin", "general", "kept")
    doomed = await chat.post("admin", "general", "doomed")
    asked = await chat.post("user", "general", "asked")
    reply = await chat.post("heyken_bot", "general", "answ", thread_id=asked["_id"])
    await tab.item(asked["_id"]).get_by_role("button", name="1 reply").click()
    await expect(tab.message("answ", thread=True)).to_have_count(1)
    async with cut_off(chat, tab):
        edits = {kept["_id"]: ("admin", "kept and changed"), reply["_id"]: ("heyken_bot", "answer")}
        for message_id, (who, text) in edits.items():
            await chat.api(who, "chat.update", roomId=GENERAL, msgId=message_id, text=text)
        await chat.api("admin", "chat.delete", roomId=GENERAL, msgId=doomed["_id"])
        for number in range(60):
            await chat.post("admin", "general", f"missed {number}")
        await chat.post("admin", "heyken-system", "elsewhere")
    await expect(tab.message("missed")).to_have_count(60)
    everything = [text for text in await tab.texts() if "joined" not in text]
    assert everything == [
        "kept and changed",
        "asked",
        *(f"missed {number}" for number in range(60)),
    ]
    assert await tab.texts(thread=True) == ["asked", "answer"]
    await expect(tab.page.locator("#rooms a.unread")).to_have_text(re.compile("heyken-system"))
    await chat.post("admin", "general", "live again")
    await expect(tab.message("live again")).to_have_count(1)


async def test_three_drops_in_a_row_double_nothing(chat: StandIn, tab: ChatPage) -> None:
    for number in range(3):
        async with cut_off(chat, tab):
            await chat.post("admin", "general", f"during {number}")
        await chat.post("admin", "general", f"after {number}")
        await expect(tab.message(f"after {number}")).to_have_count(1)
    expected = [f"{when} {number}" for number in range(3) for when in ("during", "after")]
    assert [text for text in await tab.texts() if "joined" not in text] == expected
    assert len(chat.workspace.sockets) == 1, "an old connection was left behind"


async def test_what_is_written_while_the_server_is_away_is_sent_once(
    chat: StandIn, tab: ChatPage
) -> None:
    tab.expect_problem(NO_SOCKET)
    await chat.stop()
    await expect(tab.page.locator("#connection")).to_be_visible()
    await tab.say("written in the dark")
    note = tab.message("written in the dark").locator(".pending")
    await expect(note).to_have_text(re.compile("Not sent yet: the server does not answer"))
    await tab.say("and more")
    await chat.start()
    await expect(note).to_have_text("")
    await expect(tab.message("and more")).not_to_have_class(re.compile("waiting"))
    sent = [message["msg"] for message in await chat.messages("general")]
    assert sent == ["written in the dark", "and more"]


async def test_a_lost_answer_does_not_double_a_message(chat: StandIn, tab: ChatPage) -> None:
    tab.expect_problem("ERR_|status of 5|status of 400")
    await chat.set_modes(lose_answers=1)
    await tab.say("said once")
    await expect(tab.message("said once")).not_to_have_class(re.compile("waiting"))
    await chat.set_modes(fail_requests=2)
    await tab.say("said twice?")
    await expect(tab.message("said twice?")).not_to_have_class(re.compile("waiting"))
    assert [message["msg"] for message in await chat.messages("general")] == [
        "said once",
        "said twice?",
    ]


async def test_a_lost_answer_is_cleared_up_without_the_live_connection(
    chat: StandIn, tab: ChatPage
) -> None:
    tab.expect_problem("ERR_|status of 400")
    async with cut_off(chat, tab):
        await chat.set_modes(lose_answers=1)
        await tab.say("said blindly")
        await expect(tab.message("said blindly")).to_have_count(1)
        await expect(tab.message("said blindly")).not_to_have_class(re.compile("waiting"))
    assert [message["msg"] for message in await chat.messages("general")] == ["said blindly"]


OUT_OF_ORDER = """async () => {
    const { Store } = await import("/page/store.js");
    const store = new Store({ id: "me", username: "me", roles: [] });
    const state = (text, updated) => ({
        id: "m", rid: "r", text, updated, time: 1, pending: null,
        author: { username: "a", name: "A" },
    });
    for (const [text, updated] of [["It", 10], ["It is Warsaw.", 30], ["It is", 20]])
        store.apply(state(text, updated));
    return store.conversation("r").messages.get("m").text;
}"""


async def test_an_older_state_that_comes_late_undoes_nothing(tab: ChatPage) -> None:
    assert await tab.page.evaluate(OUT_OF_ORDER) == "It is Warsaw."


async def test_repeated_live_events_show_a_message_once(chat: StandIn, tab: ChatPage) -> None:
    await chat.set_modes(repeat_emissions=3)
    await chat.post("admin", "general", "again and again")
    await chat.post("admin", "general", "the last one")
    await expect(tab.message("the last one")).to_have_count(1)
    await expect(tab.message("again and again")).to_have_count(1)


async def test_a_read_only_room_is_read_and_says_why(chat: StandIn, tab: ChatPage) -> None:
    logs = chat.rooms["heyken-logs"]
    await tab.open_room("heyken-logs")
    await chat.api("admin", "channels.setReadOnly", roomId=logs, readOnly=True)
    closed = tab.panel().locator(".closed")
    await expect(closed).to_have_text("This room is read-only: you can read here, not write.")
    await expect(tab.field()).to_be_hidden()
    await tab.page.locator(".sidebar select").select_option("pl")
    await expect(closed).to_have_text(
        "Ten pokój jest tylko do odczytu: możesz tu czytać, ale nie pisać."
    )
    await chat.post("admin", "heyken-logs", "for reading")
    await expect(tab.message("for reading")).to_have_count(1)
    await chat.api("admin", "channels.setReadOnly", roomId=logs, readOnly=False)
    await expect(tab.field()).to_be_visible()


async def test_a_refused_message_stays_with_its_reason(chat: StandIn, tab: ChatPage) -> None:
    tab.expect_problem("status of 400")
    await chat.set_modes(restricted_workspace=True)
    await tab.say("into the void")
    item = tab.message("into the void")
    note = "Not sent: the workspace has become read-only, because it has no licence"
    await expect(item.locator(".pending .problem, .pending p")).to_have_text(note)
    await tab.page.locator(".sidebar select").select_option("pl")
    await expect(item.locator(".pending p")).to_have_text(re.compile("^Nie wysłano: "))
    await chat.set_modes(restricted_workspace=False)
    await item.get_by_role("button", name="Spróbuj ponownie").click()
    await expect(item).not_to_have_class(re.compile("waiting"))
    assert len(await chat.messages("general")) == 1


async def test_a_muted_user_is_told(chat: StandIn, tab: ChatPage) -> None:
    await chat.api("admin", "rooms.muteUser", roomId=GENERAL, username="user")
    await expect(tab.panel().locator(".closed")).to_have_text("You have been muted in this room.")


async def test_too_long_and_too_large_are_said_before_sending(tabs: Tabs) -> None:
    limits = {"Message_MaxAllowedSize": "100", "FileUpload_MaxFileSize": "1000"}
    async with standin(settings=limits) as chat:
        tab = await Tabs(tabs.browser, chat.url).open()
        await tab.log_in("user", chat.passwords["user"])
        await tab.field().fill("x" * 103)
        await expect(tab.panel().locator(".state")).to_have_text("3 characters too many")
        await expect(tab.panel().get_by_role("button", name="Send", exact=True)).to_be_disabled()
        await (
            tab.panel()
            .locator("input[type=file]")
            .set_input_files(
                {"name": "big.bin", "mimeType": "application/octet-stream", "buffer": b"x" * 2000}
            )
        )
        notice = tab.page.locator("#notices .notice")
        await expect(notice).to_have_text("The file is too large (at most 1 kB)")
        await notice.get_by_role("button", name="Close").click()
        await expect(notice).to_have_count(0)
        assert await chat.messages("general") == []
        assert tab.unexpected() == []


async def test_too_many_messages_wait_their_turn(chat: StandIn, tab: ChatPage) -> None:
    tab.expect_problem("status of 429")
    await chat.set_modes(rate_limit="everybody", rate_limit_calls=2, rate_limit_seconds=3)
    texts = [f"quick {number}" for number in range(4)]
    for text in texts:
        await tab.say(text)
    await expect(tab.panel().locator(".pending", has_text="too many requests")).to_be_visible()
    await expect(tab.panel().locator("li.waiting")).to_have_count(0, timeout=20_000)
    assert [message["msg"] for message in await chat.messages("general")] == texts


async def test_a_revoked_token_leads_back_to_the_login(chat: StandIn, tab: ChatPage) -> None:
    tab.expect_problem("status of 401")
    token = await tab.page.evaluate("() => JSON.parse(sessionStorage['standin.login'])")
    headers = {"X-User-Id": token["id"], "X-Auth-Token": token["token"]}
    status, _ = await chat.call(None, "POST", "logout", headers=headers)
    assert status == 200
    await tab.say("too late")
    await expect(tab.page.locator("#login-error")).to_have_text(
        "The session has ended. Log in again."
    )


async def test_a_page_opened_while_the_server_has_problems_waits_for_it(
    chat: StandIn, tab: ChatPage
) -> None:
    tab.expect_problem("status of 503")
    await chat.set_modes(fail_requests=2)
    await tab.page.reload()
    await expect(tab.page.locator("#connection")).to_have_text("Connection lost. Reconnecting…")
    await expect(tab.page.locator("#room-name")).to_have_text("#general")
    await expect(tab.page.locator("#connection")).to_be_hidden()


async def test_a_second_factor_is_asked_for(chat: StandIn, tabs: Tabs) -> None:
    tab = await tabs.open()
    tab.expect_problem("status of 40[01]")
    person = {
        "name": "Ada",
        "username": "ada",
        "email": "ada@example.com",
        "password": "analytical",
    }
    made = await chat.api("admin", "users.create", **person, verified=True)
    await tab.page.goto(tab.url)
    await expect(tab.page.locator("#login-code")).to_be_hidden()
    await tab.submit_login("ada", person["password"])
    await expect(tab.page.locator("#login-error")).to_have_text(
        "A code of the second factor is needed"
    )
    code = chat.workspace.mailed_codes[made["user"]["_id"]]
    await tab.page.locator("#login-code").fill(code)
    await tab.page.locator("#login-code").press("Enter")
    await expect(tab.page.locator("#me-name")).to_have_text("Ada")


async def test_a_server_that_goes_silent_is_left_and_found_again(
    chat: StandIn, tab: ChatPage
) -> None:
    await tab.page.clock.install()
    await chat.set_modes(mute_sockets=True)
    await tab.page.clock.fast_forward(60_000)
    await expect(tab.page.locator("#connection")).to_be_visible()
    await chat.post("admin", "general", "said in silence")
    await chat.set_modes(mute_sockets=False)
    await tab.page.clock.fast_forward(60_000)
    await expect(tab.message("said in silence")).to_have_count(1)
