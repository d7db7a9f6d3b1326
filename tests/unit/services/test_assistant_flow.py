"""The assistant as people meet it: units against the stand-in, with a scripted gateway."""

from __future__ import annotations

import asyncio

from heyken_glue.domain.conversation import is_unfinished
from tests.support.assistant import Scene, eventually
from tests.support.rocketchat import BOT


async def test_a_mention_in_a_channel_is_answered_in_a_thread(stage: Scene) -> None:
    await stage.start()
    asked = await stage.chat.post("user", "general", f"@{BOT} what is it?")
    assert await stage.finished(asked) == "You asked: what is it?"
    (reply,) = await stage.replies(asked["_id"])
    assert reply["tmid"] == asked["_id"]
    assert stage.gateway.asked[0]["asker"] == "rocketchat:user"
    assert stage.gateway.asked[0]["language"] == "en"


async def test_a_direct_message_needs_no_mention(stage: Scene) -> None:
    await stage.start()
    room = await stage.chat.direct("user", BOT)
    asked = await stage.chat.post("user", room, "Jaka jest stolica Polski?")
    assert await stage.finished(asked) == "You asked: Jaka jest stolica Polski?"
    assert stage.gateway.asked[0]["language"] == "pl"


async def test_what_people_say_to_each_other_is_not_answered(stage: Scene) -> None:
    await stage.start()
    await stage.chat.post("user", "general", "hello everybody")
    await stage.chat.post("user", "general", "@admin what is it?")
    root = await stage.chat.post("user", "general", "a thread")
    await stage.chat.post("admin", "general", "of others", thread_id=root["_id"])
    asked = await stage.chat.post("user", "general", f"@{BOT} and you?")
    await stage.finished(asked)
    assert len(stage.gateway.asked) == 1


async def test_a_follow_up_knows_the_thread(stage: Scene) -> None:
    await stage.start()
    first = await stage.chat.post("user", "general", f"@{BOT} my name is Anna")
    await stage.finished(first)
    second = await stage.chat.post("user", "general", "what is my name?", thread_id=first["_id"])
    await stage.finished(second)
    assert stage.gateway.asked[1]["messages"] == [
        {"role": "user", "content": "my name is Anna"},
        {"role": "assistant", "content": "You asked: my name is Anna"},
        {"role": "user", "content": "what is my name?"},
    ]


async def test_the_answer_grows_and_is_marked_until_it_is_finished(stage: Scene) -> None:
    more, end = asyncio.Event(), asyncio.Event()
    stage.gateway.script = lambda _body: ["Warsaw", more, " is it", end, "."]
    await stage.start()
    asked = await stage.chat.post("user", "general", f"@{BOT} the capital?")
    await eventually(lambda: stage.text(asked) == "Warsaw ▍", lambda: stage.text(asked))
    more.set()
    await eventually(lambda: stage.text(asked) == "Warsaw is it ▍", lambda: stage.text(asked))
    end.set()
    assert await stage.finished(asked) == "Warsaw is it."


async def test_a_long_answer_becomes_several_messages(stage: Scene) -> None:
    stage.gateway.script = lambda _body: ["word " * 1500, "\n\n", "more " * 500]
    await stage.start()
    asked = await stage.chat.post("user", "general", f"@{BOT} tell me")
    await stage.finished(asked)
    replies = await stage.replies(asked["_id"])
    assert len(replies) == 3
    assert all(len(reply["msg"]) <= 5000 for reply in replies)
    assert "".join(r["msg"] for r in replies).replace(" ", "").replace("\n", "") == (
        "word" * 1500 + "more" * 500
    )
    assert not any(is_unfinished(reply["msg"]) for reply in replies)


async def test_stop_ends_the_answer_and_keeps_what_was_said(stage: Scene) -> None:
    stage.gateway.script = lambda _body: ["half", asyncio.Event()]
    await stage.start()
    asked = await stage.chat.post("user", "general", f"@{BOT} tell me all")
    await eventually(lambda: stage.text(asked) == "half ▍", lambda: stage.text(asked))
    stop = await stage.chat.post("user", "general", "stop", thread_id=asked["_id"])
    assert await stage.finished(asked) == "half\n\nStopped."
    assert await stage.finished(stop) == "Stopped answers: 1."
    await eventually(lambda: stage.gateway.open == 0, "the model was stopped")


async def test_a_question_that_is_deleted_takes_its_answer_along(stage: Scene) -> None:
    stage.gateway.script = lambda _body: ["half", asyncio.Event()]
    await stage.start()
    asked = await stage.chat.post("user", "general", f"@{BOT} tell me all")
    await eventually(lambda: stage.text(asked) == "half ▍", lambda: stage.text(asked))
    room = stage.chat.rooms["general"]
    await stage.chat.api("admin", "chat.delete", roomId=room, msgId=asked["_id"])
    await eventually(lambda: stage.text(asked) == "", lambda: stage.text(asked))
    await eventually(lambda: stage.gateway.open == 0, "the model was stopped")
