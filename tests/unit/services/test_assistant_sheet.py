"""A reply on the server, whatever the server does meanwhile."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from heyken_glue import errors
from heyken_glue.adapters.rocketchat.client import RefusedError
from heyken_glue.domain.chat import Message, User
from heyken_glue.domain.conversation import MARK, is_unfinished, reply_id
from heyken_glue.services import assistant_sheet
from heyken_glue.services.assistant_role import Holder
from heyken_glue.services.assistant_sheet import (
    WITHDRAWN,
    Obstacles,
    Patience,
    ReplyGoneError,
    Sheet,
    is_workspace_wide,
)
from tests.support.assistant import FakeManager, Pair, eventually

from .conftest import HeldClock

QUESTION = Message(
    id="q", room_id="r", author=User("anna", "anna"), text="why?", time=1.0, updated=1.0
)


class Server:
    """Keeps messages; `failing` is called before each call and may raise."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.removed: set[str] = set()
        self.calls: list[tuple[str, str]] = []
        self.limit = 10_000
        self.failing: Callable[[str, str], None] = lambda _what, _id: None

    async def send(
        self, room_id: str, text: str, *, message_id: str, thread_id: str | None = None
    ) -> None:
        assert (room_id, thread_id) == ("r", "q")
        self._call("send", message_id, text)
        self.texts.setdefault(message_id, text)

    async def edit(self, _room_id: str, message_id: str, text: str) -> None:
        self._call("edit", message_id, text)
        if message_id not in self.texts:
            raise refusal("not-there")
        self.texts[message_id] = text

    async def delete(self, _room_id: str, message_id: str) -> None:
        self._call("delete", message_id, "")
        self.texts.pop(message_id, None)

    async def message(self, message_id: str) -> Message | None:
        if message_id in self.removed:
            return dataclasses.replace(QUESTION, id=message_id, system_type="rm")
        text = self.texts.get(message_id)
        return None if text is None else dataclasses.replace(QUESTION, id=message_id, text=text)

    def _call(self, what: str, message_id: str, text: str) -> None:
        self.calls.append((what, message_id))
        self.failing(what, message_id)
        if len(text) > self.limit:
            raise refusal("error-message-size-exceeded")

    def parts(self) -> list[str]:
        ids = [reply_id("q", number) for number in range(40)]
        return [self.texts[i] for i in ids if i in self.texts]


def refusal(code: str) -> RefusedError:
    return RefusedError("POST was refused", code=code)


@pytest.fixture
def server() -> Server:
    return Server()


def sheet(server: Any, *, limit: int = 5000, begun: str = "") -> Sheet:
    return Sheet(server, QUESTION, limit=limit, begun=begun)


def once(error: Exception, *, what: str = "edit") -> Callable[[str, str], None]:
    left = [error]

    def fail(called: str, _message_id: str) -> None:
        if called == what and left:
            raise left.pop()

    return fail


async def test_it_is_posted_edited_and_finished(server: Server) -> None:
    page = sheet(server)
    for text in ("one", "one two", "one two"):
        await page.bring(text, finished=False)
    await page.bring("one two three", finished=True)
    assert server.parts() == ["one two three"]
    assert [what for what, _ in server.calls] == ["send", "edit", "edit"]


async def test_the_first_part_is_finished_last(server: Server) -> None:
    page = sheet(server, limit=100)
    await page.bring("word " * 30, finished=False)
    seen: list[list[bool]] = []
    server.failing = lambda _what, _id: seen.append([is_unfinished(t) for t in server.parts()])
    await page.bring("word " * 60, finished=True)
    assert seen
    assert all(marks[0] for marks in seen), "whoever looks now sees that it is not finished"
    assert not any(is_unfinished(text) for text in server.parts())


async def test_an_edit_that_fails_is_made_up_for_by_the_next(server: Server) -> None:
    page = sheet(server)
    await page.bring("one", finished=False)
    server.failing = once(errors.TransientError("no answer"))
    with pytest.raises(errors.TransientError):
        await page.bring("one two", finished=False)
    await page.bring("one two three", finished=True)
    assert server.parts() == ["one two three"]


async def test_an_edit_that_may_have_worked_is_not_taken_for_undone(server: Server) -> None:
    page = sheet(server)
    await page.bring("one", finished=True)

    def lost_answer(what: str, message_id: str) -> None:
        if what == "edit":
            server.texts[message_id] = "other"
            raise errors.TransientError("no answer")

    server.failing = lost_answer
    with pytest.raises(errors.TransientError):
        await page.bring("other", finished=True)
    server.failing = lambda _what, _id: None
    await page.bring("one", finished=True)
    assert server.parts() == ["one"]


async def test_a_post_that_may_have_worked_is_brought_up_to_date(server: Server) -> None:
    page = sheet(server)

    def lost_answer(what: str, message_id: str) -> None:
        if what == "send" and message_id not in server.texts:
            server.texts[message_id] = "older" + MARK
            raise errors.TransientError("no answer")

    server.failing = lost_answer
    with pytest.raises(errors.TransientError):
        await page.bring("older", finished=False)
    await page.bring("newer", finished=True)
    assert server.parts() == ["newer"]


