"""Writes the file by which the command line finds and trusts a deployment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.files import write_private
from lab.settings import REPOSITORY

PORT = 5000


def write(
    path: Path,
    *,
    name: str,
    state: Path,
    inventory: Path,
    outputs: Mapping[str, Any],
    default: bool,
) -> dict[str, str]:
    """Write the client file, 0600, and return the addresses it names.

    `default` also makes it the one that `heyken` reads when nothing else is said.
    """
    vip = f"https://{outputs['networks']['system']['vip']}:{PORT}"
    token = (state / "operator.token").read_text().strip()
    cores = {
        host: f"https://{entry['address']}:{PORT}"
        for host, entry in sorted(outputs["hosts"].items())
        if "cores" in entry["groups"]
    }
    lines = [
        f"deployment = {json.dumps(name)}",
        f"url = {json.dumps(vip)}",
        f"ca_file = {json.dumps(str(state / 'ca.crt'))}",
        f"token = {json.dumps(token)}",
        "",
        "[cores]",
        *(f"{host} = {json.dumps(url)}" for host, url in cores.items()),
        "",
        "[origin]",
        f"playbooks = {json.dumps(str(REPOSITORY / 'ansible' / 'playbooks'))}",
        f"inventory = {json.dumps(str(inventory))}",
        f"state_directory = {json.dumps(str(state))}",
    ]
    write_private(path, "\n".join(lines) + "\n")
    curl = [f'cacert = "{state / "ca.crt"}"', f'header = "Authorization: Bearer {token}"']
    write_private(state / "curl.conf", "\n".join(curl) + "\n")
    if default:
        link(path)
    return {"Chat API": vip, **{f"{host} directly": url for host, url in cores.items()}}


def default_path() -> Path:
    """Where `heyken` looks when nothing else is said."""
    return Path.home() / ".config" / "heyken" / "client.toml"


def is_default(path: Path) -> bool:
    """Whether `heyken` reads `path` when nothing else is said."""
    place = default_path()
    return place.exists() and place.resolve() == path.resolve()


def link(path: Path) -> None:
    """Make `path` the default client file, unless a person or another deployment has one."""
    place = default_path()
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if place.is_symlink() and not place.exists():
        place.unlink()  # it led to a deployment that is gone
    if not place.exists():
        place.symlink_to(path)


def unlink(path: Path) -> None:
    """Remove the default link if it leads to `path`."""
    place = default_path()
    if place.is_symlink() and place.readlink() == path:
        place.unlink()
