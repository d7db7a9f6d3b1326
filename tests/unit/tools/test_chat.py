"""What the deploying machine knows of Rocket.Chat before anything is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab import cache
from lab.artifacts import rocketchat, standin
from lab.settings import Lab, Networks
from tools import chat, secrets

HOSTS: dict[str, Any] = {
    "core1": {"address": "192.0.2.11", "groups": ["system", "cores"]},
    "chat": {"address": "192.0.2.14", "groups": ["system", "chats"]},
}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab with an inventory of its own below `tmp_path`."""
    monkeypatch.setattr("lab.settings.REPOSITORY", tmp_path)
    monkeypatch.setattr(chat, "REPOSITORY", tmp_path)
    networks = Networks("10.251.0.0/24", "10.251.1.0/24")
    return Lab("second", "lab", networks, tmp_path / "state", tmp_path / "cache")


def wire(tmp_path: Path, inventory: str, role: str, text: str) -> None:
    file = tmp_path / "inventory" / inventory / "group_vars" / "chats" / f"{role}.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_users_come_from_the_inventory_and_its_own_file_wins(lab: Lab, tmp_path: Path) -> None:
    assert chat.users(lab) == []
    role = "rocketchat_workspace"
    wire(tmp_path, "lab", role, "rocketchat_workspace_users: [{username: anna}, {username: ben}]")
    assert chat.users(lab) == ["anna", "ben"]
    wire(tmp_path, "second", role, "rocketchat_workspace_users: [{username: eve}]")
    assert chat.users(lab) == ["eve"]


def test_nothing_given_means_no_official_server(lab: Lab, tmp_path: Path) -> None:
    assert not chat.may_be_official(lab)
    secrets.ensure(lab.state, lab.name)
    wire(tmp_path, "lab", "rocketchat", "rocketchat_reporting_egress: false")
    assert not chat.may_be_official(lab)


def test_a_licence_a_token_or_reports_make_it_possible(lab: Lab, tmp_path: Path) -> None:
    lab.state.mkdir()
    for file in secrets.GIVEN.values():
        (lab.state / file).write_text("given")
        assert chat.may_be_official(lab), file
        (lab.state / file).unlink()
    wire(tmp_path, "lab", "rocketchat", "rocketchat_reporting_egress: true")
    assert chat.may_be_official(lab)


def test_a_licence_that_is_in_the_vault_counts(lab: Lab) -> None:
    lab.state.mkdir()
    licence = lab.state / "rocketchat.licence"
    licence.write_text("a licence")
    secrets.ensure(lab.state, lab.name)
    licence.unlink()
    assert chat.may_be_official(lab)


def test_people_find_the_lab_on_loopback_and_others_at_their_host(lab: Lab) -> None:
    outputs = {"hosts": HOSTS}
    assert chat.addresses(lab, outputs) == {"Rocket.Chat": "https://192.0.2.14:3100"}
    first = Lab("lab", "lab", lab.networks, lab.state, lab.cache)
    assert chat.addresses(first, outputs) == {"Rocket.Chat": "https://127.0.0.1:3100"}
    assert chat.addresses(lab, {"hosts": {"core1": HOSTS["core1"]}}) == {}


def test_the_inventory_gets_either_a_stand_in_or_official_images(tmp_path: Path) -> None:
    (tmp_path / standin.ABOUT).write_text('{"image": "heyken/x:1", "id": "sha256:1"}')
    made = cache.Artefact("standin-rocketchat", "1", tmp_path, "stand-in")
    found = chat.artifacts(rocketchat.Chat({}, made, "why"), tmp_path / "compose.deb")
    assert found["rocketchat_image"] == "heyken/x:1"
    assert found["rocketchat_image_file"] == str(tmp_path / standin.FILE)
    assert "mongodb_image" not in found
    assert len(found["compose_package_sha256"]) == 64
    images = {"rocketchat": "r@sha256:1", "mongodb": "m@sha256:2"}
    found = chat.artifacts(rocketchat.Chat(images, None, ""), None)
    assert (found["rocketchat_image"], found["mongodb_image"]) == ("r@sha256:1", "m@sha256:2")
    assert "rocketchat_image_file" not in found
