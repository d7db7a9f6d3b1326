"""What the client reads, from answers as Rocket.Chat gives them."""

from __future__ import annotations

import pytest

from heyken_glue.adapters.rocketchat import client as chat
from heyken_glue.adapters.rocketchat.client import RefusedError, RocketChatClient
from heyken_glue.domain.chat import RoomKind, User
from tests.support.rocketchat_script import (
    NOT_THERE,
    TOKEN,
    Answer,
    Script,
)


async def test_every_call_names_us_and_says_json(client: RocketChatClient, script: Script) -> None:
    script.on("me", (200, {"_id": "bot", "username": "heyken_bot", "success": True}))
    assert await client.me() == User("bot", "heyken_bot")
    sent = script.requests[0].headers
    assert (sent["X-User-Id"], sent["X-Auth-Token"]) == ("bot", TOKEN)
    assert sent["Content-Type"] == "application/json"
    assert sent["Accept-Encoding"] == "identity"


async def test_the_version_and_the_size_limit(client: RocketChatClient, script: Script) -> None:
    script.on("/api/info", (200, {"version": "8.8", "success": True}))
    script.on("settings.public", (200, {"settings": [{"_id": chat._SIZE_SETTING, "value": 9000}]}))
    assert (await client.version(), await client.size_limit()) == ("8.8", 9000)


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"settings": []}),
        (200, {"settings": [{"_id": "Message_MaxAllowedSize", "value": "5001"}]}),
        (200, {"settings": [{"_id": "Message_MaxAllowedSize", "value": 0}, None]}),
        (200, {"settings": [{"_id": "Message_MaxAllowedSize", "value": True}]}),
        (400, {"success": False, "error": "no"}),
    ],
)
async def test_a_size_limit_that_nobody_names_is_the_usual_one(
    client: RocketChatClient, script: Script, answer: Answer
) -> None:
    script.on("settings.public", answer)
    assert await client.size_limit() == 5000


async def test_rooms_of_ours(client: RocketChatClient, script: Script) -> None:
    rooms = [{"_id": "GENERAL", "t": "c", "name": "general"}, {"_id": "L", "t": "l"}, 7]
    script.on("rooms.get", (200, {"update": rooms, "remove": [], "success": True}))
    (room,) = await client.rooms()
    assert (room.id, room.kind) == ("GENERAL", RoomKind.CHANNEL)
    await client.rooms(changed_since=1_795_168_800.25)
    assert script.calls("rooms.get") == [{}, {"updatedSince": "2026-11-20T10:00:00.250Z"}]


async def test_one_room_by_id_or_name(client: RocketChatClient, script: Script) -> None:
    script.on("rooms.info", (200, {"room": {"_id": "r", "t": "p", "name": "x", "ro": True}}))
    found = await client.room("r")
    assert found is not None
    assert found.read_only
    await client.room_named("heyken-system")
    assert script.calls("rooms.info") == [{"roomId": "r"}, {"roomName": "heyken-system"}]


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_what_is_not_to_be_seen_is_none(
    client: RocketChatClient, script: Script, status: int
) -> None:
    for endpoint in ("rooms.info", "chat.getMessage", "users.info"):
        script.on(endpoint, (status, {"success": False, "error": "[error-not-allowed]"}))
    assert await client.room("r") is None
    assert await client.message("m") is None
    assert await client.thread("m") == ()
    assert await client.roles_of("u") == frozenset()


async def test_a_refused_token_is_told_everywhere(client: RocketChatClient, script: Script) -> None:
    for endpoint in ("me", "rooms.info", "chat.getMessage", "users.info", "settings.public"):
        script.on(endpoint, (401, {"status": "error", "message": "You must be logged in."}))
    for endpoint in ("chat.sendMessage", "chat.delete", "chat.update"):
        script.on(endpoint, (401, {"success": False, "error": "You must be logged in."}))
    for call in (
        client.me(),
        client.room("r"),
        client.message("m"),
        client.roles_of("u"),
        client.size_limit(),
        client.send("r", "text", message_id="m"),
        client.delete("r", "m"),
        client.edit("r", "m", "text"),
    ):
        with pytest.raises(RefusedError) as caught:
            await call
        assert caught.value.code == "unauthorized"
        assert TOKEN not in str(caught.value)
    assert len(script.seen) == 8, "a refused token is not asked about twice"


async def test_roles_of_the_workspace(client: RocketChatClient, script: Script) -> None:
    script.on("users.info", (200, {"user": {"_id": "u1", "roles": ["user", "admin", 7]}}))
    assert await client.roles_of("u1") == {"user", "admin"}
    assert not script.calls("roles.getUsersInPublicRoles")


async def test_roles_where_the_bot_may_not_see_them(
    client: RocketChatClient, script: Script
) -> None:
    script.on("users.info", (200, {"user": {"_id": "u1", "username": "ala"}, "success": True}))
    assert await client.roles_of("u1") == frozenset()
    users = [{"_id": "u2", "roles": ["admin"]}, {"_id": "u1", "roles": ["leader"]}, None]
    script.on("roles.getUsersInPublicRoles", (200, {"users": users, "success": True}))
    assert await client.roles_of("u1") == {"leader"}
    assert await client.roles_of("u3") == frozenset()


async def test_ids_of_any_kind_can_be_asked_for(client: RocketChatClient, script: Script) -> None:
    script.on("chat.getMessage", NOT_THERE)
    for odd in ("\ud800", "a&b=c", "żółw\x00", "x" * 5000):
        assert await client.message(odd) is None
    assert script.calls("chat.getMessage")[1] == {"msgId": "a&b=c"}
