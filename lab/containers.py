"""The lab's containers through the engine's API: ssh host keys, stop, start, leftovers."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from lab import engine
from lab.files import write_private
from lab.problem import Problem
from lab.settings import Lab

READY_SECONDS = 60.0
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"


def all_of(lab: Lab) -> list[Container]:
    """Return the lab's containers, running or not, by name."""
    client = engine.connect()
    if client is None:
        return []
    found = client.containers.list(all=True, filters={"label": f"heyken.lab={lab.name}"})
    return sorted(found, key=lambda container: str(container.name))


def cgroup_version() -> int:
    """Return the version of the machine's control groups: 1 (also hybrid) or 2."""
    return 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1


def write_known_hosts(lab: Lab, hosts: Mapping[str, Any]) -> None:
    """Ask each container for its ssh key, over the engine and not over the network."""
    by_address = {address(container): container for container in all_of(lab)}
    lines = []
    for name, host in sorted(hosts.items()):
        container = by_address.get(host["address"])
        if container is None:
            raise Problem(
                f"host {name} has no container",
                why=f"no container of lab {lab.name} has the address {host['address']}",
                todo="run make deploy again; if it stays so: make destroy, make deploy",
            )
        key = _host_key(container)
        # The third word is whoever made the key; the first two are the key.
        lines.append(f"{host['address']} {' '.join(key.split()[:2])}\n")
    write_private(lab.state / "ssh" / "known_hosts", "".join(lines))


def stop(lab: Lab) -> list[str]:
    """Stop the lab's containers, which keep everything; return the names of those that ran."""
    running = [container for container in all_of(lab) if container.status == "running"]
    for container in running:
        container.stop(timeout=30)
    return [str(container.name) for container in running]


def start(lab: Lab) -> list[str]:
    """Start the lab's containers; return the names of those that did not run."""
    stopped = [container for container in all_of(lab) if container.status != "running"]
    for container in stopped:
        container.start()
    return [str(container.name) for container in stopped]


def sweep(lab: Lab) -> list[str]:
    """Remove what carries the lab's label and Terraform does not know of; return what it was."""
    client = engine.connect()
    if client is None:
        return []
    swept = []
    for container in all_of(lab):
        container.remove(force=True, v=True)
        swept.append(f"container {container.name}")
    chosen = {"label": f"heyken.lab={lab.name}"}
    for network in client.networks.list(filters=chosen):
        network.remove()
        swept.append(f"network {network.name}")
    for volume in client.volumes.list(filters=chosen):
        volume.remove(force=True)
        swept.append(f"volume {volume.name}")
    return swept


def drop_unknown(lab: Lab, known: set[str], *, since: float) -> list[str]:
    """Remove what was made for the lab after `since` and is not known; return what it was.

    An apply that was killed has made things that its state does not name; they hold nothing yet,
    and would be in the way of making them again. known: the ids in the state.
    """
    client = engine.require()
    chosen = {"label": f"heyken.lab={lab.name}"}
    dropped = []
    for container in all_of(lab):
        if container.id not in known and _made(container.attrs["Created"]) >= since:
            container.remove(force=True, v=True)
            dropped.append(f"container {container.name}")
    for network in client.networks.list(filters=chosen):
        if network.id not in known and _made(network.attrs["Created"]) >= since:
            network.remove()
            dropped.append(f"network {network.name}")
    for volume in client.volumes.list(filters=chosen):
        # A volume's time has no fractions.
        if volume.id not in known and _made(volume.attrs["CreatedAt"]) >= int(since):
            volume.remove(force=True)
            dropped.append(f"volume {volume.name}")
    return dropped


def _made(text: str) -> float:
    """Read the engine's way of writing a time; it has more fractions than Python reads."""
    return dt.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()


def address(container: Container) -> str | None:
    """Return its address in the network of the hosts."""
    networks = container.attrs["NetworkSettings"]["Networks"]
    for name, network in networks.items():
        if name.endswith("-system"):
            return str(network["IPAddress"])
    return None


def _host_key(container: Container) -> str:
    deadline = time.monotonic() + READY_SECONDS
    seen = "it did not run"
    while time.monotonic() < deadline:
        try:
            code, out = container.exec_run(["cat", HOST_KEY])
        except (APIError, NotFound) as error:
            seen = str(error)
        else:
            if code == 0 and out.startswith(b"ssh-"):
                return str(out.decode())
            seen = out.decode(errors="replace").strip()
        time.sleep(0.2)
    raise Problem(
        f"{container.name} makes no ssh key",
        why=f"after {READY_SECONDS:.0f} s: {seen}",
        todo=f"look inside: docker exec {container.name} systemctl --failed",
    )
