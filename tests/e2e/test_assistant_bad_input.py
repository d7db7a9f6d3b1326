"""What nobody should send, on a deployed lab: it is told so, and the next question is answered."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.async_api import FilePayload, expect

from heyken_glue.domain.conversation import reply_id
from heyken_glue.services import assistant_texts
from lab.chat import BOT, Person
from tests.e2e.chat_page import ChatPage
from tests.e2e.lab_chat import QUESTION, LabChat, Room
from tests.support.pair import Pair, wait_for

pytestmark = pytest.mark.lab
LONG = f"@{BOT} explain in ten sentences how a river is born in the mountains and finds the sea"
PASSWORD = "What-nobody-should-send-1"
LIMIT, TALE = 5000, " Rivers begin as rain that nobody counts."  # few tokens for so many characters
FILE_SIZE = "settings/FileUpload_MaxFileSize"
RESTARTS = "systemctl show -P NRestarts heyken@assistant.service"
ERRORS = (
    "journalctl -u heyken@assistant.service --since @{since:.0f} -o cat --no-pager"
    ' | awk \'/Traceback|"level": ?"(error|critical)"/\''
)


@pytest.fixture(autouse=True)
def unharmed(pair: Pair) -> Iterator[Pair]:
    """The pair, whose assistants neither end nor stumble over anything meanwhile."""
    since, before = time.time(), {name: host.run(RESTARTS) for name, host in pair.hosts.items()}
    yield pair
    for name, host in pair.hosts.items():
        assert host.run(RESTARTS) == before[name], f"the assistant of {name} crashed"
        assert not host.run(ERRORS.format(since=since)), f"an error in the log of {name}"


@pytest.fixture
def stranger(lab_chat: LabChat, lab_room: Room) -> Iterator[Person]:
    """Somebody whom no inventory knows, in the room."""
    name = lab_room.name.replace("test", "stranger")
    about = {"username": name, "name": "Stranger", "email": f"{name}@example.com"}
    made = lab_chat.admin.post("users.create", **about, password=PASSWORD, roles=["user"])
    user_id = str(made["user"]["_id"])
    lab_chat.admin.post("channels.invite", roomId=lab_room.id, userIds=[user_id])
    yield lab_chat.person(name, PASSWORD)
    lab_chat.admin.post("users.delete", userId=user_id, confirmRelinquish=True)


def test_odd_messages_are_told_so_and_the_next_one_works(lab_room: Room) -> None:
    room = lab_room
    assert "error-message-size-exceeded" in room.refusal(f"@{BOT} {'x' * 100_000}")
    empty = room.ask(f"@{BOT}")
    binary = room.ask(f"@{BOT} " + "\x00\x01\x02\x03" * 20)
    crowded = room.ask(f"{QUESTION} {' '.join(f'@somebody{n}' for n in range(100))}")
    full = room.ask((QUESTION + TALE * LIMIT)[:LIMIT])
    following = room.ask()
    assert "`status`" in room.answer(empty)
    assert room.answer(binary) == assistant_texts.BINARY.render("en")
    for question_id in (crowded, full, following):
        assert room.answer(question_id)


def test_what_is_changed_or_deleted_while_it_is_answered(lab_room: Room) -> None:
    room = lab_room
    edited = room.ask(LONG)
    room.begun(edited)
    room.user.post("chat.update", roomId=room.id, msgId=edited, text=f"@{BOT} help")
    deleted = room.ask(LONG)
    room.begun(deleted)
    room.user.post("chat.delete", roomId=room.id, msgId=deleted)
    following = room.ask()
    reply = {"msgId": reply_id(deleted)}
    gone = lambda: room.admin.attempt("GET", "chat.getMessage", **reply)[0] != 200  # noqa: E731
    wait_for("the reply to a deleted question is gone", gone)
    assert "`status`" not in room.answer(edited)
    assert room.answer(following)


def test_another_bot_is_not_answered_and_people_in_its_thread_are(
    lab_room: Room, stranger: Person
) -> None:
    lab_room.admin.post("roles.addUserToRole", roleId="bot", username=stranger.name)
    asked = lab_room.ask(by=stranger)
    following = lab_room.ask(thread_id=asked)
    wait_for("an answer to the person", lambda: lab_room.is_answered(asked))
    replies = lab_room.admin.get("chat.getThreadMessages", tmid=asked)["messages"]
    by_us = [reply["_id"] for reply in replies if reply["u"]["username"] == BOT]
    assert by_us == [reply_id(following)], "the other bot was answered"


def test_who_may_not_speak_any_more_leaves_whole_answers(lab_room: Room, stranger: Person) -> None:
    room, admin = lab_room, lab_room.admin
    before_muted = room.ask(LONG, by=stranger)
    room.begun(before_muted)
    admin.post("rooms.muteUser", roomId=room.id, username=stranger.name)
    assert "muted" in room.refusal(by=stranger)
    assert room.answer(before_muted)
    admin.post("rooms.unmuteUser", roomId=room.id, username=stranger.name)
    before_deactivated = room.ask(LONG, by=stranger)
    room.begun(before_deactivated)
    admin.post("users.setActiveStatus", userId=stranger.id, activeStatus=False)
    assert "logged in" in room.refusal(by=stranger)
    assert room.answer(before_deactivated)
    assert room.answer(room.ask())


def test_rooms_that_take_no_more_words_cost_nobody_else_an_answer(
    lab_chat: LabChat, lab_room: Room
) -> None:
    room, other = lab_room, Room(lab_chat)
    try:
        cut_short = other.ask(LONG)
        other.begun(cut_short)
        other.admin.post("channels.archive", roomId=other.id)
        assert "archived" in other.refusal()
        room.admin.post("channels.setReadOnly", roomId=room.id, readOnly=True)
        assert "readonly" in room.refusal()
        unanswerable = room.ask(by=room.admin)  # who owns a room may write there, the bot may not
        room.admin.post("channels.setReadOnly", roomId=room.id, readOnly=False)
        assert room.answer(room.ask())
        assert len(room.admin.replies(unanswerable)) <= 1
    finally:
        other.remove()


async def test_files_that_are_no_good_are_refused_and_the_reason_is_seen(
    lab_tab: ChatPage, lab_room: Room
) -> None:
    lab_tab.expect_problem("status of 400")
    admin, usual = lab_room.admin, lab_room.admin.get(FILE_SIZE)["value"]
    admin.post(FILE_SIZE, value=1000)
    try:
        await lab_tab.page.reload()  # the page asks once how large a file may be
        await lab_tab.open_room(lab_room.name)
        picker = lab_tab.panel().locator("input[type=file]")
        notices = lab_tab.page.locator("#notices")
        await picker.set_input_files(_file("drawing.svg", "image/svg+xml", b"<svg/>"))
        await expect(notices).to_contain_text("not accepted")
        await picker.set_input_files(_file("large.txt", "text/plain", bytes(5000)))
        await expect(notices).to_contain_text("too large (at most 1 kB)")
    finally:
        admin.post(FILE_SIZE, value=usual)
    await lab_tab.say(QUESTION)
    question = lab_tab.panel().locator("li.message.own").last
    await expect(question.locator(".thread-line")).to_be_visible(timeout=60_000)


def _file(name: str, kind: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": content}
