"""Channels, groups, direct rooms, and what the caller has of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.rocketchat import StandIn


async def types_in(chat: StandIn, room: str) -> list[str]:
    """Return the system types of a room's messages, the oldest first."""
    found = await chat.get("admin", "channels.messages", roomId=chat.rooms.get(room, room), count=0)
    return [message["t"] for message in reversed(found["messages"]) if "t" in message]


@pytest.mark.parametrize(
    ("prefix", "word", "kind"), [("channels", "channel", "c"), ("groups", "group", "p")]
)
async def test_a_new_room_has_the_documented_shape(
    chat: StandIn, prefix: str, word: str, kind: str
) -> None:
    made = (await chat.api("user", f"{prefix}.create", name="new-room", members=["admin"]))[word]
    assert (made["name"], made["t"], made["ro"], made["usersCount"]) == ("new-room", kind, False, 2)
    assert made["u"] == {"_id": chat.ids["user"], "username": "user"}
    found = (await chat.get("user", f"{prefix}.info", roomName="new-room"))[word]
    assert found["_id"] == made["_id"]
    members = (await chat.get("user", f"{prefix}.members", roomId=made["_id"]))["members"]
    assert [member["username"] for member in members] == ["admin", "user"]


async def test_a_name_is_taken_once_even_by_an_archived_room(chat: StandIn) -> None:
    status, body = await chat.call("admin", "POST", "channels.create", {"name": "heyken-logs"})
    assert (status, body["errorType"]) == (400, "error-duplicate-channel-name")
    assert body["error"].startswith("A channel with name 'heyken-logs' exists")
    await chat.api("admin", "channels.archive", roomId=chat.rooms["heyken-logs"])
    status, body = await chat.call("admin", "POST", "groups.create", {"name": "heyken-logs"})
    assert (status, body["errorType"]) == (400, "error-archived-duplicate-name")


@pytest.mark.parametrize("name", ["with space", "ünder", "a/b", "#x"])
async def test_a_name_keeps_to_the_pattern(chat: StandIn, name: str) -> None:
    status, body = await chat.call("admin", "POST", "channels.create", {"name": name})
    assert (status, body["errorType"]) == (400, "error-invalid-room-name")


async def test_a_room_that_is_not_there_is_told_by_its_code(chat: StandIn) -> None:
    for prefix in ("channels", "groups", "im"):
        status, body = await chat.call("user", "GET", f"{prefix}.info", {"roomId": "nowhere"})
        assert (status, body["errorType"]) == (400, "error-room-not-found"), prefix
    status, body = await chat.call("user", "GET", "channels.info")
    assert (status, body["errorType"]) == (400, "error-roomid-param-not-provided")
    status, body = await chat.call("user", "GET", "groups.info", {"roomName": "general"})
    assert (status, body["errorType"]) == (400, "error-room-not-found")


async def test_a_group_is_hidden_from_strangers(chat: StandIn) -> None:
    made = (await chat.api("admin", "groups.create", name="secret"))["group"]
    for query in ({"roomId": made["_id"]}, {"roomName": "secret"}):
        assert (await chat.call("user", "GET", "groups.info", query))[0] == 400
        assert (await chat.call("user", "GET", "groups.messages", query))[0] == 400
    listed = (await chat.get("user", "groups.list"))["groups"]
    assert [room["name"] for room in listed] == ["heyken-sandbox"]
    rooms = (await chat.get("user", "rooms.get"))["update"]
    assert made["_id"] not in {room["_id"] for room in rooms}


async def test_people_come_and_go(chat: StandIn) -> None:
    room_id = (await chat.api("admin", "channels.create", name="open"))["channel"]["_id"]
    await chat.api("user", "channels.join", roomId=room_id)
    await chat.api("admin", "channels.invite", roomId=room_id, userId=chat.ids["heyken_bot"])
    await chat.api("user", "channels.leave", roomId=room_id)
    await chat.api("admin", "channels.kick", roomId=room_id, userId=chat.ids["heyken_bot"])
    assert await types_in(chat, room_id) == ["uj", "au", "ul", "ru"]
    assert (await chat.get("admin", "channels.info", roomId=room_id))["channel"]["usersCount"] == 1
    status, body = await chat.call("admin", "POST", "channels.leave", {"roomId": room_id})
    assert (status, body["errorType"]) == (400, "error-you-are-last-owner")


async def test_inviting_twice_changes_nothing(chat: StandIn) -> None:
    wanted = {"roomId": "GENERAL", "userId": chat.ids["user"]}
    before = await chat.get("admin", "channels.info", roomId="GENERAL")
    assert await chat.api("admin", "channels.invite", **wanted) == before


async def test_only_members_who_may_invite(chat: StandIn) -> None:
    wanted = {"roomId": "GENERAL", "userId": chat.ids["heyken_bot"]}
    status, body = await chat.call("user", "POST", "channels.invite", wanted)
    assert (status, body["errorType"]) == (400, "error-not-allowed")


