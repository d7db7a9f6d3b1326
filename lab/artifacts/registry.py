"""Official images: whether their registries answer, and which content a tag has there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import docker
from docker.errors import DockerException
from requests.exceptions import RequestException

from lab import engine
from lab.files import write_private

ANSWER_SECONDS = 10

Ask = Callable[[str], str | None]


def pinned(names: Mapping[str, str], kept: Path, *, ask: Ask | None = None) -> dict[str, str]:
    """Return each image as `name:tag@sha256:…`; nothing at all if one registry does not answer.

    names: for each use the image as `name:tag`. What was found is kept in a file and not asked for
    again: a tag that moves, or a registry that is away today, changes nothing about a deployment.
    HEYKEN_OFFICIAL=no finds nothing.
    """
    if os.environ.get("HEYKEN_OFFICIAL") == "no":
        return {}
    known: dict[str, str] = json.loads(kept.read_text()) if kept.exists() else {}
    found = {}
    for name in names.values():
        digest = known.get(name) or (ask or _digest)(name)
        if digest is None:
            return {}
        found[name] = digest
    if found != known:
        write_private(kept, json.dumps(found, indent=1) + "\n")
    return {use: f"{name}@{found[name]}" for use, name in names.items()}


def _digest(name: str) -> str | None:
    """Ask the registry through the engine, which knows the machine's proxies and authorities."""
    try:
        client = docker.DockerClient(base_url=engine.URL, timeout=ANSWER_SECONDS)
        return str(client.images.get_registry_data(name).id)
    except (DockerException, RequestException):
        return None
