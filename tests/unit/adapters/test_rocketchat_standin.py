"""The adapter and the stand-in keep one contract: the calls of one are the answers of the other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from heyken_glue import errors
from heyken_glue.adapters.rocketchat import refusals
from heyken_glue.adapters.rocketchat.client import Conduct, Login, RefusedError, RocketChatClient
from heyken_glue.domain.chat import Room, RoomKind, User
from heyken_glue.runtime import http
from tests.support.rocketchat import BOT, StandIn, standin

ID = "abcdefghijklm0001"


async def _no_pause(_seconds: float) -> None:
    """Wait for nothing."""


@pytest.fixture(params=["8.8.1", "9.0.0"])
async def chat(request: pytest.FixtureRequest) -> AsyncIterator[StandIn]:
    async with standin(version=request.param) as running:
        yield running


@pytest.fixture
async def bot(chat: StandIn) -> AsyncIterator[RocketChatClient]:
    login = Login(chat.ids[BOT], chat.tokens[BOT])
    async with http.session(total_seconds=60) as session:
        yield RocketChatClient(session, chat.url, login, conduct=Conduct(pause=_no_pause))


async def _refused(chat: StandIn, bot: RocketChatClient, room: str, text: str = "text") -> str:
    with pytest.raises(RefusedError) as caught:
        await bot.send(chat.rooms.get(room, room), text, message_id=ID)
    return caught.value.code


async def test_who_we_are_and_what_it_is(chat: StandIn, bot: RocketChatClient) -> None:
    assert await bot.me() == User(chat.ids[BOT], BOT)
    assert (await bot.version()).startswith(chat.workspace.modes.version.rpartition(".")[0])
    assert await bot.size_limit() == 5000


async def test_a_revoked_token_is_unauthorized(chat: StandIn) -> None:
    async with http.session(total_seconds=60) as session:
        stranger = RocketChatClient(session, chat.url, Login(chat.ids[BOT], "revoked"))
        for call in (stranger.me(), stranger.rooms(), stranger.send("r", "x", message_id=ID)):
            with pytest.raises(RefusedError) as caught:
                await call
            assert caught.value.code == refusals.UNAUTHORIZED


async def test_rooms_are_seen_as_they_are(chat: StandIn, bot: RocketChatClient) -> None:
    direct = await chat.direct("user", BOT)
    rooms = {room.id: room for room in await bot.rooms()}
    assert rooms["GENERAL"] == Room(id="GENERAL", kind=RoomKind.CHANNEL, name="general")
    assert rooms[direct].kind is RoomKind.DIRECT
    assert rooms[chat.rooms["heyken-sandbox"]].kind is RoomKind.GROUP
    assert await bot.room(direct) == rooms[direct]
    assert await bot.room_named("heyken-logs") == rooms[chat.rooms["heyken-logs"]]
    assert (await bot.room("nowhere"), await bot.room_named("nowhere")) == (None, None)


async def test_rooms_that_changed(chat: StandIn, bot: RocketChatClient) -> None:
    message = await chat.post("user", "heyken-logs", "now")
    found = await bot.message(message["_id"])
    assert found is not None
    changed = {room.id for room in await bot.rooms(changed_since=found.updated - 0.001)}
    assert chat.rooms["heyken-logs"] in changed
    assert not await bot.rooms(changed_since=found.updated + 60)


async def test_a_message_sent_twice_is_there_once(chat: StandIn, bot: RocketChatClient) -> None:
    for _ in range(2):
        await bot.send("GENERAL", "zażółć", message_id=ID)
    found = await bot.message(ID)
    assert found is not None
    assert (found.text, found.author.username) == ("zażółć", BOT)
    assert [entry["_id"] for entry in await chat.messages("general")] == [ID]


async def test_a_lost_answer_does_not_double_a_message(
    chat: StandIn, bot: RocketChatClient
) -> None:
    await chat.set_modes(lose_answers=1)
    await bot.send("GENERAL", "once", message_id=ID)
    assert [entry["msg"] for entry in await chat.messages("general")] == ["once"]


async def test_a_failing_server_is_tried_again(chat: StandIn, bot: RocketChatClient) -> None:
    await chat.set_modes(fail_requests=3)
    await bot.send("GENERAL", "once", message_id=ID)
    await chat.set_modes(fail_requests=2)
    await bot.edit("GENERAL", ID, "twice")
    assert [entry["msg"] for entry in await chat.messages("general")] == ["twice"]


async def test_edits_and_deletions(bot: RocketChatClient) -> None:
    await bot.send("GENERAL", "one", message_id=ID)
    await bot.edit("GENERAL", ID, "two")
    found = await bot.message(ID)
    assert found is not None
    assert (found.text, found.edited) == ("two", True)
    await bot.delete("GENERAL", ID)
    assert await bot.message(ID) is None
    await bot.delete("GENERAL", ID)
    with pytest.raises(RefusedError):
        await bot.edit("GENERAL", ID, "three")


async def test_a_thread_with_mentions(chat: StandIn, bot: RocketChatClient) -> None:
    question = await chat.post("user", "general", f"@{BOT} hello")
    await bot.send("GENERAL", "hi", message_id=ID, thread_id=question["_id"])
    follow_up = await chat.post("user", "general", "and?", thread_id=question["_id"])
    thread = await bot.thread(question["_id"])
    assert [entry.id for entry in thread] == [question["_id"], ID, follow_up["_id"]]
    assert thread[0].mentions == {chat.ids[BOT]}
    assert {entry.thread_id for entry in thread[1:]} == {question["_id"]}
    assert await bot.thread("nothing") == ()


async def test_what_changed_since_then_is_read_to_the_end(
    chat: StandIn, bot: RocketChatClient
) -> None:
    old = await chat.post("user", "general", "old")
    posted = [(await chat.post("user", "general", f"m{number}"))["_id"] for number in range(130)]
    first = await bot.message(posted[0])
    assert first is not None
    await chat.api("user", "chat.react", messageId=old["_id"], emoji=":eyes:")
    await chat.api("user", "chat.delete", roomId="GENERAL", msgId=posted[7])
    changed = await bot.changed_since("GENERAL", first.updated - 0.001)
    assert {entry.id for entry in changed} == {old["_id"], *posted} - {posted[7]}
    assert len(changed) == 130
    assert [entry.time for entry in changed] == sorted(entry.time for entry in changed)
    assert await bot.changed_since("GENERAL", first.updated + 600) == ()


async def test_roles_that_matter_are_seen(chat: StandIn, bot: RocketChatClient) -> None:
    assert "admin" in await bot.roles_of(chat.ids["admin"])
    assert "admin" not in await bot.roles_of(chat.ids["user"])
    assert await bot.roles_of("nobody") == frozenset()


async def test_a_workspace_without_licence_says_so(chat: StandIn, bot: RocketChatClient) -> None:
    await bot.send("GENERAL", "one", message_id="a" * 17)
    await chat.set_modes(restricted_workspace=True)
    assert await _refused(chat, bot, "general") == "restricted-workspace"
    with pytest.raises(RefusedError) as caught:
        await bot.edit("GENERAL", "a" * 17, "two")
    assert caught.value.code == "restricted-workspace"


async def test_a_text_that_is_too_long_says_so(chat: StandIn, bot: RocketChatClient) -> None:
    await bot.send("GENERAL", "x" * 5000, message_id="a" * 17)
    assert await _refused(chat, bot, "general", "x" * 5001) == "error-message-size-exceeded"


async def test_rooms_where_nobody_may_write_say_so(chat: StandIn, bot: RocketChatClient) -> None:
    logs = chat.rooms["heyken-logs"]
    await chat.api("admin", "channels.setReadOnly", roomId=logs, readOnly=True)
    assert await _refused(chat, bot, "heyken-logs") == refusals.READ_ONLY
    room = await bot.room(logs)
    assert room is not None
    assert room.read_only
    await chat.api("admin", "channels.archive", roomId=chat.rooms["heyken-system"])
    assert await _refused(chat, bot, "heyken-system")
    room = await bot.room_named("heyken-system")
    assert room is not None
    assert room.archived
    assert await _refused(chat, bot, "nowhere")


async def test_a_rate_limit_names_the_delay(chat: StandIn, bot: RocketChatClient) -> None:
    await chat.set_modes(rate_limit="everybody", rate_limit_calls=1, rate_limit_seconds=60)
    await bot.me()
    with pytest.raises(errors.TransientError) as caught:
        await bot.me()
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 60


async def test_a_server_that_comes_back_is_used_again(chat: StandIn, bot: RocketChatClient) -> None:
    await bot.send("GENERAL", "before", message_id="a" * 17)
    await chat.stop()
    with pytest.raises(errors.TransientError):
        await bot.send("GENERAL", "after", message_id=ID)
    await chat.start()
    await bot.send("GENERAL", "after", message_id=ID)
    assert [entry["msg"] for entry in await chat.messages("general")] == ["before", "after"]
