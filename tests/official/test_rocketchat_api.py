"""What PyPI's rocketchat-api, an official client, has to say about the stand-in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.official.remote import RaisedError, Remote
from tests.support.rocketchat import StandIn

GENERAL = "GENERAL"


@pytest.fixture
async def user(chat: StandIn, python_client: Remote) -> Remote:
    """The client, logged in as `user` with the password."""
    await python_client.call(
        "connect", server_url=chat.url, user="user", password=chat.passwords["user"]
    )
    return python_client


@pytest.fixture
async def admin(chat: StandIn, python_client: Remote) -> Remote:
    """The client, logged in as `admin` with a token."""
    await python_client.call(
        "connect", server_url=chat.url, user_id=chat.ids["admin"], auth_token=chat.tokens["admin"]
    )
    return python_client


@pytest.mark.parametrize("shapes", ["8", "9"])
async def test_a_bad_login_is_an_authentication_error(
    chat: StandIn, python_client: Remote, shapes: str
) -> None:
    await chat.set_modes(error_shapes=shapes)
    with pytest.raises(RaisedError) as raised:
        await python_client.call("connect", server_url=chat.url, user="user", password="wrong")
    assert raised.value.kind == "RocketAuthenticationException"


async def test_a_login_knows_who_it_is(chat: StandIn, user: Remote) -> None:
    me = await user.call("me")
    assert (me["_id"], me["username"]) == (chat.ids["user"], "user")


@pytest.mark.parametrize("shapes", ["8", "9"])
async def test_a_refusal_is_an_api_error_with_its_type(
    chat: StandIn, user: Remote, shapes: str
) -> None:
    await chat.set_modes(error_shapes=shapes)
    with pytest.raises(RaisedError, match="RocketApiException"):
        await user.call("chat_post_message", "hello", channel="#nowhere")
    with pytest.raises(RaisedError, match="RocketApiException"):
        await user.call("users_create", "e@example.com", "Eve", "password", "eve")
    with pytest.raises(RaisedError, match="error-message-size-exceeded"):
        await user.call("chat_send_message", {"rid": GENERAL, "msg": "x" * 5001})


async def test_messages_are_posted_read_changed_and_deleted(chat: StandIn, user: Remote) -> None:
    posted = await user.call("chat_post_message", "by name", channel="#general")
    assert posted["success"] is True
    assert posted["channel"] == "general"
    message = {"_id": "A1b2C3d4E5f6G7h8J", "rid": GENERAL, "msg": "by id"}
    assert (await user.call("chat_send_message", message))["message"]["_id"] == message["_id"]
    changed = await user.call("chat_update", GENERAL, message["_id"], "changed")
    assert changed["message"]["editedBy"]["username"] == "user"
    assert (await user.call("chat_get_message", message["_id"]))["message"]["msg"] == "changed"
    await user.call("chat_react", message["_id"], emoji=":eyes:")
    found = (await user.call("chat_get_message", message["_id"]))["message"]
    assert found["reactions"] == {":eyes:": {"usernames": ["user"]}}
    assert (await user.call("chat_delete", GENERAL, message["_id"]))["_id"] == message["_id"]
    assert [one["msg"] for one in await chat.messages("general")] == ["by name"]


async def test_a_history_is_paged_to_its_end(chat: StandIn, user: Remote) -> None:
    for number in range(115):
        await chat.post("admin", "heyken-system", f"line {number}")
    room_id = chat.rooms["heyken-system"]
    history = await user.call("channels_history", room_id)
    assert [one["msg"] for one in history] == [f"line {number}" for number in reversed(range(115))]
    assert len(await user.call("channels_history", room_id, count=20, max_count=45)) == 45


async def test_a_thread_is_read(chat: StandIn, user: Remote) -> None:
    parent = await chat.post("user", "general", "why?")
    for text in ("because", "of that"):
        await chat.post("heyken_bot", "general", text, thread_id=parent["_id"])
    replies = await user.call("chat_get_thread_messages", parent["_id"])
    assert [one["msg"] for one in replies] == ["because", "of that"]


async def test_direct_messages_are_opened_and_read(chat: StandIn, user: Remote) -> None:
    room_id = (await user.call("dm_create", "heyken_bot"))["room"]["_id"]
    assert (await user.call("dm_create", "heyken_bot"))["room"]["_id"] == room_id
    await chat.post("heyken_bot", room_id, "hello")
    assert [one["msg"] for one in await user.call("dm_history", room_id)] == ["hello"]
    await user.call("chat_post_message", "and you?", channel="@heyken_bot")
    assert [one["msg"] for one in await chat.messages(room_id)] == ["hello", "and you?"]


async def test_rooms_and_subscriptions_are_listed_and_read(chat: StandIn, user: Remote) -> None:
    await chat.post("admin", "heyken-system", "@user look")
    rooms = {room["name"] for room in (await user.call("rooms_get"))["update"]}
    assert rooms == {"general", "heyken-system", "heyken-logs", "heyken-sandbox"}
    assert await _unread(user, "heyken-system") == 1
    await user.call("subscriptions_read", chat.rooms["heyken-system"])
    assert await _unread(user, "heyken-system") == 0
    names = {room["name"] for room in await user.call("channels_list")}
    assert names == {"general", "heyken-system", "heyken-logs"}


async def _unread(user: Remote, name: str) -> int:
    found = (await user.call("subscriptions_get"))["update"]
    return next(int(one["unread"]) for one in found if one["name"] == name)


async def test_a_file_is_uploaded_and_confirmed(
    chat: StandIn, user: Remote, tmp_path: Path
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("some notes")
    uploaded = await user.call("rooms_media", GENERAL, str(file))
    file_id = uploaded["file"]["_id"]
    confirmed = await user.call("rooms_media_confirm", GENERAL, file_id, msg="see there")
    assert confirmed["message"]["file"]["name"] == "notes.txt"
    assert [one["msg"] for one in await chat.messages("general")] == ["see there"]


async def test_a_workspace_is_set_up(admin: Remote) -> None:
    made = await admin.call("users_create", "ada@example.com", "Ada", "analytical", "ada")
    user_id = made["user"]["_id"]
    assert (await admin.call("users_info", username="ada"))["user"]["_id"] == user_id
    assert "ada" in {user["username"] for user in await admin.call("users_list")}
    await admin.call("roles_add_user_to_role", "bot", "ada")
    channel = (await admin.call("channels_create", "lounge"))["channel"]
    await admin.call("channels_invite", channel["_id"], user_id)
    members = await admin.call("channels_members", room_id=channel["_id"])
    assert {member["username"] for member in members} == {"admin", "ada"}
    await admin.call("channels_set_read_only", channel["_id"], read_only=True)
    info = (await admin.call("channels_info", room_id=channel["_id"]))["channel"]
    assert info["ro"] is True
    group = (await admin.call("groups_create", "cellar"))["group"]
    await admin.call("groups_invite", group["_id"], user_id)
    await admin.call("settings_update", "Site_Name", "A lab")
    assert (await admin.call("settings_get", "Site_Name"))["value"] == "A lab"


async def test_a_duplicate_is_refused_by_name(admin: Remote) -> None:
    with pytest.raises(RaisedError, match="error-duplicate-channel-name"):
        await admin.call("channels_create", "general")
