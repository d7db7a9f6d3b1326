"""What npm's @rocket.chat/ddp-client, the product's own library, has to say about the stand-in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.official.remote import RaisedError, Remote
from tests.support.rocketchat import StandIn

GENERAL = "GENERAL"
MINE = "__my_messages__"


async def connect(chat: StandIn, client: Remote, user: str = "user") -> dict[str, Any]:
    """Connect and log in; returns what the client keeps of its account."""
    await client.call("connect", url=chat.url, retries=20, pause=50)
    account: dict[str, Any] = await client.call("login", user=user, password=chat.passwords[user])
    return account


async def test_a_password_logs_in_and_the_token_resumes(chat: StandIn, ddp_client: Remote) -> None:
    account = await connect(chat, ddp_client)
    assert account["id"] == chat.ids["user"]
    assert account["tokenExpires"] > "2026"
    resumed = await ddp_client.call("resume", token=account["token"])
    assert resumed["id"] == chat.ids["user"]


async def test_a_wrong_password_and_a_dead_token_are_refused(
    chat: StandIn, ddp_client: Remote
) -> None:
    await ddp_client.call("connect", url=chat.url, retries=0, pause=0)
    for order in (
        {"call": "login", "user": "user", "password": "no"},
        {"call": "resume", "token": "no"},
    ):
        with pytest.raises(RaisedError, match="403"):
            await ddp_client.call(**order)


async def test_a_room_is_heard_live(chat: StandIn, ddp_client: Remote) -> None:
    await connect(chat, ddp_client)
    await ddp_client.call("subscribe", name="room-messages", key=GENERAL)
    sent = await chat.post("admin", "general", "@user hello")
    (message,) = await ddp_client.event(f"room-messages {GENERAL}")
    assert (message["_id"], message["msg"]) == (sent["_id"], "@user hello")
    assert message["mentions"][0]["username"] == "user"
    text = "@user hello again"
    await chat.api("admin", "chat.update", roomId=GENERAL, msgId=sent["_id"], text=text)
    (edited,) = await ddp_client.event(f"room-messages {GENERAL}")
    assert (edited["_id"], edited["msg"]) == (sent["_id"], text)
    assert edited["editedBy"]["username"] == "admin"
    assert edited["editedAt"].keys() == {"$date"}


async def test_a_bot_hears_all_its_rooms_in_one_stream(chat: StandIn, ddp_client: Remote) -> None:
    await connect(chat, ddp_client, "heyken_bot")
    await ddp_client.call("subscribe", name="room-messages", key=MINE)
    direct = await chat.direct("user", "heyken_bot")
    for room, name, kind in (("general", "general", "c"), (direct, None, "d")):
        await chat.post("user", room, "heard?")
        message, extra = await ddp_client.event(f"room-messages {MINE}")
        assert message["msg"] == "heard?"
        assert extra == {"roomParticipant": True, "roomType": kind} | (
            {"roomName": name} if name else {}
        )


async def test_deletions_and_typing_are_heard(chat: StandIn, ddp_client: Remote) -> None:
    await connect(chat, ddp_client)
    for key in (f"{GENERAL}/deleteMessage", f"{GENERAL}/user-activity", f"{GENERAL}/typing"):
        await ddp_client.call("subscribe", name="notify-room", key=key)
    sent = await chat.post("admin", "general", "oops")
    await chat.api("admin", "chat.delete", roomId=GENERAL, msgId=sent["_id"])
    assert await ddp_client.event(f"notify-room {GENERAL}/deleteMessage") == [{"_id": sent["_id"]}]


async def test_typing_reaches_others_in_both_forms(
    chat: StandIn, ddp_client: Remote, second_ddp_client: Remote
) -> None:
    await connect(chat, ddp_client)
    await connect(chat, second_ddp_client, "heyken_bot")
    for key in ("user-activity", "typing"):
        await ddp_client.call("subscribe", name="notify-room", key=f"{GENERAL}/{key}")
    params = [f"{GENERAL}/user-activity", "heyken_bot", ["user-typing"], {}]
    await second_ddp_client.call("method", name="stream-notify-room", params=params)
    heard = await ddp_client.event(f"notify-room {GENERAL}/user-activity")
    assert heard[:2] == ["heyken_bot", ["user-typing"]]
    assert await ddp_client.event(f"notify-room {GENERAL}/typing") == ["heyken_bot", True]
    for name in ("admin", "heyken_bot"):
        params = [f"{GENERAL}/user-activity", name, [], {}]
        await second_ddp_client.call("method", name="stream-notify-room", params=params)
    heard = await ddp_client.event(f"notify-room {GENERAL}/user-activity")
    assert heard[:2] == ["heyken_bot", []], "nobody speaks for somebody else"


async def test_rooms_and_counters_change_live(chat: StandIn, ddp_client: Remote) -> None:
    await connect(chat, ddp_client)
    uid = chat.ids["user"]
    for key in ("rooms-changed", "subscriptions-changed"):
        await ddp_client.call("subscribe", name="notify-user", key=f"{uid}/{key}")
    made = await chat.api("admin", "channels.create", name="lounge", members=["user"])
    room_id = made["channel"]["_id"]
    action, subscription = await ddp_client.event(f"notify-user {uid}/subscriptions-changed")
    assert (action, subscription["rid"], subscription["unread"]) == ("inserted", room_id, 0)
    await chat.post("admin", room_id, "@user come in")
    while subscription["unread"] == 0:
        action, subscription = await ddp_client.event(f"notify-user {uid}/subscriptions-changed")
    assert (action, subscription["rid"], subscription["unread"]) == ("updated", room_id, 1)


async def test_what_is_not_for_a_stranger_is_refused(chat: StandIn, ddp_client: Remote) -> None:
    await ddp_client.call("connect", url=chat.url, retries=0, pause=0)
    for key in (GENERAL, MINE):
        with pytest.raises(RaisedError, match="not-allowed"):
            await ddp_client.call("subscribe", name="room-messages", key=key)


async def test_after_a_drop_the_client_is_back_and_hears_each_message_once(
    chat: StandIn, ddp_client: Remote
) -> None:
    await connect(chat, ddp_client)
    await ddp_client.call("subscribe", name="room-messages", key=GENERAL)
    for round_ in range(3):
        ddp_client.left()
        await chat.drop_sockets()
        while (await ddp_client.event("connection")) != ["connected"]:
            pass
        # Its login and subscriptions are on the way: a call that is answered comes after them.
        await ddp_client.call("resume", token=chat.tokens["user"])
        await chat.post("admin", "general", f"round {round_}")
        (message,) = await ddp_client.event(f"room-messages {GENERAL}")
        assert message["msg"] == f"round {round_}"
    await chat.post("admin", "general", "the last")
    (message,) = await ddp_client.event(f"room-messages {GENERAL}")
    assert message["msg"] == "the last", "a message came twice"


async def test_an_ended_subscription_is_silent(chat: StandIn, ddp_client: Remote) -> None:
    await connect(chat, ddp_client)
    await ddp_client.call("subscribe", name="room-messages", key=GENERAL)
    await ddp_client.call("unsubscribe", name="room-messages", key=GENERAL)
    system = chat.rooms["heyken-system"]
    await ddp_client.call("subscribe", name="room-messages", key=system)
    await chat.post("admin", "general", "unheard")
    await chat.post("admin", "heyken-system", "heard")
    (message,) = await ddp_client.event(f"room-messages {system}")
    assert message["msg"] == "heard"
    assert ddp_client.left() == []


async def test_its_rest_half_reads_and_writes(chat: StandIn, ddp_client: Remote) -> None:
    await connect(chat, ddp_client)
    me = await ddp_client.call("get", path="/v1/me")
    assert me["username"] == "user"
    body = {"message": {"rid": GENERAL, "msg": "by the product's own client"}}
    sent = await ddp_client.call("post", path="/v1/chat.sendMessage", body=body)
    assert sent["message"]["u"]["username"] == "user"
    query = {"roomId": GENERAL, "count": 1}
    found = await ddp_client.call("get", path="/v1/channels.messages", query=query)
    assert found["messages"][0]["msg"] == "by the product's own client"
    body = {"message": {"rid": GENERAL, "msg": "x" * 5001}}
    with pytest.raises(RaisedError, match="error-message-size-exceeded"):
        await ddp_client.call("post", path="/v1/chat.sendMessage", body=body)


async def test_its_second_factor_is_asked_for_and_accepted(
    chat: StandIn, ddp_client: Remote
) -> None:
    await connect(chat, ddp_client)
    await chat.set_modes(second_factor="always")
    order = {"path": "/v1/users.generatePersonalAccessToken", "body": {"tokenName": "test"}}
    with pytest.raises(RaisedError, match="totp-required"):
        await ddp_client.call("post", **order)
    await ddp_client.call("answerSecondFactor", password=chat.passwords["user"])
    token = (await ddp_client.call("post", **order))["token"]
    assert (await ddp_client.call("resume", token=token))["id"] == chat.ids["user"]
