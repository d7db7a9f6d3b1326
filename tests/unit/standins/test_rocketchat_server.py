"""Settings, versions, licence, health, the environment and the first start."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lab.standins.rocketchat import __main__ as command
from lab.standins.rocketchat import app
from lab.standins.rocketchat.kept.store import StoreError
from lab.standins.rocketchat.modes import ModeError
from lab.standins.rocketchat.workspace import Config
from tests.support.rocketchat import StandIn, standin


async def test_the_version_is_short_for_strangers(chat: StandIn) -> None:
    async with chat.session.get(f"{chat.url}/api/info") as response:
        body = await response.json()
    assert (body["version"], body["success"]) == ("8.8", True)
    assert "info" not in body
    headers = chat.headers("admin")
    async with chat.session.get(f"{chat.url}/api/info", headers=headers) as response:
        assert (await response.json())["version"] == "8.8.1"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health"])
async def test_health_is_answered(chat: StandIn, path: str) -> None:
    async with chat.session.get(f"{chat.url}{path}") as response:
        assert response.status == 200
        assert (await response.json())["status"] in {"ok", "ready"}


async def test_it_says_what_it_is(chat: StandIn) -> None:
    async with chat.session.get(f"{chat.url}/standin/info") as response:
        assert (await response.json())["standin"] is True
        assert response.headers["X-Stand-In"] == "rocketchat"


async def test_a_setting_is_read_and_changed_by_admins_only(chat: StandIn) -> None:
    name = "settings/Site_Name"
    before = {"_id": "Site_Name", "value": "Rocket.Chat", "success": True}
    assert await chat.get("admin", name) == before
    assert await chat.api("admin", name, value="Ours") == {"success": True}
    assert (await chat.get("admin", name))["value"] == "Ours"
    for method in ("GET", "POST"):
        assert (await chat.call("user", method, name, {"value": "Mine"}))[0] == 403


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("No_Such_Setting", "x"),
        ("Site_Name", 5),
        ("API_Enable_Rate_Limiter", "yes"),
        ("Message_MaxAllowedSize", True),
    ],
)
async def test_a_wrong_setting_is_refused(chat: StandIn, name: str, value: object) -> None:
    assert (await chat.call("admin", "POST", f"settings/{name}", {"value": value}))[0] == 400
    bulk = {"settings": [{"_id": "Site_Name", "value": "Ours"}, {"_id": name, "value": value}]}
    assert (await chat.call("admin", "POST", "settings", bulk))[0] == 400
    assert (await chat.get("admin", "settings/Site_Name"))["value"] == "Rocket.Chat"


async def test_several_settings_change_together(chat: StandIn) -> None:
    wanted: list[dict[str, Any]] = [
        {"_id": "Site_Name", "value": "Ours"},
        {"_id": "Message_MaxAllowedSize", "value": 9},
    ]
    await chat.api("admin", "settings", settings=wanted)
    query = {"_id": "Message_MaxAllowedSize,Site_Name"}
    status, body = await chat.call(None, "GET", "settings.public", query)
    assert status == 200
    assert body["settings"] == sorted(wanted, key=lambda it: str(it["_id"]))


async def test_strangers_see_public_settings_only(chat: StandIn) -> None:
    _, body = await chat.call(None, "GET", "settings.public", {"_id": "uniqueID,SMTP_Host"})
    assert [it["_id"] for it in body["settings"]] == ["uniqueID"]
    _, body = await chat.call(None, "GET", "settings.public", {"count": 0})
    names = {it["_id"] for it in body["settings"]}
    assert "Message_MaxAllowedSize" in names
    assert "Enterprise_License" not in names


async def test_a_licence_lifts_the_restriction() -> None:
    async with standin(restricted_workspace=True) as chat:
        message = {"message": {"rid": "GENERAL", "msg": "x"}}
        refused = {"success": False, "error": "restricted-workspace"}
        assert await chat.call("user", "POST", "chat.sendMessage", message) == (400, refused)
        assert not (await chat.get("admin", "licenses.info"))["license"]["hasValidLicense"]
        await chat.api("admin", "licenses.add", license="a licence")
        assert (await chat.call("user", "POST", "chat.sendMessage", message))[0] == 200


async def test_numbers_are_for_admins(chat: StandIn) -> None:
    await chat.post("user", "general", "one")
    numbers = await chat.get("admin", "statistics", refresh="true")
    assert (numbers["totalUsers"], numbers["totalChannels"]) == (4, 3)
    assert numbers["totalMessages"] >= 1
    assert (await chat.call("user", "GET", "statistics"))[0] == 403


async def test_unknown_calls_and_wrong_methods_are_told(chat: StandIn) -> None:
    status, body = await chat.call("user", "GET", "rooms.upload/GENERAL")
    assert (status, body["success"]) == (404, False)
    status, body = await chat.call("user", "GET", "chat.sendMessage")
    assert (status, body["success"]) == (405, False)
    async with chat.session.get(f"{chat.url}/no/such/path") as response:
        assert response.status == 404


def config(folder: Path, environment: dict[str, str]) -> Config:
    values = {"STANDIN_DATA": str(folder), "PORT": "0", "BIND_IP": "127.0.0.1"} | environment
    return dataclasses.replace(command.config_from(values), password_cost=2)


async def test_the_environment_makes_the_first_admin_once(tmp_path: Path) -> None:
    environment = {
        "ADMIN_USERNAME": "boss",
        "ADMIN_NAME": "The Boss",
        "ADMIN_PASS": "pw of boss",
        "ADMIN_EMAIL": "boss@example.com",
        "ADMIN_EMAIL_VERIFIED": "true",
        "ROOT_URL": "https://chat.example.com/",
        "MONGO_URL": "mongodb://ignored",
    }
    running = await app.start(config(tmp_path, environment))
    boss = running.workspace.accounts.named("boss")
    assert boss is not None
    assert (boss.name, boss.email, boss.verified) == ("The Boss", "boss@example.com", True)
    assert boss.roles == ("admin",)
    assert running.workspace.settings.text("Site_Url") == "https://chat.example.com"
    general = running.workspace.rooms.get("GENERAL")
    assert general is not None
    assert running.workspace.rooms.membership("GENERAL", boss.id) is not None
    await running.stop()
    changed = environment | {"ADMIN_PASS": "another", "ADMIN_USERNAME": "other"}
    running = await app.start(config(tmp_path, changed))
    assert running.workspace.accounts.named("other") is None
    assert await running.workspace.accounts.knows_password(boss, "pw of boss")
    await running.stop()


async def test_settings_of_the_environment(tmp_path: Path) -> None:
    first = {"Site_Name": "First", "OVERWRITE_SETTING_Message_MaxAllowedSize": "77"}
    running = await app.start(config(tmp_path, first))
    settings = running.workspace.settings
    assert (settings.text("Site_Name"), settings.number("Message_MaxAllowedSize")) == ("First", 77)
    settings.put("Site_Name", "By hand")
    settings.put("Message_MaxAllowedSize", 5)
    await running.stop()
    again = first | {"Site_Name": "Second", "OVERWRITE_SETTING_Some_New_One": "kept"}
    running = await app.start(config(tmp_path, again))
    settings = running.workspace.settings
    assert settings.text("Site_Name") == "By hand", "a default counts at the first start only"
    assert settings.number("Message_MaxAllowedSize") == 77, "an overwrite counts at every start"
    assert settings.text("Some_New_One") == "kept"
    await running.stop()


async def test_without_an_admin_password_there_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = await app.start(config(tmp_path, {}))
    assert [user.username for user in running.workspace.accounts] == ["rocket.cat"]
    assert "ADMIN_PASS" in caplog.text
    await running.stop()


@pytest.mark.parametrize(
    "environment",
    [
        {"PORT": "many"},
        {"STANDIN_ERROR_SHAPES": "7"},
        {"STANDIN_DELAY_SECONDS": "slow"},
        {"STANDIN_RESTRICTED_WORKSPACE": "maybe"},
        {"STANDIN_SECOND_FACTOR": ""},
    ],
)
def test_an_environment_that_makes_no_sense_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        command.config_from(environment)


def test_every_mode_can_be_set_in_the_environment() -> None:
    modes = command.config_from(
        {
            "STANDIN_VERSION": "9.0.0",
            "STANDIN_RESTRICTED_WORKSPACE": "true",
            "STANDIN_DELAY_SECONDS": "0.5",
            "STANDIN_RATE_LIMIT_CALLS": "3",
        }
    ).modes
    assert (modes.version, modes.shapes.value, modes.restricted_workspace) == ("9.0.0", "9", True)
    assert (modes.delay_seconds, modes.rate_limit_calls) == (0.5, 3)


def test_modes_are_checked() -> None:
    wrong: list[dict[str, Any]] = [{"no_such_mode": 1}, {"version": 9}, {"delay_seconds": -1}]
    for values in wrong:
        with pytest.raises(ModeError):
            command.config_from({}).modes.changed(values)


async def test_a_store_of_another_layout_is_refused(tmp_path: Path) -> None:
    running = await app.start(config(tmp_path, {}))
    running.workspace.store.write("PRAGMA user_version=99")
    await running.stop()
    with pytest.raises(StoreError, match="layout 99"):
        await app.start(config(tmp_path, {}))


async def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "standin.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="cannot be used"):
        await app.start(config(tmp_path, {}))


async def test_a_taken_port_is_told(tmp_path: Path, chat: StandIn) -> None:
    values = {"PORT": str(chat.running.port)}
    with pytest.raises(OSError, match="address"):
        await app.start(config(tmp_path, values))
