"""Sending, editing, deleting, reacting, threads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.rocketchat import StandIn, standin

REPEATED = "Cannot read properties of undefined (reading 'starred')"


async def test_a_message_has_the_documented_shape(chat: StandIn) -> None:
    sent = await chat.post(
        "user", "general", "hi @admin, see #heyken-logs and https://a.example/b."
    )
    assert len(sent["_id"]) == 17
    assert sent["rid"] == "GENERAL"
    assert sent["u"] == {"_id": chat.ids["user"], "username": "user", "name": "User"}
    assert sent["ts"] == sent["_updatedAt"]
    assert sent["ts"].endswith("Z")
    assert [it["_id"] for it in sent["mentions"]] == [chat.ids["admin"]]
    assert [it["name"] for it in sent["channels"]] == ["heyken-logs"]
    assert [it["url"] for it in sent["urls"]] == ["https://a.example/b"]
    assert await chat.get("user", "chat.getMessage", msgId=sent["_id"]) == {
        "message": sent,
        "success": True,
    }


async def test_a_repeated_id_is_not_inserted_again_and_fails_oddly(chat: StandIn) -> None:
    await chat.post("user", "general", "once", message_id="a" * 17)
    message = {"message": {"rid": "GENERAL", "msg": "twice", "_id": "a" * 17}}
    answer = await chat.call("user", "POST", "chat.sendMessage", message)
    assert answer == (400, {"success": False, "error": REPEATED})
    assert [it["msg"] for it in await chat.messages("general")] == ["once"]


async def test_the_same_id_sent_at_once_is_inserted_once(chat: StandIn) -> None:
    message = {"message": {"rid": "GENERAL", "msg": "race", "_id": "b" * 17}}
    sends = [chat.call("user", "POST", "chat.sendMessage", message) for _ in range(5)]
    answers = await asyncio.gather(*sends)
    assert sorted(status for status, _ in answers) == [200, 400, 400, 400, 400]
    assert len(await chat.messages("general")) == 1


@pytest.mark.parametrize(
    "target", ["GENERAL", "#general", "general", "@heyken_bot", ["#general", "#heyken-logs"]]
)
async def test_posting_finds_its_room_by_every_name(chat: StandIn, target: str | list[str]) -> None:
    answer = await chat.api("user", "chat.postMessage", channel=target, text="posted")
    assert isinstance(answer["ts"], int)
    assert answer["message"]["msg"] == "posted"
    assert answer["message"]["groupable"] is False
    assert answer["channel"] == ("@heyken_bot" if target == "@heyken_bot" else "general")
    if isinstance(target, list):
        assert [it["msg"] for it in await chat.messages("heyken-logs")] == ["posted"]


@pytest.mark.parametrize("target", ["#nowhere", "@nobody", "", None, 5])
async def test_posting_nowhere_is_an_invalid_channel(chat: StandIn, target: object) -> None:
    values = {"channel": target, "text": "lost"}
    status, body = await chat.call("user", "POST", "chat.postMessage", values)
    refused = {"success": False, "error": "[invalid-channel]", "errorType": "invalid-channel"}
    assert (status, body) == (400, refused)


async def test_another_name_and_picture_need_the_permission(chat: StandIn) -> None:
    values = {"channel": "#general", "text": "x", "alias": "Somebody"}
    status, body = await chat.call("user", "POST", "chat.postMessage", values)
    assert (status, body) == (400, {"success": False, "error": "Not enough permission"})
    answer = await chat.api("heyken_bot", "chat.postMessage", **values)
    assert answer["message"]["alias"] == "Somebody"


async def test_the_size_limit_counts_as_the_product_does() -> None:
    async with standin(settings={"Message_MaxAllowedSize": "10"}) as chat:
        assert (await chat.post("user", "general", "x" * 10))["msg"] == "x" * 10
        assert (await chat.post("user", "general", "😀" * 5))["msg"] == "😀" * 5
        for text in ("x" * 11, "😀" * 5 + "x"):
            message = {"message": {"rid": "GENERAL", "msg": text}}
            status, body = await chat.call("user", "POST", "chat.sendMessage", message)
            assert (status, body["errorType"]) == (400, "error-message-size-exceeded")
            assert body["error"].startswith("Message size exceeds Message_MaxAllowedSize")
            posted = await chat.call(
                "user", "POST", "chat.postMessage", {"roomId": "GENERAL", "text": text}
            )
            assert posted == (400, {"success": False, "error": "error-message-size-exceeded"})


async def test_a_hundred_kilobytes_are_refused_not_feared(chat: StandIn) -> None:
    message = {"message": {"rid": "GENERAL", "msg": "x" * 100_000}}
    status, body = await chat.call("user", "POST", "chat.sendMessage", message)
    assert (status, body["errorType"]) == (400, "error-message-size-exceeded")


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"msg": "x"}, "The 'rid' property on the message object is missing."),
        ({"rid": "nowhere", "msg": "x"}, "error-invalid-room"),
        ({"rid": "GENERAL", "msg": "x", "t": "uj"}, "Cannot send system messages"),
        ({"rid": "GENERAL", "msg": "x", "tshow": True}, "tshow provided but missing tmid"),
        ({"rid": "GENERAL", "msg": "x", "ts": "2020-01-01T00:00:00Z"}, "Message timestamp is out"),
        ({"rid": "GENERAL", "msg": "x", "ts": "soon"}, "Match error"),
        ({"rid": "GENERAL", "msg": 5}, "must be string"),
        ({"rid": 5, "msg": "x"}, "must be string"),
        ({"rid": "GENERAL", "msg": "x", "attachments": "none"}, "Match error"),
    ],
)
async def test_a_message_that_makes_no_sense_is_refused(
    chat: StandIn, message: dict[str, Any], error: str
) -> None:
    status, body = await chat.call("user", "POST", "chat.sendMessage", {"message": message})
    assert (status, body["success"]) == (400, False)
    assert body["error"].startswith(error), body
    assert await chat.messages("general") == []


async def test_a_time_of_the_clients_own_is_kept_if_it_is_close() -> None:
    now = 1_800_000_000.0
    async with standin(clock=lambda: now) as chat:
        times = {}
        for apart in (9, 11):
            ts = f"2027-01-15T07:59:{60 - apart:02d}.500Z"
            message = {"rid": "GENERAL", "msg": "x", "ts": ts}
            body = await chat.api("user", "chat.sendMessage", message=message)
            times[apart] = body["message"]["ts"]
        assert times == {9: "2027-01-15T07:59:51.500Z", 11: "2027-01-15T08:00:00.000Z"}


async def test_a_room_that_one_may_not_see_is_refused(chat: StandIn) -> None:
    room_id = (await chat.api("admin", "groups.create", name="secret"))["group"]["_id"]
    message = {"message": {"rid": room_id, "msg": "let me in"}}
    status, body = await chat.call("user", "POST", "chat.sendMessage", message)
    assert (status, body) == (400, {"success": False, "error": "error-not-allowed"})
    await chat.set_modes(error_shapes="9")
    status, body = await chat.call("user", "POST", "chat.sendMessage", message)
    assert (status, body["errorType"]) == (403, "error-forbidden")


async def test_everybody_is_mentioned_only_by_those_who_may(chat: StandIn) -> None:
    sent = await chat.post("user", "general", "@all and @here")
    assert [it["_id"] for it in sent["mentions"]] == ["all", "here"]
    await chat.api("admin", "roles.removeUserFromRole", roleId="user", username="heyken_bot")
    message = {"message": {"rid": "GENERAL", "msg": "@all"}}
    status, body = await chat.call("heyken_bot", "POST", "chat.sendMessage", message)
    assert (status, body["errorType"]) == (400, "error-action-not-allowed")


async def test_many_mentions_of_one_are_one(chat: StandIn) -> None:
    sent = await chat.post("user", "general", "@admin " * 500 + "mail@admin @nobody @admin.")
    assert [it["username"] for it in sent["mentions"]] == ["admin"]


async def test_an_edit_changes_text_mentions_and_marks_it(chat: StandIn) -> None:
    sent = await chat.post("heyken_bot", "general", "thinking")
    wanted = {"roomId": "GENERAL", "msgId": sent["_id"], "text": "done, @admin"}
    edited = (await chat.api("heyken_bot", "chat.update", **wanted))["message"]
    assert (edited["msg"], edited["ts"]) == ("done, @admin", sent["ts"])
    assert edited["editedBy"] == {"_id": chat.ids["heyken_bot"], "username": "heyken_bot"}
    assert sent["_updatedAt"] <= edited["editedAt"] <= edited["_updatedAt"]
    assert [it["username"] for it in edited["mentions"]] == ["admin"]
    room = (await chat.get("user", "rooms.info", roomId="GENERAL"))["room"]
    assert room["lastMessage"]["msg"] == "done, @admin"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"msgId": "nothing"}, 'No message found with the id of "nothing".'),
        ({"roomId": "other"}, "The room id provided does not match where the message is from."),
        ({"text": None}, "must have required property 'text'"),
        ({"text": 5}, "must be string"),
        ({"text": "x" * 6000}, "Message size exceeds Message_MaxAllowedSize"),
    ],
)
async def test_an_edit_that_makes_no_sense_is_refused(
    chat: StandIn, change: dict[str, Any], error: str
) -> None:
    sent = await chat.post("user", "general", "mine")
    wanted = {"roomId": "GENERAL", "msgId": sent["_id"], "text": "new"} | change
    status, body = await chat.call("user", "POST", "chat.update", wanted)
    assert status == 400
    assert body["error"].startswith(error), body


async def test_others_messages_are_left_alone(chat: StandIn) -> None:
    sent = await chat.post("admin", "general", "mine")
    wanted = {"roomId": "GENERAL", "msgId": sent["_id"]}
    edit = await chat.call("user", "POST", "chat.update", wanted | {"text": "yours"})
    assert (edit[0], edit[1]["errorType"]) == (400, "error-action-not-allowed")
    gone = await chat.call("user", "POST", "chat.delete", wanted)
    assert (gone[0], gone[1]["errorType"]) == (400, "error-action-not-allowed")
    assert [it["msg"] for it in await chat.messages("general")] == ["mine"]


async def test_own_edits_and_deletions_can_be_forbidden_after_a_time() -> None:
    now = 1_800_000_000.0
    settings = {
        "Message_AllowEditing_BlockEditInMinutes": "1",
        "Message_AllowDeleting_BlockDeleteInMinutes": "1",
    }
    async with standin(clock=lambda: now, settings=settings) as chat:
        ids = {name: (await chat.post(name, "general", name))["_id"] for name in chat.tokens}
        now += 61
        statuses = {}
        for name in ("user", "heyken_bot"):
            wanted = {"roomId": "GENERAL", "msgId": ids[name], "text": "late"}
            statuses[name] = (await chat.call(name, "POST", "chat.update", wanted))[0]
        assert statuses == {"user": 400, "heyken_bot": 200}
        gone = {"roomId": "GENERAL", "msgId": ids["user"]}
        assert (await chat.call("user", "POST", "chat.delete", gone))[0] == 400
        assert (await chat.call("admin", "POST", "chat.delete", gone))[0] == 200


async def test_a_deleted_message_is_gone(chat: StandIn) -> None:
    sent = await chat.post("user", "general", "oops")
    answer = await chat.api("user", "chat.delete", roomId="GENERAL", msgId=sent["_id"])
    assert answer["_id"] == answer["message"]["_id"] == sent["_id"]
    missing = await chat.call("user", "GET", "chat.getMessage", {"msgId": sent["_id"]})
    assert missing == (400, {"success": False})


async def test_a_deleted_message_can_leave_a_trace() -> None:
    async with standin(settings={"Message_ShowDeletedStatus": "true"}) as chat:
        sent = await chat.post("user", "general", "oops")
        await chat.api("user", "chat.delete", roomId="GENERAL", msgId=sent["_id"])
        left = (await chat.get("user", "chat.getMessage", msgId=sent["_id"]))["message"]
        assert (left["t"], left["msg"]) == ("rm", "")


async def test_reactions_come_and_go(chat: StandIn) -> None:
    message_id = (await chat.post("user", "general", "nice"))["_id"]

    async def reactions() -> dict[str, list[str]]:
        message = (await chat.get("user", "chat.getMessage", msgId=message_id))["message"]
        return {key: it["usernames"] for key, it in message.get("reactions", {}).items()}

    await chat.api("user", "chat.react", messageId=message_id, emoji=":eyes:")
    await chat.api("admin", "chat.react", messageId=message_id, reaction="eyes", shouldReact=True)
    await chat.api("admin", "chat.react", messageId=message_id, emoji=":eyes:", shouldReact=True)
    assert await reactions() == {":eyes:": ["user", "admin"]}
    await chat.api("user", "chat.react", messageId=message_id, emoji=":eyes:")
    assert await reactions() == {":eyes:": ["admin"]}
    await chat.api("admin", "chat.react", messageId=message_id, emoji=":eyes:", shouldReact=False)
    assert await reactions() == {}
    for values in ({"messageId": message_id, "emoji": "not an emoji"}, {"messageId": "x"}):
        assert (await chat.call("user", "POST", "chat.react", {"emoji": ":x:"} | values))[0] == 400


async def test_a_thread_counts_its_replies_and_who_follows(chat: StandIn) -> None:
    parent = await chat.post("user", "general", "a question")
    first = await chat.post("heyken_bot", "general", "an answer", thread_id=parent["_id"])
    nested = await chat.post("admin", "general", "@user nested", thread_id=first["_id"])
    assert nested["tmid"] == parent["_id"], "a reply to a reply goes to the thread"
    after = (await chat.get("user", "chat.getMessage", msgId=parent["_id"]))["message"]
    assert (after["tcount"], after["tlm"]) == (2, nested["ts"])
    assert set(after["replies"]) == set(chat.ids.values())
    thread = await chat.get("user", "chat.getThreadMessages", tmid=parent["_id"])
    assert [it["msg"] for it in thread["messages"]] == ["an answer", "@user nested"]
    assert thread["total"] == 2
    threads = (await chat.get("user", "chat.getThreadsList", rid="GENERAL"))["threads"]
    assert [it["_id"] for it in threads] == [parent["_id"]]
    room = (await chat.get("user", "rooms.info", roomId="GENERAL"))["room"]
    assert room["lastMessage"]["_id"] == parent["_id"], "replies are not shown in the room"
    await chat.api("admin", "chat.delete", roomId="GENERAL", msgId=nested["_id"])
    after = (await chat.get("user", "chat.getMessage", msgId=parent["_id"]))["message"]
    assert after["tcount"] == 1


async def test_history_keeps_to_its_times() -> None:
    now = 1_800_000_000.0
    async with standin(clock=lambda: now) as chat:
        sent = []
        for index in range(5):
            now += 1
            sent.append(await chat.post("user", "general", str(index)))
        query = {"roomId": "GENERAL", "oldest": sent[1]["ts"], "latest": sent[3]["ts"]}
        found = await chat.get("user", "channels.history", **query)
        assert [it["msg"] for it in found["messages"]] == ["2"]
        found = await chat.get("user", "channels.history", **query, inclusive="true")
        assert [it["msg"] for it in found["messages"]] == ["3", "2", "1"]
        found = await chat.get("user", "channels.history", roomId="GENERAL", count=2, offset=1)
        assert [it["msg"] for it in found["messages"]] == ["3", "2"]


async def test_a_text_is_found(chat: StandIn) -> None:
    await chat.post("user", "general", "The needle is here")
    await chat.post("user", "general", "only hay")
    found = await chat.get("user", "chat.search", roomId="GENERAL", searchText="NEEDLE")
    assert [it["msg"] for it in found["messages"]] == ["The needle is here"]