async def test_what_another_core_began_is_written_over(server: Server) -> None:
    for number in range(3):
        server.texts[reply_id("q", number)] = f"old {number}" + MARK
    page = sheet(server, begun="old 0" + MARK)
    await page.bring("all new", finished=True)
    assert server.parts() == ["all new"]
    longer = sheet(server, limit=100, begun="all new")
    server.texts[reply_id("q", 1)] = "old"
    await longer.bring("word " * 30, finished=True)
    assert len(server.parts()) == 2
    assert "old" not in server.parts()


async def test_a_part_that_may_not_be_deleted_says_nothing_wrong(server: Server) -> None:
    server.texts[reply_id("q", 1)] = "old"
    page = sheet(server, begun="old")
    server.texts[reply_id("q", 0)] = "old"
    server.failing = once(refusal("error-action-not-allowed"), what="delete")
    await page.bring("new", finished=True)
    assert server.parts() == ["new", WITHDRAWN]


async def test_a_removed_reply_comes_back_once(server: Server) -> None:
    page = sheet(server)
    await page.bring("one", finished=False)
    server.texts.clear()
    await page.bring("one two", finished=False)
    assert server.parts() == ["one two" + MARK]
    server.texts.clear()
    with pytest.raises(ReplyGoneError):
        await page.bring("one two three", finished=False)
    assert server.parts() == []


async def test_a_reply_marked_as_removed_stays_so(server: Server) -> None:
    page = sheet(server)
    await page.bring("one", finished=False)
    server.removed.add(reply_id("q"))
    server.failing = once(refusal("error-action-not-allowed"))
    with pytest.raises(ReplyGoneError):
        await page.bring("one two", finished=False)


async def test_a_refusal_that_says_something_else_comes_out(server: Server) -> None:
    page = sheet(server)
    await page.bring("one", finished=False)
    server.failing = once(refusal("error-action-not-allowed"))
    with pytest.raises(RefusedError):
        await page.bring("one two", finished=False)


async def test_a_server_with_a_smaller_limit_gets_shorter_parts(server: Server) -> None:
    server.limit = 300
    page = sheet(server, limit=5000)
    await page.bring("word " * 200, finished=True)
    assert max(map(len, server.parts())) <= 300
    assert "".join("".join(part.split()) for part in server.parts()) == "word" * 200


async def test_everything_is_taken_back(server: Server) -> None:
    page = sheet(server, limit=100)
    await page.bring("word " * 60, finished=False)
    assert len(server.parts()) > 2
    await page.erase()
    assert server.parts() == []


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (refusal("restricted-workspace"), True),
        (refusal("unauthorized"), True),
        (refusal("room-is-read-only"), False),
        (errors.PermanentError("no trust"), True),
        (errors.TransientError("no answer"), False),
    ],
)
def test_what_concerns_everything_we_write(error: errors.HeykenError, *, expected: bool) -> None:
    assert is_workspace_wide(error) is expected


async def test_while_the_workspace_refuses_one_tries_for_all(
    monkeypatch: pytest.MonkeyPatch, clock: HeldClock
) -> None:
    monkeypatch.setattr(assistant_sheet, "_SLOWLY_SECONDS", 0.05)
    holder = Holder(FakeManager(Pair(), 1), clock.monotonic)
    await holder.look()
    obstacles, tries = Obstacles(), list[int]()
    patience = Patience(holder, obstacles)
    refused = [True]

    async def write(number: int) -> int:
        tries.append(number)
        if refused[0]:
            raise refusal("restricted-workspace")
        return number

    tasks = [asyncio.create_task(patience.until_done(lambda n=n: write(n))) for n in range(50)]  # type: ignore[misc]
    await eventually(lambda: len(tries) >= 55, "it is tried now and then")
    assert len(tries) < 100
    assert obstacles.stand_in_the_way("write")
    refused[0] = False
    assert await asyncio.wait_for(asyncio.gather(*tasks), 10) == list(range(50))
    assert obstacles.reason == ""


async def test_that_reading_works_says_nothing_about_writing(clock: HeldClock) -> None:
    holder = Holder(FakeManager(Pair(), 1), clock.monotonic)
    await holder.look()
    obstacles = Obstacles()
    patience = Patience(holder, obstacles)

    async def refuse() -> None:
        raise refusal("restricted-workspace")

    async def read() -> int:
        return 1

    with capture_logs() as lines:
        for _ in range(5):
            with pytest.raises(RefusedError):
                await patience.once(refuse)
            assert await patience.read(read) == 1
    assert obstacles.stand_in_the_way("write")
    assert len(lines) == 1


def test_an_obstacle_is_named_until_it_is_past() -> None:
    now = [0.0]
    obstacles = Obstacles(lambda: now[0])
    obstacles.note("write", "restricted-workspace")
    obstacles.note("feed", "gone", is_logged=True)
    assert obstacles.reason == "restricted-workspace; gone"
    assert obstacles.stand_in_the_way("write", "login")
    obstacles.clear("write")
    obstacles.clear("never")
    assert not obstacles.stand_in_the_way("write", "login")
    assert obstacles.reason == "gone"