@pytest.mark.parametrize("prefix", ["im", "dm"])
async def test_a_direct_room_is_always_the_same(chat: StandIn, prefix: str) -> None:
    one = (await chat.api("user", f"{prefix}.create", username="heyken_bot"))["room"]
    assert (one["t"], one["_id"]) == ("d", one["rid"])
    assert set(one["usernames"]) == {"user", "heyken_bot"}
    two = (await chat.api("heyken_bot", f"{prefix}.create", username="user"))["room"]
    assert two["_id"] == one["_id"]
    many = (await chat.api("user", f"{prefix}.create", usernames="heyken_bot, admin"))["room"]
    assert len(many["usernames"]) == 3
    status, body = await chat.call("user", "POST", f"{prefix}.create", {"username": "nobody"})
    assert (status, body["errorType"]) == (400, "error-invalid-user")
    assert (await chat.call("admin", "GET", f"{prefix}.messages", {"roomId": "x"}))[0] == 400


async def test_a_direct_room_is_named_after_the_other(chat: StandIn) -> None:
    room_id = await chat.direct("user", "heyken_bot")
    for username, other in (("user", "heyken_bot"), ("heyken_bot", "user")):
        found = (await chat.get(username, "subscriptions.getOne", roomId=room_id))["subscription"]
        assert (found["t"], found["name"], found["u"]["username"]) == ("d", other, username)


async def test_topic_name_and_type_change(chat: StandIn) -> None:
    room_id = chat.rooms["heyken-logs"]
    assert (await chat.api("admin", "channels.setTopic", roomId=room_id, topic="T"))["topic"] == "T"
    await chat.api("admin", "channels.rename", roomId=room_id, name="logs")
    room = (await chat.get("user", "rooms.info", roomName="logs"))["room"]
    assert (room["_id"], room["topic"]) == (room_id, "T")
    mine = (await chat.get("user", "subscriptions.getOne", roomId=room_id))["subscription"]
    assert mine["name"] == "logs"
    await chat.api("admin", "channels.setType", roomId=room_id, type="p")
    assert (await chat.get("user", "rooms.info", roomId=room_id))["room"]["t"] == "p"
    status, body = await chat.call(
        "user", "POST", "groups.setTopic", {"roomId": room_id, "topic": "x"}
    )
    assert (status, body["errorType"]) == (400, "error-not-allowed")


async def send(chat: StandIn, username: str, room: str) -> tuple[int, dict[str, Any]]:
    message = {"message": {"rid": chat.rooms[room], "msg": "may I?"}}
    return await chat.call(username, "POST", "chat.sendMessage", message)


async def test_a_read_only_room_takes_only_those_who_may(chat: StandIn) -> None:
    wanted = {"roomId": chat.rooms["heyken-system"], "readOnly": True}
    await chat.api("admin", "channels.setReadOnly", **wanted)
    status, body = await send(chat, "user", "heyken-system")
    text = "You can't send messages because the room is readonly."
    assert (status, body) == (400, {"success": False, "error": text})
    assert (await send(chat, "admin", "heyken-system"))[0] == 200
    await chat.api("admin", "rooms.unmuteUser", roomId=wanted["roomId"], username="user")
    assert (await send(chat, "user", "heyken-system"))[0] == 200, "unmuted there, so they may"
    await chat.api("admin", "rooms.muteUser", roomId=wanted["roomId"], username="user")
    assert (await send(chat, "user", "heyken-system"))[0] == 400
    await chat.api("admin", "rooms.unmuteUser", roomId=wanted["roomId"], username="user")
    status, body = await chat.call("admin", "POST", "channels.setReadOnly", wanted)
    assert (status, body["errorType"]) == (400, "error-channel-read-only-unchanged")
    await chat.api("admin", "channels.setReadOnly", **wanted | {"readOnly": False})
    assert (await send(chat, "user", "heyken-system"))[0] == 200
    types = [it for it in await types_in(chat, "heyken-system") if it.startswith("room")]
    assert types == ["room-set-read-only", "room-removed-read-only"]


async def test_an_archived_room_takes_nothing(chat: StandIn) -> None:
    room_id = chat.rooms["heyken-logs"]
    await chat.api("admin", "channels.archive", roomId=room_id)
    assert (await send(chat, "admin", "heyken-logs"))[1]["error"] == "room_is_archived"
    assert (await chat.get("user", "rooms.info", roomId=room_id))["room"]["archived"] is True
    status, body = await chat.call("admin", "POST", "channels.archive", {"roomId": room_id})
    assert (status, body["errorType"]) == (400, "error-room-already-archived")
    await chat.api("admin", "rooms.changeArchivationState", rid=room_id, action="unarchive")
    assert (await send(chat, "user", "heyken-logs"))[0] == 200


