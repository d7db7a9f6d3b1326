"""From Terraform's outputs to an inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tools import inventory

OUTPUTS: dict[str, Any] = {
    "hosts": {
        "core1": {
            "address": "192.0.2.11",
            "user": "root",
            "port": 22,
            "groups": ["system", "cores"],
            "vars": {"core_id": 1},
        },
        "hub": {
            "address": "192.0.2.13",
            "user": "root",
            "port": 2222,
            "groups": ["system", "hubs"],
            "vars": {},
        },
    },
    "networks": {"system": {"subnet": "192.0.2.0/24", "vip": "192.0.2.10"}},
}


def deployment(state: Path, name: str = "second") -> inventory.Deployment:
    return inventory.Deployment(name, "lab", [], {"model": "/m"}, state)


def wiring(root: Path) -> None:
    for name in ("all/base.yml", "cores/vip.yml"):
        file = root / "lab" / "group_vars" / name
        file.parent.mkdir(parents=True)
        file.write_text("{}\n")


def test_hosts_and_networks_reach_the_inventory(tmp_path: Path) -> None:
    wiring(tmp_path)
    file = inventory.write(tmp_path / "second", OUTPUTS, deployment(tmp_path / "state"))
    content = yaml.safe_load(file.read_text())["all"]
    groups = content["children"]["system"]["children"]
    assert groups["cores"]["hosts"]["core1"] == {
        "ansible_host": "192.0.2.11",
        "ansible_user": "root",
        "ansible_port": 22,
        "core_id": 1,
    }
    assert groups["hubs"]["hosts"]["hub"]["ansible_port"] == 2222
    assert content["vars"]["system_network"]["vip"] == "192.0.2.10"


def test_what_is_written_is_as_the_lint_of_the_checkout_wants_it(tmp_path: Path) -> None:
    wiring(tmp_path)
    with_list = inventory.Deployment("second", "lab", ["rocketchat"], {}, tmp_path / "state")
    file = inventory.write(tmp_path / "second", OUTPUTS, with_list)
    assert "    deployment_stand_ins:\n      - rocketchat\n" in file.read_text()


def test_another_lab_shares_the_wiring_and_keeps_its_own_secrets(tmp_path: Path) -> None:
    wiring(tmp_path)
    state = tmp_path / "state"
    inventory.write(tmp_path / "second", OUTPUTS, deployment(state))
    variables = tmp_path / "second" / "group_vars"
    assert (variables / "cores" / "vip.yml").resolve() == tmp_path / "lab/group_vars/cores/vip.yml"
    assert (variables / "all" / "vault.yml").readlink() == state / "vault.yml"
    assert not (tmp_path / "lab" / "group_vars" / "all" / "vault.yml").is_symlink()


def test_a_persons_own_file_overrides_the_shared_one(tmp_path: Path) -> None:
    wiring(tmp_path)
    own = tmp_path / "second" / "group_vars" / "cores" / "vip.yml"
    own.parent.mkdir(parents=True)
    own.write_text("mine: true\n")
    inventory.write(tmp_path / "second", OUTPUTS, deployment(tmp_path / "state"))
    assert own.read_text() == "mine: true\n"


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    wiring(tmp_path)
    file = inventory.write(tmp_path / "lab", OUTPUTS, deployment(tmp_path / "state", "lab"))
    before = file.stat().st_mtime_ns
    inventory.write(tmp_path / "lab", OUTPUTS, deployment(tmp_path / "state", "lab"))
    assert file.stat().st_mtime_ns == before
