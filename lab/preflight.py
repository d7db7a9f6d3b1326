"""Looks at the deploying machine before anything changes, and says everything that is wrong."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import platform
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from lab import engine
from lab.problem import Problem
from lab.settings import Lab
from lab.shell import run

MEMORY_GB = 4  # as README and tutorial say
CACHE_GIB = 4
ENGINE_GIB = 4
SPARE_GIB = 0.25  # where everything is there already
FILE_SYSTEMS = {"overlay", "tmpfs"}
# systemd of one host watches files with six to eight inotify instances.
INOTIFY_INSTANCES = 32
INOTIFY_MAX = Path("/proc/sys/fs/inotify/max_user_instances")
# What hosts.auto.tfvars publishes on this machine's loopback, for the lab of this name only.
PUBLISHED = {"lab": (3100,)}


def check(lab: Lab) -> None:
    """Raise one Problem that lists everything in the way; return if nothing is."""
    found = [*_machine(), *_memory(lab), *_space(lab), *_kernel()]
    if os.geteuid() == 0:  # nobody else may ask the engine what is whose
        found += [*_networks(lab), *_ports(lab), *_inotify(lab)]
    if not found:
        return
    if len(found) == 1:
        raise found[0]
    raise Problem(
        f"{len(found)} things are in the way",
        why="\n        ".join(f"{one.what} ({one.why})" for one in found),
        todo="\n        ".join(dict.fromkeys(one.todo for one in found)),
    )


def _machine() -> Iterator[Problem]:
    if os.geteuid() != 0:
        yield Problem(
            "the lab needs root",
            why=f"this runs as user {os.geteuid()}; containers with their own init need rights",
            todo="sudo make deploy",
        )
    if platform.machine() != "x86_64":
        yield Problem(
            f"the processor is {platform.machine()}",
            why="the lab's artefacts are made for x86_64",
            todo="use an x86_64 machine, or ENV=hosts with machines you have",
        )
    release = _os_release()
    if release.get("ID") != "debian" or release.get("VERSION_ID") not in {"12", "13"}:
        yield Problem(
            f"this is {release.get('PRETTY_NAME', 'an unknown system')}",
            why="the lab was made for Debian 12 and 13",
            todo="use a machine with Debian 12 or 13",
        )


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip('"') for key, _, value in pairs}


def _memory(lab: Lab) -> Iterator[Problem]:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024 / 1e9
            # A lab that already runs has taken its memory.
            if free < MEMORY_GB and not lab.deployed:
                yield Problem(
                    f"{free:.1f} GB of memory are available",
                    why=f"the lab needs {MEMORY_GB} GB",
                    todo="end other programs, or use a larger machine",
                )


def _space(lab: Lab) -> Iterator[Problem]:
    """Places on one file system have to share what is free there."""
    needs = {
        lab.cache: SPARE_GIB if (lab.cache / "provider").exists() else CACHE_GIB,
        lab.state: SPARE_GIB,
        engine.data_directory(): SPARE_GIB if lab.deployed else ENGINE_GIB,
    }
    shared: dict[int, list[Path]] = {}
    for place in needs:
        shared.setdefault(_existing(place).stat().st_dev, []).append(place)
    for places in shared.values():
        free = shutil.disk_usage(_existing(places[0])).free / (1 << 30)
        if free < sum(needs[place] for place in places):
            yield Problem(
                f"{free:.1f} GiB are free where {places[0]} lies",
                why=", ".join(f"{place} needs {needs[place]:g} GiB" for place in places),
                todo="free some space, or name other places with HEYKEN_CACHE_DIR and "
                "HEYKEN_STATE_DIR",
            )


def _existing(place: Path) -> Path:
    return next(path for path in (place, *place.parents) if path.exists())


def _kernel() -> Iterator[Problem]:
    known = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    for name in sorted(FILE_SYSTEMS - known):
        # A module that is not loaded yet does not show; it must be loadable.
        if not list(Path(f"/lib/modules/{platform.release()}").rglob(f"{name}.ko*")):
            yield Problem(
                f"the kernel has no {name}",
                why=f"{platform.release()} neither has it built in nor as a module",
                todo="use the distribution's own kernel",
            )
    if (
        not Path("/sys/fs/cgroup/cgroup.controllers").exists()
        and not Path("/sys/fs/cgroup/memory").exists()
    ):
        yield Problem(
            "control groups are not mounted",
            why="/sys/fs/cgroup has neither version 2 nor the memory controller of version 1",
            todo="mount them: mount -t cgroup2 none /sys/fs/cgroup",
        )


def _inotify(lab: Lab) -> Iterator[Problem]:
    """All containers of root share one allowance; a host that finds none left does not boot."""
    if lab.deployed:
        return
    most, used = int(INOTIFY_MAX.read_text()), _inotify_used()
    if used + INOTIFY_INSTANCES > most:
        yield Problem(
            f"{max(0, most - used)} inotify instances are left",
            why=f"the lab's hosts need {INOTIFY_INSTANCES}, root may have {most}, and {used} are "
            "in use: other labs and containers have them",
            todo=f"sysctl fs.inotify.max_user_instances={most + 128 * (1 + used // most)}",
        )


def _inotify_used() -> int:
    used = 0
    for process in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):  # it has ended
            for file in process.iterdir():
                with contextlib.suppress(OSError):
                    used += str(file.readlink()) == "anon_inode:inotify"
    return used


def _networks(lab: Lab) -> Iterator[Problem]:
    ours = _own_subnets(lab)
    for text in (lab.networks.system_subnet, lab.networks.sandbox_subnet):
        wanted = ipaddress.ip_network(text)
        for taken, by in _routes():
            if taken.overlaps(wanted) and str(taken) not in ours:
                yield Problem(
                    f"network {wanted} is taken",
                    why=f"the machine already reaches {taken} through {by}",
                    todo=f"choose another: make deploy LAB={lab.name} SYSTEM_SUBNET=10.90.0.0/24 "
                    "SANDBOX_SUBNET=10.90.1.0/24",
                )
    yield from _vip(lab)


def _vip(lab: Lab) -> Iterator[Problem]:
    """Nobody else may have the virtual address. (The hosts ask their network for it as well.)"""
    holder = _container_with(lab.vip)
    if holder:
        yield Problem(
            f"the virtual address {lab.vip} is taken",
            why=f"the container {holder} has it",
            todo=f"remove it: docker rm --force {holder}",
        )
        return
    for address in _own_addresses():
        if address == lab.vip:
            yield Problem(
                f"the virtual address {lab.vip} is taken",
                why="this machine has it itself",
                todo=f"ip address del {lab.vip}/32 dev DEVICE, or choose another SYSTEM_SUBNET",
            )


def _ports(lab: Lab) -> Iterator[Problem]:
    """Nobody else may listen where the lab publishes its ports."""
    for port in PUBLISHED.get(lab.name, ()):
        if _answers(port) and not _publishes(lab, port):
            yield Problem(
                f"port {port} of this machine is taken",
                why=f"something listens at 127.0.0.1:{port}",
                todo=f"end it (ss -ltnp 'sport = :{port}' shows it), or make another lab: "
                "make deploy LAB=second SYSTEM_SUBNET=10.90.0.0/24 SANDBOX_SUBNET=10.90.1.0/24",
            )


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _publishes(lab: Lab, port: int) -> bool:
    client = engine.connect()
    chosen = {"label": f"heyken.lab={lab.name}"}
    for container in client.containers.list(filters=chosen) if client is not None else []:
        bindings = container.attrs["NetworkSettings"]["Ports"].values()
        if any(str(port) == one["HostPort"] for several in bindings for one in several or []):
            return True
    return False


def _own_addresses() -> list[str]:
    if shutil.which("ip") is None:
        return []
    entries = json.loads(run(["ip", "-json", "-4", "address", "show"], timeout_seconds=10) or "[]")
    return [one["local"] for entry in entries for one in entry.get("addr_info", [])]


def _routes() -> list[tuple[ipaddress.IPv4Network, str]]:
    if shutil.which("ip") is None:
        return []
    entries = json.loads(run(["ip", "-json", "-4", "route", "show"], timeout_seconds=10) or "[]")
    return [
        (ipaddress.IPv4Network(entry["dst"], strict=False), entry.get("dev", "?"))
        for entry in entries
        if entry["dst"] != "default"
    ]


def _own_subnets(lab: Lab) -> set[str]:
    client = engine.connect()
    if client is None:
        # An engine that crashed left its bridges behind; the next one takes them over.
        own = {lab.networks.system_subnet, lab.networks.sandbox_subnet}
        return own if lab.deployed else set()
    networks = client.networks.list(filters={"label": f"heyken.lab={lab.name}"})
    return {
        config["Subnet"] for network in networks for config in network.attrs["IPAM"]["Config"] or []
    }


def _container_with(address: str) -> str | None:
    client = engine.connect()
    for container in client.containers.list() if client is not None else []:
        for network in container.attrs["NetworkSettings"]["Networks"].values():
            if network.get("IPAddress") == address:
                return str(container.name)
    return None
