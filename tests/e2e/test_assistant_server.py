"""A deployed lab whose chat server refuses, changes its mind, or cannot be reached."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from lab.chat import BOT, new_id
from tests.e2e.chat_page import ChatPage
from tests.e2e.lab_chat import LabChat, Room, modes
from tests.support.pair import Pair, wait_for

pytestmark = pytest.mark.lab
LONG = f"@{BOT} explain in ten sentences how a river is born in the mountains and finds the sea"
CUT_SECONDS = 20.0
QUESTIONS = 10
TABLE = "heyken_fault_chat"


def test_send_posts_once_for_each_key(lab_room: Room, pair: Pair) -> None:
    wish = {"room_id": f"#{lab_room.name}", "text": "The backup of tonight is complete."}
    key = new_id()
    for _ in range(3):
        answer = pair.send(wish, key=key)
        assert answer.ok, answer.text
    found = lab_room.admin.get("channels.messages", roomId=lab_room.id)["messages"]
    assert [one["msg"] for one in found if one["u"]["username"] == BOT] == [wish["text"]]
    nowhere = pair.send({**wish, "room_id": "#there-is-no-such-room"}, key=new_id())
    assert nowhere.status_code == 404, nowhere.text
    assert "there-is-no-such-room" in nowhere.json()["error"]


async def test_a_missing_licence_is_named_and_the_answer_goes_on_afterwards(
    lab_chat: LabChat, lab_room: Room, lab_tab: ChatPage, pair: Pair
) -> None:
    lab_tab.expect_problem("status of 400")
    await lab_tab.open_room(lab_room.name)
    asked = lab_room.ask(LONG)
    lab_room.begun(asked)
    with modes(lab_chat, restricted_workspace=True):
        await lab_tab.say("does anybody hear me?")
        refused = lab_tab.message("does anybody hear me?").locator(".problem")
        await expect(refused).to_contain_text("licence")
        wait_for("the status names it", lambda: "restricted-workspace" in _reason(pair))
        assert not lab_room.is_answered(asked)
    assert lab_room.answer(asked)
    assert lab_room.answer(lab_room.ask())
    assert _reason(pair) == ""


def test_an_unsupported_version_is_named_and_things_are_tried(
    lab_chat: LabChat, lab_room: Room, pair: Pair
) -> None:
    with modes(lab_chat, version="7.5.0"):
        lab_chat.admin.set_modes(drop_sockets=True)
        wait_for("the status names it", lambda: "7.5" in _reason(pair))
        assert lab_room.answer(lab_room.ask())
    lab_chat.admin.set_modes(drop_sockets=True)
    wait_for("it is past", lambda: _reason(pair) == "")


def test_a_second_factor_for_everything_does_not_concern_the_assistant(
    lab_chat: LabChat, lab_room: Room
) -> None:
    with modes(lab_chat, second_factor="always"):
        lab_chat.admin.set_modes(drop_sockets=True)  # so that it has to log in anew
        assert lab_room.answer(lab_room.ask())
        setting = "settings/FileUpload_MaxFileSize"
        status, body = lab_chat.admin.attempt("POST", setting, value=1)
        assert (status, body["errorType"]) == (400, "totp-required"), body


def test_questions_asked_while_the_cores_cannot_reach_the_server(
    lab_chat: LabChat, lab_room: Room, pair: Pair
) -> None:
    host = lab_chat.host()
    cores = ", ".join(str(urlsplit(url).hostname) for url in pair.core_urls.values())
    host.run(
        f"nft 'add table ip {TABLE}; add chain ip {TABLE} in"
        f" {{ type filter hook prerouting priority -400; }};"
        f" add rule ip {TABLE} in ip saddr {{ {cores} }} tcp dport 3100 drop'"
    )
    try:
        ends = time.monotonic() + CUT_SECONDS
        asked = [lab_room.ask(f"@{BOT} what is {number} plus one?") for number in range(QUESTIONS)]
        wait_for("the status says so", lambda: not pair.status()["rocketchat_connected"])
        wait_for("the cut has lasted", lambda: time.monotonic() > ends)
        assert not any(lab_room.admin.replies(one) for one in asked), "the network was not cut"
    finally:
        host.run(f"nft 'add table ip {TABLE}; delete table ip {TABLE}'")
    with ThreadPoolExecutor() as pool:
        assert all(pool.map(lab_room.answer, asked))


def _reason(pair: Pair) -> str:
    """Return why the status says that chat is not well, "" if it is."""
    return str(pair.status()["rocketchat"]["reason"])
