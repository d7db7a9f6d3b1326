"""Writes an environment's hosts.yml from Terraform's outputs, and links its secrets in.

This is the only bridge from Terraform to Ansible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

BANNER = "# Written by the deployment from Terraform's outputs; changes here are lost.\n"
# The lab's wiring serves every lab: another lab's inventory links to these files.
COMMITTED = "lab"


@dataclass(frozen=True)
class Deployment:
    """What the inventory says of the deployment as a whole."""

    name: str
    environment: str
    stand_ins: list[str]
    artifacts: Mapping[str, Any]
    state: Path


class _Indented(yaml.SafeDumper):
    """Indents lists below their key, as the rest of the repository does and its lint wants."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - the library's own signature
        super().increase_indent(flow, indentless=False)


def write(inventory: Path, outputs: Mapping[str, Any], deployment: Deployment) -> Path:
    """Write hosts.yml below `inventory`, which is made if it is another lab's; return its path."""
    inventory.mkdir(parents=True, exist_ok=True)
    _link_wiring(inventory)
    vault = inventory / "group_vars" / "all" / "vault.yml"
    vault.parent.mkdir(parents=True, exist_ok=True)
    _link(vault, deployment.state / "vault.yml")
    file = inventory / "hosts.yml"
    text = BANNER + yaml.dump(content(outputs, deployment), Dumper=_Indented, sort_keys=False)
    if not file.exists() or file.read_text() != text:
        file.write_text(text)
    return file


def remove(inventory: Path) -> list[Path]:
    """Remove what the deployment wrote below `inventory`; return people's own files, which stay."""
    (inventory / "hosts.yml").unlink(missing_ok=True)
    for path in sorted(inventory.rglob("*"), reverse=True):
        if path.is_symlink():
            path.unlink()
    for path in sorted([inventory, *inventory.rglob("*")], reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    return sorted(path for path in inventory.rglob("*") if path.is_file())


def content(outputs: Mapping[str, Any], deployment: Deployment) -> dict[str, Any]:
    """Return the inventory as ansible's YAML plugin reads it.

    outputs: `hosts` (name -> address, user, port, groups, vars) and `networks` (system, sandbox).
    """
    networks = outputs["networks"]
    state = deployment.state
    groups: dict[str, dict[str, Any]] = {}
    for name, host in sorted(outputs["hosts"].items()):
        for group in host["groups"]:
            if group != "system":
                groups.setdefault(group, {"hosts": {}})["hosts"][name] = _host(host)
    return {
        "all": {
            "vars": {
                "deployment_name": deployment.name,
                "deployment_environment": deployment.environment,
                "deployment_stand_ins": deployment.stand_ins,
                "deployment_state_directory": str(state),
                "system_network": networks["system"],
                "sandbox_network": networks.get("sandbox"),
                "ansible_python_interpreter": "/usr/bin/python3",
                "lab_artifacts": dict(deployment.artifacts),
                "ansible_ssh_private_key_file": str(state / "ssh" / "id_ed25519"),
                "ansible_ssh_common_args": f"-o UserKnownHostsFile={state / 'ssh' / 'known_hosts'}"
                f" -o ControlPath={state / 'ssh'}/%h -o IdentitiesOnly=yes",
            },
            "children": {"system": {"children": groups}},
        }
    }


def _host(host: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ansible_host": host["address"],
        "ansible_user": host["user"],
        "ansible_port": host["port"],
        **{key: value for key, value in (host.get("vars") or {}).items() if value is not None},
    }


def _link_wiring(inventory: Path) -> None:
    wiring = inventory.parent / COMMITTED / "group_vars"
    if inventory.name == COMMITTED:
        return
    for file in wiring.rglob("*.yml"):
        if not file.is_symlink():
            place = inventory / "group_vars" / file.relative_to(wiring)
            place.parent.mkdir(parents=True, exist_ok=True)
            _link(place, file)


def _link(place: Path, target: Path) -> None:
    if place.exists() and not place.is_symlink():
        return  # somebody's own file overrides the shared one
    if place.is_symlink() and place.readlink() == target:
        return
    place.unlink(missing_ok=True)
    place.symlink_to(target)
