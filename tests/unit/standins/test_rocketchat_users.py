"""Users, their tokens, roles and permissions over REST."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.rocketchat import TOKENS_SECRET, StandIn

ADA = {"username": "ada", "name": "Ada", "email": "ada@example.com", "password": "pw of Ada"}
NO_PERMISSION = "User does not have the permissions required for this action [error-unauthorized]"


async def test_a_new_user_has_the_documented_shape_and_joins_the_default_channel(
    chat: StandIn,
) -> None:
    user = (await chat.api("admin", "users.create", **ADA))["user"]
    assert user["emails"] == [{"address": "ada@example.com", "verified": False}]
    assert user["roles"] == ["user"]
    assert (user["type"], user["status"], user["active"]) == ("user", "offline", True)
    assert user["createdAt"].endswith("Z")
    room = (await chat.get("admin", "channels.members", roomName="general"))["members"]
    assert "ada" in {member["username"] for member in room}
    quiet = ADA | {"username": "eve", "email": "eve@example.com", "joinDefaultChannels": False}
    await chat.api("admin", "users.create", **quiet)
    room = (await chat.get("admin", "channels.members", roomName="general"))["members"]
    assert "eve" not in {member["username"] for member in room}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"username": "HEYKEN_BOT"}, "HEYKEN_BOT is already in use :( [error-field-unavailable]"),
        ({"email": "Ada@Example.com"}, "Ada@Example.com is already in use :("),
    ],
)
async def test_names_and_addresses_are_unique(
    chat: StandIn, change: dict[str, str], text: str
) -> None:
    await chat.api("admin", "users.create", **ADA)
    values = {"username": "new", "email": "new@example.com"} | change
    status, body = await chat.call("admin", "POST", "users.create", ADA | values)
    assert (status, body["errorType"]) == (400, "error-field-unavailable")
    assert body["error"].startswith(text), body


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"username": "not valid"}, "error-input-is-not-a-valid-field"),
        ({"email": "nowhere"}, "error-invalid-email"),
        ({"roles": ["king"]}, "error-invalid-role"),
        ({"roles": "admin"}, "invalid-params"),
        ({"verified": "yes"}, "invalid-params"),
        ({"password": ""}, "invalid-params"),
        ({"name": None}, "invalid-params"),
        ({"nonsense": 1}, "invalid-params"),
    ],
)
async def test_a_user_that_makes_no_sense_is_refused(
    chat: StandIn, change: dict[str, Any], code: str
) -> None:
    status, body = await chat.call("admin", "POST", "users.create", ADA | change)
    assert (status, body["success"], body["errorType"]) == (400, False, code), body
    assert chat.workspace.accounts.named("ada") is None


@pytest.mark.parametrize("name", ["User", "administrator", "system", "here"])
async def test_some_names_are_blocked_until_the_setting_frees_them(
    chat: StandIn, name: str
) -> None:
    await chat.api("admin", "users.delete", userId=chat.ids["user"])
    wanted = ADA | {"username": name}
    status, body = await chat.call("admin", "POST", "users.create", wanted)
    assert (status, body["errorType"]) == (400, "error-blocked-username")
    await chat.api("admin", "settings/Accounts_SystemBlockedUsernameList", value="")
    status, _ = await chat.call("admin", "POST", "users.create", wanted)
    assert status == (400 if name == "here" else 200)


async def test_only_those_who_may_make_users_and_both_versions_say_so(chat: StandIn) -> None:
    old = {"success": False, "error": NO_PERMISSION}
    assert await chat.call("user", "POST", "users.create", ADA) == (403, old)
    await chat.set_modes(error_shapes="9")
    new = old | {"errorType": "error-forbidden"}
    assert await chat.call("user", "POST", "users.create", ADA) == (403, new)


async def test_a_user_is_found_by_id_name_and_address(chat: StandIn) -> None:
    await chat.api("admin", "users.create", **ADA)
    for query in ({"username": "ada"}, {"email": ADA["email"]}):
        user = (await chat.get("admin", "users.info", **query))["user"]
        assert user["emails"][0]["address"] == ADA["email"]
        by_id = (await chat.get("admin", "users.info", userId=user["_id"]))["user"]
        assert by_id == user
    missing = await chat.call("admin", "GET", "users.info", {"username": "nobody"})
    assert missing == (400, {"success": False, "error": "User not found."})


async def test_others_see_neither_addresses_nor_roles(chat: StandIn) -> None:
    user = (await chat.get("user", "users.info", username="admin"))["user"]
    assert "roles" not in user
    assert "emails" not in user
    assert (await chat.get("user", "users.info", username="user"))["user"]["roles"] == ["user"]
    public = (await chat.get("user", "roles.getUsersInPublicRoles"))["users"]
    assert [(it["username"], it["roles"]) for it in public] == [("admin", ["admin"])]


async def test_users_are_listed_page_by_page(chat: StandIn) -> None:
    first = await chat.get("admin", "users.list", count=2)
    assert [first[key] for key in ("count", "offset", "total")] == [2, 0, 4]
    rest = await chat.get("admin", "users.list", count=2, offset=2)
    names = [user["username"] for user in first["users"] + rest["users"]]
    assert names == ["admin", "heyken_bot", "rocket.cat", "user"]
    last = await chat.get("admin", "users.list", count=1, sort='{"type": 1, "username": -1}')
    assert [user["username"] for user in last["users"]] == ["rocket.cat"]
    for sort in ("nonsense", '{"username": "up"}', "[1]"):
        status, body = await chat.call("admin", "GET", "users.list", {"sort": sort})
        assert (status, body["errorType"]) == (400, "error-invalid-sort")


async def test_a_user_is_changed_and_deleted(chat: StandIn) -> None:
    user_id = (await chat.api("admin", "users.create", **ADA))["user"]["_id"]
    data = {"name": "Ada L.", "password": "another", "roles": ["user", "bot"]}
    user = (await chat.api("admin", "users.update", userId=user_id, data=data))["user"]
    assert (user["name"], user["roles"]) == ("Ada L.", ["user", "bot"])
    status, body = await chat.call(None, "POST", "login", {"user": "ada", "password": "another"})
    assert status == 200, body
    chat.ids["ada"], chat.tokens["ada"] = user_id, body["data"]["authToken"]
    message = await chat.post("ada", "general", "hello")
    await chat.api("admin", "users.delete", userId=user_id)
    assert (await chat.call("ada", "GET", "me"))[0] == 401
    assert message["_id"] not in {it["_id"] for it in await chat.messages("general")}


async def test_a_user_changes_others_only_with_the_permission(chat: StandIn) -> None:
    wanted = {"userId": chat.ids["admin"], "data": {"name": "Mine"}}
    status, body = await chat.call("user", "POST", "users.update", wanted)
    assert (status, body["errorType"]) == (400, "error-action-not-allowed")
    await chat.set_modes(error_shapes="9")
    status, body = await chat.call("user", "POST", "users.update", wanted)
    assert (status, body["errorType"]) == (403, "error-forbidden")


async def test_a_personal_token_logs_in_and_ends_when_it_is_removed(chat: StandIn) -> None:
    wanted = {"tokenName": "bot", "bypassTwoFactor": True}
    made = await chat.api("heyken_bot", "users.generatePersonalAccessToken", **wanted)
    listed = (await chat.get("heyken_bot", "users.getPersonalAccessTokens"))["tokens"]
    assert listed[0]["name"] == "bot"
    assert listed[0]["bypassTwoFactor"] is True
    assert made["token"].endswith(listed[0]["lastTokenPart"])
    personal = {"X-User-Id": chat.ids["heyken_bot"], "X-Auth-Token": made["token"]}
    assert (await chat.call(None, "GET", "me", headers=personal))[0] == 200
    status, body = await chat.call(
        "heyken_bot", "POST", "users.generatePersonalAccessToken", wanted
    )
    assert (status, body["errorType"]) == (400, "error-token-already-exists")
    renewed = await chat.api("heyken_bot", "users.regeneratePersonalAccessToken", **wanted)
    assert renewed["token"] != made["token"]
    assert (await chat.call(None, "GET", "me", headers=personal))[0] == 401
    await chat.api("heyken_bot", "users.removePersonalAccessToken", tokenName="bot")
    personal["X-Auth-Token"] = renewed["token"]
    assert (await chat.call(None, "GET", "me", headers=personal))[0] == 401


async def test_a_bot_role_alone_may_not_make_personal_tokens(chat: StandIn) -> None:
    await chat.api("admin", "roles.removeUserFromRole", roleId="user", username="heyken_bot")
    generate = "users.generatePersonalAccessToken"
    status, body = await chat.call("heyken_bot", "POST", generate, {"tokenName": "x"})
    assert (status, body["error"]) == (403, NO_PERMISSION)


async def test_a_token_for_another_needs_the_secret(chat: StandIn) -> None:
    wanted = {"userId": chat.ids["heyken_bot"], "secret": TOKENS_SECRET}
    made = (await chat.api("admin", "users.createToken", **wanted))["data"]
    headers = {"X-User-Id": made["userId"], "X-Auth-Token": made["authToken"]}
    assert (await chat.call(None, "GET", "me", headers=headers))[1]["username"] == "heyken_bot"
    for username, secret in (("admin", "wrong"), ("user", TOKENS_SECRET)):
        values = wanted | {"secret": secret}
        status, body = await chat.call(username, "POST", "users.createToken", values)
        assert (status, body["errorType"]) == (400, "error-not-authorized"), username


async def test_roles_come_and_go(chat: StandIn) -> None:
    wanted = {"roleId": "admin", "username": "user"}
    assert (await chat.call("user", "POST", "roles.addUserToRole", wanted))[0] == 403
    role = (await chat.api("admin", "roles.addUserToRole", **wanted))["role"]
    assert (role["_id"], role["scope"]) == ("admin", "Users")
    status, body = await chat.call("admin", "POST", "roles.addUserToRole", wanted)
    assert (status, body["errorType"]) == (400, "error-user-already-in-role")
    users = (await chat.get("admin", "roles.getUsersInRole", role="admin"))["users"]
    assert {user["username"] for user in users} == {"admin", "user"}
    await chat.api("user", "roles.removeUserFromRole", **wanted)
    assert (await chat.get("user", "me"))["roles"] == ["user"]
    status, body = await chat.call(
        "admin", "POST", "roles.removeUserFromRole", wanted | {"username": "admin"}
    )
    assert (status, body["errorType"]) == (400, "error-admin-required")


async def test_a_permission_that_is_given_works_at_once(chat: StandIn) -> None:
    listed = (await chat.get("admin", "permissions.listAll"))["update"]
    before = {entry["_id"]: entry["roles"] for entry in listed}
    assert before["post-readonly"] == ["admin", "owner", "moderator"]
    await chat.api("admin", "channels.setReadOnly", roomName="heyken-system", readOnly=True)
    message = {"message": {"rid": chat.rooms["heyken-system"], "msg": "may I?"}}
    assert (await chat.call("heyken_bot", "POST", "chat.sendMessage", message))[0] == 400
    entry = {"_id": "post-readonly", "roles": [*before["post-readonly"], "bot"]}
    changed = await chat.api("admin", "permissions.update", permissions=[entry])
    assert entry["roles"] in [it["roles"] for it in changed["permissions"]]
    await chat.api("heyken_bot", "chat.sendMessage", **message)


@pytest.mark.parametrize(
    ("permissions", "code"),
    [
        ([{"_id": "no-such-permission", "roles": []}], "error-invalid-permission"),
        ([{"_id": "mute-user", "roles": ["king"]}], "error-invalid-role"),
        ([{"_id": "mute-user"}], "error-invalid-params"),
        ([], "error-invalid-params"),
        ("all", "error-invalid-params"),
    ],
)
async def test_a_wrong_permission_changes_nothing(
    chat: StandIn, permissions: object, code: str
) -> None:
    before = await chat.get("admin", "permissions.listAll")
    values = {"permissions": permissions}
    status, body = await chat.call("admin", "POST", "permissions.update", values)
    assert (status, body["errorType"]) == (400, code)
    assert await chat.get("admin", "permissions.listAll") == before


async def test_presence_follows_the_sockets(chat: StandIn) -> None:
    assert (await chat.get("admin", "users.getPresence", username="user"))["presence"] == "offline"
    async with chat.socket("user"):
        presence = await chat.get("admin", "users.getPresence", username="user")
        assert (presence["presence"], presence["connectionStatus"]) == ("online", "online")
    await chat.drop_sockets()
