"""Role rocketchat_workspace: its module against the stand-in, in the shapes of 8.x and of 9.0."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import ansible.module_utils
import pytest

from lab.standins.rocketchat.kept.people import User
from tests.support.rocketchat import StandIn, standin

ROLE = Path(__file__).resolve().parents[3] / "ansible" / "roles" / "rocketchat_workspace"
ansible.module_utils.__path__.append(str(ROLE / "module_utils"))


def _load() -> Any:
    file = ROLE / "library" / "rocketchat_workspace.py"
    spec = importlib.util.spec_from_file_location("rocketchat_workspace", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


workspace = _load()
api = importlib.import_module("ansible.module_utils.rocketchat_api")
Problem = workspace.Problem


@pytest.fixture(params=["8.8.1", "9.0.0"])
async def chat(request: pytest.FixtureRequest) -> AsyncIterator[StandIn]:
    async with standin(version=request.param) as running:
        yield running


class Deployment:
    """A declaration, and what the role remembers between its runs."""

    def __init__(self, chat: StandIn, folder: Path) -> None:
        self.chat = chat
        self.applied: dict[str, Any] = {}
        self.token_file = folder / "bot.json"
        people = [("admin", ["admin"]), ("heyken_bot", ["user", "bot"]), ("anna", ["user"])]
        self.declared: dict[str, Any] = {
            "url": chat.url,
            "admin": "admin",
            "passwords": {**chat.passwords, "anna": "anna's own password"},
            "users": [
                {"username": name, "name": name.title(), "email": f"{name}@x.test", "roles": roles}
                for name, roles in people
            ],
            "channels": [
                {"name": "general", "members": ["admin", "heyken_bot", "anna"]},
                {"name": "heyken-logs", "members": ["heyken_bot"], "topic": "What is logged"},
                {"name": "ops", "private": True, "members": ["heyken_bot", "anna"]},
            ],
            "permissions": {"view-full-other-user-info": ["bot"]},
            "settings": {"Site_Name": "Heyken"},
            "bot": {
                "username": "heyken_bot",
                "token_file": str(self.token_file),
                "token_name": "heyken",
            },
            "proof_channel": "heyken-logs",
        }

    async def run(self, *, check: bool = False) -> list[str]:
        """Run as Ansible would and return the changes."""
        arguments = copy.deepcopy(self.declared), self.applied
        made, state = await asyncio.to_thread(workspace.make, *arguments, check_mode=check)
        if not check:
            self.applied = json.loads(json.dumps(state))
        changes: list[str] = made
        return changes

    async def members(self, room: str, kind: str = "channels") -> set[str]:
        body = await self.chat.get("admin", f"{kind}.members", roomId=await self.room_id(room))
        return {member["username"] for member in body["members"]}

    async def room_id(self, name: str) -> str:
        return str((await self.chat.get("admin", "rooms.info", roomName=name))["room"]["_id"])

    async def user(self, name: str) -> dict[str, Any]:
        return dict((await self.chat.get("admin", "users.info", username=name))["user"])

    async def holders(self, permission: str) -> set[str]:
        listed = (await self.chat.get("admin", "permissions.listAll"))["update"]
        return {role for one in listed if one["_id"] == permission for role in one["roles"]}

    async def login_status(self, name: str, password: str) -> int:
        values = {"user": name, "password": password}
        return (await self.chat.call(None, "POST", "login", values))[0]


@pytest.fixture
def role(chat: StandIn, tmp_path: Path) -> Deployment:
    return Deployment(chat, tmp_path)


async def test_the_workspace_becomes_what_is_declared(role: Deployment) -> None:
    changes = await role.run()
    assert "user anna: created" in changes
    assert set((await role.user("anna"))["roles"]) == {"user"}
    assert (await role.user("anna"))["emails"] == [{"address": "anna@x.test", "verified": False}]
    assert await role.login_status("anna", "anna's own password") == 200
    assert await role.members("ops", "groups") == {"admin", "heyken_bot", "anna"}
    assert "anna" in await role.members("general")
    assert "bot" in await role.holders("view-full-other-user-info")
    setting = await role.chat.get("admin", "settings/Site_Name")
    assert setting["value"] == "Heyken"
    topic = (await role.chat.get("admin", "rooms.info", roomName="heyken-logs"))["room"]["topic"]
    assert topic == "What is logged"


async def test_a_second_run_changes_nothing_and_leaves_nothing_behind(role: Deployment) -> None:
    await role.run()
    before = await role.chat.messages("heyken-logs")
    assert not before, "the proof was not deleted"
    assert await role.run() == []
    assert await role.chat.messages("heyken-logs") == before


async def test_the_bots_token_works_without_a_second_factor_and_is_kept(role: Deployment) -> None:
    await role.run()
    assert stat.S_IMODE(role.token_file.stat().st_mode) == 0o600
    login = json.loads(role.token_file.read_text())
    assert login["user_id"] == role.chat.ids["heyken_bot"]
    role.chat.tokens["heyken_bot"] = login["token"]
    await role.chat.set_modes(second_factor="always")
    me = await role.chat.get("heyken_bot", "me")
    assert me["username"] == "heyken_bot"
    await role.run()
    assert json.loads(role.token_file.read_text()) == login


async def test_a_token_that_was_revoked_is_made_anew(role: Deployment) -> None:
    await role.run()
    login = json.loads(role.token_file.read_text())
    values = {"tokenName": "heyken"}
    await role.chat.api("heyken_bot", "users.removePersonalAccessToken", **values)
    assert await role.run() == ["token of heyken_bot: made anew"]
    assert json.loads(role.token_file.read_text())["token"] != login["token"]


async def test_a_token_file_that_is_lost_is_no_hindrance(role: Deployment) -> None:
    await role.run()
    role.token_file.write_text("half a fi")
    assert await role.run() == ["token of heyken_bot: made anew"]


async def test_a_second_factor_by_password_is_answered(role: Deployment) -> None:
    await role.chat.set_modes(second_factor="always")
    await role.run()
    assert await role.run() == []


async def test_what_is_no_longer_declared_is_taken_back(role: Deployment) -> None:
    await role.run()
    declared = role.declared
    declared["users"] = [user for user in declared["users"] if user["username"] != "anna"]
    declared["channels"] = [
        {"name": "general", "members": ["admin"]},
        {"name": "heyken-logs", "members": ["heyken_bot"], "topic": "What is logged"},
    ]
    declared["permissions"] = {}
    changes = await role.run()
    assert not (await role.user("anna"))["active"]
    assert "heyken_bot" not in await role.members("general")
    assert (await role.chat.get("admin", "rooms.info", roomName="ops"))["room"]["archived"]
    assert "bot" not in await role.holders("view-full-other-user-info")
    assert len(changes) == 5, changes
    assert await role.run() == []


async def test_what_is_declared_again_comes_back(role: Deployment) -> None:
    await role.run()
    users, channels = role.declared["users"], role.declared["channels"]
    role.declared["users"], role.declared["channels"] = users[:2], channels[1:2]
    await role.run()
    role.declared["users"], role.declared["channels"] = users, channels
    await role.run()
    assert (await role.user("anna"))["active"]
    assert not (await role.chat.get("admin", "rooms.info", roomName="ops"))["room"].get("archived")


async def test_what_people_did_stays(role: Deployment) -> None:
    await role.run()
    own = {"username": "ben", "name": "Ben", "email": "ben@x.test", "password": "ben's"}
    ben = (await role.chat.api("admin", "users.create", **own))["user"]["_id"]
    await role.chat.api("admin", "channels.create", name="lunch")
    room_id = await role.room_id("ops")
    await role.chat.api("admin", "groups.invite", roomId=room_id, userIds=[ben])
    topic = {"roomId": await role.room_id("general"), "topic": "Ours"}
    await role.chat.api("admin", "channels.setTopic", **topic)
    assert await role.run() == []
    assert (await role.user("ben"))["active"]
    assert "ben" in await role.members("ops", "groups")


async def test_roles_follow_the_declaration(role: Deployment) -> None:
    await role.run()
    role.declared["users"][2]["roles"] = ["user", "moderator"]
    assert await role.run() == ["user anna: roles"]
    assert set((await role.user("anna"))["roles"]) == {"user", "moderator"}


async def test_a_password_follows_the_vault_and_not_what_a_person_chose(role: Deployment) -> None:
    await role.run()
    data = {"userId": (await role.user("anna"))["_id"], "data": {"password": "chosen by anna"}}
    await role.chat.api("admin", "users.update", **data)
    assert await role.run() == []
    assert await role.login_status("anna", "chosen by anna") == 200
    role.declared["passwords"]["anna"] = "rotated in the vault"
    assert await role.run() == ["user anna: password"]
    assert await role.login_status("anna", "rotated in the vault") == 200


async def test_an_account_that_was_there_before_keeps_its_password(role: Deployment) -> None:
    user = {"username": "user", "name": "U", "email": "user@x.test", "roles": ["user"]}
    role.declared["users"].append(user)
    role.declared["passwords"]["user"] = "from the vault"
    assert "user user: email, name" in await role.run()
    assert await role.login_status("user", role.chat.passwords["user"]) == 200


async def test_what_is_remembered_holds_no_password(role: Deployment) -> None:
    await role.run()
    text = json.dumps(role.applied)
    assert not [word for word in role.declared["passwords"].values() if word in text]


async def test_what_settings_keep_secret_is_not_said(role: Deployment) -> None:
    role.declared["settings"] = {"Cloud_Workspace_Client_Secret": "of the cloud"}
    assert "setting Cloud_Workspace_Client_Secret" in await role.run()


async def test_check_mode_says_and_does_not(role: Deployment) -> None:
    told = await role.run(check=True)
    assert not role.token_file.exists()
    status, _ = await role.chat.call("admin", "GET", "users.info", {"username": "anna"})
    assert status != 200
    told.remove("channel general: anna joined")  # a new user joins it unasked
    assert await role.run() == told
    assert await role.run(check=True) == []


async def test_a_workspace_that_refuses_messages_is_called_unhealthy(role: Deployment) -> None:
    await role.chat.set_modes(restricted_workspace=True)
    with pytest.raises(Problem, match="needs a licence, a registration"):
        await role.run()


async def test_a_licence_that_lapsed_is_found_though_nothing_changed(role: Deployment) -> None:
    await role.run()
    assert await role.run() == []
    await role.chat.set_modes(restricted_workspace=True)
    with pytest.raises(Problem, match="refuses messages"):
        await role.run()


async def test_every_change_is_followed_by_a_proof(role: Deployment) -> None:
    await role.run()
    await role.chat.set_modes(restricted_workspace=True)
    role.declared["settings"]["Site_Name"] = "Another"
    with pytest.raises(Problem, match="refuses messages"):
        await role.run()


async def test_a_wrong_password_of_the_administrator_is_explained(role: Deployment) -> None:
    role.declared["passwords"]["admin"] = "another"
    with pytest.raises(Problem, match=r"admin cannot log in.*The password in the vault"):
        await role.run()


async def test_what_is_not_there_is_named(role: Deployment) -> None:
    role.declared["permissions"] = {"fly": ["bot"]}
    with pytest.raises(Problem, match="no permission fly"):
        await role.run()
    role.declared["permissions"] = {}
    role.declared["settings"] = {"Nonsense_Enabled": True}
    with pytest.raises(Problem, match="no setting Nonsense_Enabled"):
        await role.run()


async def test_a_channel_of_the_other_kind_is_not_touched(role: Deployment) -> None:
    role.declared["channels"].append({"name": "heyken-sandbox", "members": []})
    with pytest.raises(Problem, match="heyken-sandbox is private and declared otherwise"):
        await role.run()


async def test_a_member_who_does_not_exist_is_named(role: Deployment) -> None:
    role.declared["channels"][0]["members"].append("nobody")
    with pytest.raises(Problem, match="nobody is to be a member"):
        await role.run()


async def test_no_logins_pile_up(role: Deployment) -> None:
    await role.run()
    admin = role.chat.workspace.accounts.named("admin")
    assert admin is not None
    count = "SELECT count(*) FROM tokens WHERE user_id = ?"
    before = role.chat.workspace.store.one(count, (admin.id,))
    await role.run()
    assert role.chat.workspace.store.one(count, (admin.id,)) == before


async def test_long_lists_are_read_to_their_end(chat: StandIn) -> None:
    accounts = chat.workspace.accounts
    with chat.workspace.store.transaction():
        for number in range(210):
            accounts.add(User(id="", username=f"u{number}", name="U", roles=("user",)), None)
    caller = api.Api(chat.url)
    caller.use(chat.ids["admin"], chat.tokens["admin"])
    found = await asyncio.to_thread(caller.pages, "users.list", "users")
    assert len({user["username"] for user in found}) == 210 + 4


async def test_a_limit_on_calls_is_waited_for(chat: StandIn) -> None:
    waited: list[float] = []
    await chat.set_modes(rate_limit="everybody", rate_limit_calls=1, rate_limit_seconds=60)
    caller = api.Api(chat.url, sleep=waited.append)
    caller.use(chat.ids["user"], chat.tokens["user"])
    await asyncio.to_thread(caller.get, "me")
    with pytest.raises(api.Refused) as caught:
        await asyncio.to_thread(caller.get, "me")
    assert caught.value.status == 429
    assert len(waited) == 2, "it gives up after three attempts"
    assert all(0 < seconds <= 65 for seconds in waited)


def test_a_server_that_is_away_is_named() -> None:
    with pytest.raises(api.Refused, match=r"no answer from http://127\.0\.0\.1:1"):
        api.Api("http://127.0.0.1:1").get("me")
