"""What is told live: messages, changes, typing, deletions, rooms; and to whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.doors import eventually
from tests.support.rocketchat import StandIn

MY = "__my_messages__"
MESSAGES = "stream-room-messages"


async def test_nobody_listens_without_a_login(chat: StandIn) -> None:
    async with chat.socket() as socket:
        await socket.send(msg="connect", version="1", support=["1"])
        for stream, event in (
            (MESSAGES, MY),
            (MESSAGES, "GENERAL"),
            ("stream-notify-room", "GENERAL/user-activity"),
            ("stream-notify-user", f"{chat.ids['user']}/rooms-changed"),
        ):
            answer = await socket.sub(stream, event, False)
            assert (answer["msg"], answer["error"]["error"]) == ("nosub", "not-allowed")


async def test_a_message_comes_once_per_subscription_with_dates_of_the_socket(
    chat: StandIn,
) -> None:
    async with chat.socket("heyken_bot") as socket:
        option = {"useCollection": False, "args": []}
        assert await socket.sub(MESSAGES, "GENERAL", option) == {
            "msg": "ready",
            "subs": [f"{MESSAGES} GENERAL"],
        }
        await socket.sub(MESSAGES, MY, False)
        sent = await chat.post("user", "general", "hello")
        frames = [frame for frame in await socket.flush() if frame["msg"] == "changed"]
        assert [frame["id"] for frame in frames] == ["id", "id"]
        events = {frame["fields"]["eventName"]: frame["fields"]["args"] for frame in frames}
        assert list(events["GENERAL"][0]) == list(events[MY][0])
        assert len(events["GENERAL"]) == 1
        extra = {"roomParticipant": True, "roomType": "c", "roomName": "general"}
        assert events[MY][1] == extra
        message = events["GENERAL"][0]
        assert message["_id"] == sent["_id"]
        assert isinstance(message["ts"]["$date"], int)
        assert isinstance(message["_updatedAt"]["$date"], int)


async def test_edits_reactions_and_replies_emit_the_message_again(chat: StandIn) -> None:
    async with chat.socket("heyken_bot") as socket:
        await socket.sub(MESSAGES, MY, False)
        sent = await chat.post("user", "general", "hello")
        wanted = {"roomId": "GENERAL", "msgId": sent["_id"]}
        await chat.api("user", "chat.update", **wanted, text="hello!")
        await chat.api("admin", "chat.react", messageId=sent["_id"], emoji=":wave:")
        reply = await chat.post("admin", "general", "hi", thread_id=sent["_id"])
        told = [arguments[0] for _, arguments in await socket.events()]
        assert [it["_id"] for it in told] == [*[sent["_id"]] * 3, reply["_id"], sent["_id"]]
        assert "editedAt" in told[1]
        assert told[2]["reactions"] == {":wave:": {"usernames": ["admin"]}}
        assert told[-1]["tcount"] == 1


async def test_an_edit_to_the_same_text_is_none(chat: StandIn) -> None:
    sent = await chat.post("user", "general", "same")
    async with chat.socket("heyken_bot") as socket:
        await socket.sub(MESSAGES, MY, False)
        wanted = {"roomId": "GENERAL", "msgId": sent["_id"], "text": "same"}
        assert "editedAt" not in (await chat.api("user", "chat.update", **wanted))["message"]
        assert await socket.events() == []


async def test_all_that_one_may_see_and_nothing_else(chat: StandIn) -> None:
    secret = (await chat.api("admin", "groups.create", name="secret"))["group"]["_id"]
    never_joined = (await chat.api("admin", "channels.create", name="open"))["channel"]["_id"]
    direct = await chat.direct("user", "admin")
    async with chat.socket("heyken_bot") as socket:
        await socket.sub(MESSAGES, MY, False)
        for room in (secret, never_joined, direct, "heyken-sandbox"):
            await chat.post("admin", room, "x")
        events = await socket.events()
        told = [(arguments[0]["rid"], arguments[1]) for _, arguments in events]
        assert told == [
            (never_joined, {"roomParticipant": False, "roomType": "c", "roomName": "open"}),
            (
                chat.rooms["heyken-sandbox"],
                {"roomParticipant": True, "roomType": "p", "roomName": "heyken-sandbox"},
            ),
        ]
        answer = await socket.sub(MESSAGES, secret, False)
        assert answer["error"]["error"] == "not-allowed"


async def test_who_is_taken_out_hears_no_more(chat: StandIn) -> None:
    room_id = chat.rooms["heyken-sandbox"]
    async with chat.socket("user") as socket:
        await socket.sub(MESSAGES, room_id, False)
        await socket.sub("stream-notify-room", f"{room_id}/user-activity", False)
        await chat.post("admin", room_id, "heard")
        await chat.api("admin", "groups.kick", roomId=room_id, userId=chat.ids["user"])
        await socket.flush()
        await chat.post("admin", room_id, "not heard")
        assert await socket.events() == []


async def test_a_deactivated_user_hears_no_more(chat: StandIn) -> None:
    async with chat.socket("user") as socket:
        await socket.sub(MESSAGES, MY, False)
        await socket.sub("stream-notify-user", f"{chat.ids['user']}/force_logout", False)
        wanted = {"userId": chat.ids["user"], "activeStatus": False}
        await chat.api("admin", "users.setActiveStatus", **wanted)
        await chat.post("admin", "general", "secret")
        assert [name for name, _ in await socket.events()] == [f"{chat.ids['user']}/force_logout"]
        assert (await socket.sub(MESSAGES, "GENERAL", False))["msg"] == "nosub"
        await eventually(lambda: not chat.workspace.streams.present[chat.ids["user"]])


async def test_unsub_is_answered_by_nosub_and_silence(chat: StandIn) -> None:
    async with chat.socket("heyken_bot") as socket:
        await socket.sub(MESSAGES, "GENERAL", False)
        await socket.send(msg="unsub", id=f"{MESSAGES} GENERAL")
        assert await socket.until("nosub") == {"msg": "nosub", "id": f"{MESSAGES} GENERAL"}
        await chat.post("user", "general", "nobody listens")
        assert await socket.flush() == []


async def test_older_clients_get_an_added_frame_first(chat: StandIn) -> None:
    async with chat.socket("heyken_bot") as socket:
        await socket.send(msg="sub", id="s", name=MESSAGES, params=[MY, True])
        added, ready = await socket.flush()
        assert (added["msg"], added["collection"], added["id"]) == ("added", MESSAGES, "id")
        assert ready == {"msg": "ready", "subs": ["s"]}


async def test_typing_is_told_to_others_in_both_forms(chat: StandIn) -> None:
    async with chat.socket("user") as hears, chat.socket("heyken_bot") as types:
        for socket in (hears, types):
            await socket.sub("stream-notify-room", "GENERAL/user-activity", False)
        await hears.sub("stream-notify-room", "GENERAL/typing", False)
        call = ("stream-notify-room", "GENERAL/user-activity", "heyken_bot")
        assert "error" not in await types.method(*call, ["user-typing"], {})
        await types.method(*call, [], {})
        await types.method("stream-notify-room", "GENERAL/typing", "heyken_bot", True)
        assert await hears.events() == [
            ("GENERAL/user-activity", ["heyken_bot", ["user-typing"], {}]),
            ("GENERAL/typing", ["heyken_bot", True]),
            ("GENERAL/user-activity", ["heyken_bot", [], {}]),
            ("GENERAL/typing", ["heyken_bot", False]),
            ("GENERAL/user-activity", ["heyken_bot", ["user-typing"], {}]),
            ("GENERAL/typing", ["heyken_bot", True]),
        ]
        parameters = ["GENERAL/user-activity", "heyken_bot", [], {}]
        await types.flush()
        await types.send(msg="method", method=call[0], id="x", params=parameters)
        assert [frame["msg"] for frame in await types.flush()] == ["result", "updated"], (
            "who types is not told"
        )


@pytest.mark.parametrize(
    "parameters",
    [
        ["GENERAL/user-activity", "admin", ["user-typing"], {}],
        ["nowhere/user-activity", "heyken_bot", ["user-typing"], {}],
        ["GENERAL/deleteMessage", {"_id": "x"}],
        ["GENERAL/user-activity", "heyken_bot", "nonsense"],
        ["GENERAL"],
        [5],
        [],
    ],
)
async def test_typing_that_is_not_ones_own_is_dropped(chat: StandIn, parameters: list[Any]) -> None:
    async with chat.socket("user") as hears, chat.socket("heyken_bot") as types:
        for event in ("user-activity", "deleteMessage"):
            await hears.sub("stream-notify-room", f"GENERAL/{event}", False)
        assert "error" not in await types.method("stream-notify-room", *parameters)
        wrong = [args for _, args in await hears.events() if args[:2] != ["heyken_bot", []]]
        assert wrong == []


async def test_a_deletion_is_told(chat: StandIn) -> None:
    sent = await chat.post("user", "general", "oops")
    async with chat.socket("heyken_bot") as socket:
        await socket.sub("stream-notify-room", "GENERAL/deleteMessage", False)
        await chat.api("user", "chat.delete", roomId="GENERAL", msgId=sent["_id"])
        assert await socket.events() == [("GENERAL/deleteMessage", [{"_id": sent["_id"]}])]


async def test_ones_own_rooms_are_told_and_nobody_elses(chat: StandIn) -> None:
    user_id = chat.ids["user"]
    async with chat.socket("user") as socket:
        for event in ("rooms-changed", "subscriptions-changed", "notification", "message"):
            await socket.sub("stream-notify-user", f"{user_id}/{event}", False)
        other = await socket.sub("stream-notify-user", f"{chat.ids['admin']}/message", False)
        assert other["error"]["error"] == "not-allowed"
        await chat.post("admin", "general", "@user look")
        told = {name.partition("/")[2]: args for name, args in await socket.events()}
        await chat.post("user", "general", "@user myself")
        assert f"{user_id}/notification" not in {name for name, _ in await socket.events()}
        assert told["subscriptions-changed"][0] == "updated"
        assert told["subscriptions-changed"][1]["userMentions"] == 1
        assert told["rooms-changed"][1]["lastMessage"]["msg"] == "@user look"
        assert told["notification"][0]["payload"]["rid"] == "GENERAL"
        made = (await chat.api("admin", "groups.create", name="new", members=["user"]))["group"]
        events = await socket.events()
        inserted = [name for name, args in events if args[0] == "inserted"]
        assert sorted(inserted) == [f"{user_id}/rooms-changed", f"{user_id}/subscriptions-changed"]
        await chat.api("admin", "groups.kick", roomId=made["_id"], userId=user_id)
        removed = [name for name, args in await socket.events() if args[0] == "removed"]
        assert sorted(removed) == sorted(inserted)


async def test_a_refused_message_is_told_to_its_sender_alone(chat: StandIn) -> None:
    await chat.api("admin", "rooms.muteUser", roomId="GENERAL", username="user")
    async with chat.socket("user") as socket:
        await socket.sub("stream-notify-user", f"{chat.ids['user']}/message", False)
        message = {"message": {"rid": "GENERAL", "msg": "x"}}
        assert (await chat.call("user", "POST", "chat.sendMessage", message))[0] == 400
        ((_, (notice,)),) = await socket.events()
        assert (notice["msg"], notice["private"]) == ("You_have_been_muted", True)


async def test_an_encrypted_message_and_one_of_an_integration_are_told_as_such(
    chat: StandIn,
) -> None:
    async with chat.socket("heyken_bot") as socket:
        await socket.sub(MESSAGES, MY, False)
        for extra in ({"t": "e2e", "content": {"ciphertext": "x"}}, {"bot": {"i": "hook"}}):
            message = {"rid": "GENERAL", "msg": "x"} | extra
            await chat.api("user", "chat.sendMessage", message=message)
        encrypted, posted = [arguments[0] for _, arguments in await socket.events()]
        assert (encrypted["t"], encrypted["content"]) == ("e2e", {"ciphertext": "x"})
        assert posted["bot"] == {"i": "hook"}
