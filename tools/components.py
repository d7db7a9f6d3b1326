"""The summary's rows: every part of the deployment, with its version and where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lab import catalog, engine
from lab.artifacts import image
from lab.artifacts import terraform as terraform_program
from lab.prepare import Prepared
from lab.settings import REPOSITORY, Lab
from tools import inventory
from tools.summary import Component

TOY = "SmolLM2 135M, a toy"
TOY_REMARKS = (
    "The lab's model is a toy: it proves that the pair works and knows very little.",
    "Another one: ollama_models in inventory/lab/group_vars/cores/ollama.yml.",
    "How: docs/howto/change-the-model.md.",
)
# What the hosts' image brings, by Debian's names.
ON_HOSTS = {
    "keepalived": "keepalived",
    "etcd": "etcd-server",
    "Redis": "redis-server",
    "nginx": "nginx-light",
}


def of(
    lab: Lab, prepared: Prepared, addresses: Mapping[str, str], *, heyken_version: str
) -> list[Component]:
    """Return the rows; programs on machines of one's own are those machines' business."""
    parts = [
        Component("Heyken", heyken_version, "this repository"),
        Component("Ollama", prepared.ollama.version, prepared.ollama.origin),
        *(_model(one) for one in models(lab)),
        *_chat(prepared, addresses),
        _terraform(lab, prepared.terraform),
    ]
    if prepared.provider is not None:
        provider = prepared.provider
        version = str(engine.require().version()["Version"])
        parts += [
            Component("Docker provider", provider.version, provider.origin),
            Component("Docker engine", version, engine.origin()),
            Component("System image", prepared.image, "Debian packages"),
        ]
    return [*parts, *_on_hosts(prepared)]


def remarks(lab: Lab) -> Sequence[str]:
    """Return what a person has to know of the declared models."""
    return TOY_REMARKS if any(_is_toy(one) for one in models(lab)) else ()


def models(lab: Lab) -> list[Mapping[str, Any]]:
    """Return the models that the cores' inventory declares; of several files the last one counts.

    A lab without an inventory of its own has the committed wiring. What only Ansible can work out
    is left out: the deployment has ended well by now, and this is for reading only.
    """
    declared: Any = []
    for place in (REPOSITORY / "inventory" / inventory.COMMITTED, lab.inventory):
        for file in sorted((place / "group_vars" / "cores").glob("*.yml")):
            declared = _read(file).get("ollama_models", declared)
    whole = declared if isinstance(declared, list) else []
    return [one for one in whole if isinstance(one, dict) and {"name", "file", "sha256"} <= {*one}]


def _read(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(file.read_text())
    except yaml.YAMLError:  # a tag of Ansible's own
        return {}
    return content if isinstance(content, dict) else {}


def _model(declared: Mapping[str, Any]) -> Component:
    origin = TOY if _is_toy(declared) else f"{Path(declared['file']).name}, by the inventory"
    return Component("Model", str(declared["name"]), origin)


def _is_toy(declared: Mapping[str, Any]) -> bool:
    return bool(declared["sha256"] == catalog.section("model")["sha256"])


def _terraform(lab: Lab, program: Path) -> Component:
    fetched = program.is_relative_to(lab.cache)
    origin = "official release" if fetched else "program on this machine"
    return Component("Terraform", terraform_program.version(program), origin)


def _chat(prepared: Prepared, addresses: Mapping[str, str]) -> list[Component]:
    """Say which Rocket.Chat people meet, and what it keeps its messages in."""
    if "Rocket.Chat" not in addresses:
        return []
    version = catalog.section("rocketchat")["version"]
    if prepared.chat.standin is not None:
        origin = f"a stand-in, because {prepared.chat.reason}"
        return [Component("Rocket.Chat", f"as {version}", origin)]
    mongodb = catalog.section("rocketchat")["mongodb_image"].rpartition(":")[2]
    return [
        Component("Rocket.Chat", version, "official image"),
        Component("MongoDB", mongodb, "official image"),
    ]


def _on_hosts(prepared: Prepared) -> list[Component]:
    if prepared.system is None:
        return []
    found = image.installed(prepared.system.file(image.TAR))
    parts = [
        Component(name, found[package], "Debian package")
        for name, package in ON_HOSTS.items()
        if package in found
    ]
    if prepared.compose is not None:
        compose = catalog.section("compose")["version"]
        parts.append(Component("Docker Compose", compose, "Debian package"))
    return parts