async def test_a_muted_member_is_refused_until_unmuted(chat: StandIn) -> None:
    wanted = {"roomId": "GENERAL", "username": "user"}
    assert (await chat.call("user", "POST", "rooms.muteUser", wanted))[0] == 400
    await chat.api("admin", "rooms.muteUser", **wanted)
    refused = {"success": False, "error": "You_have_been_muted"}
    assert await send(chat, "user", "general") == (400, refused)
    assert (await chat.get("admin", "rooms.info", roomId="GENERAL"))["room"]["muted"] == ["user"]
    await chat.api("admin", "rooms.unmuteUser", **wanted)
    assert (await send(chat, "user", "general"))[0] == 200


async def test_a_room_goes_with_everything_in_it(chat: StandIn) -> None:
    room_id = chat.rooms["heyken-logs"]
    message = await chat.post("user", "heyken-logs", "soon gone")
    assert (await chat.call("user", "POST", "channels.delete", {"roomId": room_id}))[0] == 400
    await chat.api("admin", "channels.delete", roomId=room_id)
    assert (await chat.call("user", "GET", "rooms.info", {"roomId": room_id}))[0] == 400
    gone = await chat.call("user", "GET", "chat.getMessage", {"msgId": message["_id"]})
    assert gone == (400, {"success": False})
    assert (await chat.call("admin", "POST", "channels.delete", {"roomId": "GENERAL"}))[0] == 400


async def test_what_is_unread_is_counted_for_those_whom_it_means(chat: StandIn) -> None:
    async def mine(username: str, room: str) -> tuple[bool, int, int]:
        query = {"roomId": chat.rooms.get(room, room)}
        found = (await chat.get(username, "subscriptions.getOne", **query))["subscription"]
        return found["alert"], found["unread"], found["userMentions"]

    await chat.post("user", "general", "hello all")
    await chat.post("user", "general", "hello @admin")
    assert await mine("admin", "general") == (True, 1, 1)
    assert await mine("heyken_bot", "general") == (True, 0, 0)
    assert await mine("user", "general") == (False, 0, 0)
    direct = await chat.direct("user", "admin")
    await chat.post("user", direct, "psst")
    assert await mine("admin", direct) == (True, 1, 0)
    await chat.api("admin", "subscriptions.read", rid="GENERAL")
    assert await mine("admin", "general") == (False, 0, 0)
    await chat.api("admin", "subscriptions.unread", roomId="GENERAL")
    assert (await mine("admin", "general"))[0] is True


async def test_what_changed_since_a_time_and_what_is_gone() -> None:
    from tests.support.rocketchat import standin  # noqa: PLC0415 - this test needs its own clock

    now = 1_800_000_000.0
    async with standin(clock=lambda: now) as chat:
        since = "2027-01-15T08:00:00.000Z"
        for call in ("rooms.get", "subscriptions.get"):
            assert len((await chat.get("user", call))["update"]) == 4
            assert (await chat.get("user", call, updatedSince=since))["update"] == []
        now += 1
        await chat.post("admin", "general", "@user something new")
        await chat.api("user", "channels.leave", roomId=chat.rooms["heyken-logs"])
        rooms = await chat.get("user", "rooms.get", updatedSince=since)
        assert [room["_id"] for room in rooms["update"]] == ["GENERAL"]
        assert [room["_id"] for room in rooms["remove"]] == [chat.rooms["heyken-logs"]]
        mine = await chat.get("user", "subscriptions.get", updatedSince=since)
        assert [it["rid"] for it in mine["update"]] == ["GENERAL"]
        assert len(mine["remove"]) == 1
        status, body = await chat.call("user", "GET", "rooms.get", {"updatedSince": "yesterday"})
        assert (status, body["errorType"]) == (400, "error-updatedSince-param-invalid")


async def test_a_member_gets_a_role_in_the_room(chat: StandIn) -> None:
    wanted = {"roomId": "GENERAL", "userId": chat.ids["user"]}
    assert (await chat.call("user", "POST", "channels.addOwner", wanted))[0] == 400
    await chat.api("admin", "channels.addOwner", **wanted)
    await chat.api("user", "channels.setTopic", roomId="GENERAL", topic="mine now")
    status, body = await chat.call("admin", "POST", "channels.addOwner", wanted)
    assert (status, body["errorType"]) == (400, "error-user-already-owner")
    await chat.api("admin", "channels.removeOwner", **wanted)
    wanted = {"roomId": "GENERAL", "topic": "no more"}
    assert (await chat.call("user", "POST", "channels.setTopic", wanted))[0] == 400


async def test_lists_are_paged_within_the_limits(chat: StandIn) -> None:
    page = await chat.get("user", "channels.list", count=2, offset=1)
    assert [room["name"] for room in page["channels"]] == ["heyken-logs", "heyken-system"]
    assert [page[key] for key in ("count", "offset", "total")] == [2, 1, 3]
    for index in range(120):
        await chat.post("user", "general", f"line {index}")
    first = await chat.get("user", "channels.messages", roomId="GENERAL", count=1000)
    assert (first["count"], first["messages"][0]["msg"]) == (100, "line 119")
    assert (await chat.get("user", "channels.messages", roomId="GENERAL"))["count"] == 50
    everything = await chat.get("user", "channels.messages", roomId="GENERAL", count=0)
    assert everything["count"] == everything["total"] == 123
