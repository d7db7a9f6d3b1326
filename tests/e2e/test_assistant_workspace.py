"""An operator changes what the inventory declares and runs the playbook: the workspace follows."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.chat import BOT, new_id
from lab.problem import Problem
from lab.settings import REPOSITORY
from tests.e2e.lab_chat import LabChat, Room, modes
from tests.support.pair import Pair, wait_for
from tools import chat, playbook, secrets

pytestmark = pytest.mark.lab
WIRING = Path("group_vars/chats/rocketchat_workspace.yml")
COMMITTED = REPOSITORY / "inventory" / "lab" / WIRING
USERS, CHANNELS = "rocketchat_workspace_users", "rocketchat_workspace_channels"
SETTINGS = "rocketchat_workspace_settings"
# ansible's own way to print: its recap and its differences are read here
PLAIN = {"ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_NOCOLOR": "1"}


class Operator:
    """Somebody who changes the inventory of the tests' lab and runs playbooks."""

    def __init__(self, lab_chat: LabChat) -> None:
        self._lab = lab_chat.lab
        assert self._lab.name != "lab", "these tests change things: never in the default lab"
        self._file = self._lab.inventory / WIRING
        self.usual: dict[str, Any] = yaml.safe_load(
            (REPOSITORY / "inventory/lab" / WIRING).read_text()
        )

    def declare(self, content: dict[str, Any] | None) -> None:
        """Write the declaration down, None for the usual one, with a password for who is new."""
        self._file.unlink(missing_ok=True)
        if content is None:
            self._file.symlink_to(COMMITTED)
        else:
            self._file.write_text(yaml.safe_dump(content))
        users = chat.users(self._lab)
        secrets.ensure(self._lab.state, self._lab.name, chat_users=users)

    def run(self, playbook_name: str = "chat.yml", tags: str = "rocketchat_workspace") -> list[str]:
        """Run a playbook as a person would and return what of the workspace it changed."""
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "--diff",
            "--tags",
            tags,
        ]
        command += ["--inventory", str(self._lab.inventory)]
        command += [str(REPOSITORY / "ansible" / "playbooks" / playbook_name)]
        log = self._lab.state / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}-e2e.log"
        done = subprocess.run(  # noqa: S603 - the command is the test's own
            command,
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=REPOSITORY,
            env={**playbook.environment(self._lab.name, log), **PLAIN},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        changes = re.findall(r"^\+(?!\+\+)(.+)$", done.stdout, re.MULTILINE)
        counted = re.findall(r"changed=(\d+)", done.stdout)
        assert any(count != "0" for count in counted) == bool(changes), done.stdout
        return [change.strip() for change in changes]


@pytest.fixture
def operator(lab_chat: LabChat) -> Iterator[Operator]:
    """An operator who puts everything back at the end."""
    operator = Operator(lab_chat)
    yield operator
    operator.declare(None)
    operator.run()


def test_the_workspace_follows_the_inventory_and_nothing_else_changes(
    lab_chat: LabChat, lab_room: Room, operator: Operator
) -> None:
    name = f"anna-{new_id()[:6].lower()}"
    changed = copy.deepcopy(operator.usual)
    anna = {"username": name, "name": "Anna", "email": f"{name}@example.com"}
    changed[USERS].append({**anna, "roles": ["user", "moderator"]})
    topics = {channel["name"]: channel for channel in changed[CHANNELS]}
    topics["heyken-logs"]["topic"] = "What the units warn of"
    changed[SETTINGS]["Site_Name"] = "Heyken of the tests"
    operator.declare(changed)
    assert sorted(operator.run()) == [
        "channel heyken-logs: topic",
        "setting Site_Name: 'Heyken' becomes 'Heyken of the tests'",
        f"user {name}: created",
    ]
    found = LabChat()  # its passwords as they are now
    assert found.person(name).get("me")["roles"] == ["user", "moderator"]
    topic = lab_chat.admin.get("rooms.info", roomName="heyken-logs")["room"]["topic"]
    assert topic == "What the units warn of"
    assert operator.run() == []
    changed[USERS][-1]["roles"] = ["user"]
    operator.declare(changed)
    assert operator.run() == [f"user {name}: roles"]
    operator.declare(None)
    assert sorted(operator.run()) == [
        "channel heyken-logs: topic",
        "setting Site_Name: 'Heyken of the tests' becomes 'Heyken'",
        f"user {name}: not declared any more, deactivated",
    ]
    with pytest.raises(Problem, match="401"):
        found.person(name)
    with modes(lab_chat, second_factor="always"):
        assert operator.run() == []
    assert lab_room.answer(lab_room.ask()), "the test's own channel was made by hand: it stays"
    gone = lab_chat.admin.get("users.info", username=name)["user"]["_id"]
    lab_chat.admin.post("users.delete", userId=gone)


def test_a_revoked_token_is_named_and_replaced_by_the_next_run(
    lab_chat: LabChat, lab_room: Room, operator: Operator, pair: Pair
) -> None:
    bot = str(lab_chat.admin.get("users.info", username=BOT)["user"]["_id"])
    for active in (False, True):  # who is let in again has lost all tokens
        lab_chat.admin.post("users.setActiveStatus", userId=bot, activeStatus=active)
    asked = lab_room.ask()  # who has nothing to say does not notice that nobody lets it speak
    wait_for("the status names it", lambda: pair.status()["rocketchat"]["reason"])
    operator.run("site.yml", "rocketchat_workspace,glue")
    assert lab_room.answer(asked)
