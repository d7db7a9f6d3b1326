"""What the deploying machine knows of Rocket.Chat: users, address, whether it may be official."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lab import catalog
from lab.artifacts import rocketchat, standin
from lab.chat import PORT
from lab.settings import REPOSITORY, Lab
from tools import inventory, secrets

GROUP = "chats"


def users(lab: Lab) -> list[str]:
    """Return the names of the users that the inventory declares."""
    declared = _wiring(lab, "rocketchat_workspace").get("rocketchat_workspace_users") or []
    return [user["username"] for user in declared]


def may_be_official(lab: Lab) -> bool:
    """Whether the official server would take messages: by licence, registration, or reports."""
    vault = secrets.opened(lab.state)
    given = [lab.state / file for file in secrets.GIVEN.values()]
    reports = _wiring(lab, "rocketchat").get("rocketchat_reporting_egress") is True
    return (
        reports
        or any(file.exists() and file.read_text().strip() for file in given)
        or any(vault.get(key) for key in secrets.GIVEN)
    )


def artifacts(chat: rocketchat.Chat, compose: Path | None) -> dict[str, str]:
    """Return what the inventory says of images and packages."""
    version = catalog.section("rocketchat")["version"]
    found = {"rocketchat_version": version}
    if compose is not None:
        found["compose_package"] = str(compose)
        found["compose_package_sha256"] = catalog.section("compose")["sha256"]
    if chat.standin is not None:
        about = standin.described(chat.standin)
        found |= {"rocketchat_image": about["image"], "rocketchat_image_id": about["id"]}
        found["rocketchat_image_file"] = about["file"]
    return found | {f"{use}_image": image for use, image in chat.official.items()}


def addresses(lab: Lab, outputs: Mapping[str, Any]) -> dict[str, str]:
    """Return where people find Rocket.Chat; nothing if there is none.

    Ports of the lab named `lab` are published on this machine; others are reached at their hosts.
    """
    hosts = [host for host in outputs["hosts"].values() if GROUP in host["groups"]]
    if not hosts:
        return {}
    published = lab.environment == "lab" and lab.name == "lab"
    address = "127.0.0.1" if published else hosts[0]["address"]
    return {"Rocket.Chat": f"https://{address}:{PORT}"}


def _wiring(lab: Lab, role: str) -> dict[str, Any]:
    """Return what the inventory sets of one role; another lab may have no file of its own yet."""
    for folder in (lab.inventory, REPOSITORY / "inventory" / inventory.COMMITTED):
        file = folder / "group_vars" / GROUP / f"{role}.yml"
        if file.exists():
            content: dict[str, Any] = yaml.safe_load(file.read_text()) or {}
            return content
    return {}
