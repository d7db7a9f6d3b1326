"""The Docker engine: found, or installed and started; the one we started is ours to end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import docker
from docker.errors import DockerException

from lab import catalog, packages, realtime
from lab.problem import Problem
from lab.progress import Progress
from lab.settings import state_directory
from lab.shell import run

SOCKET = Path("/var/run/docker.sock")
URL = f"unix://{SOCKET}"
START_SECONDS = 60.0
BUSY_SECONDS = 10.0
BRIDGE = "docker0"


def connect() -> docker.DockerClient | None:
    """Return a client of the engine that answers on this machine, or None.

    Raises Problem if the engine is there and does not let this user in.
    """
    if not SOCKET.exists():
        return None
    if not os.access(SOCKET, os.W_OK):
        raise Problem(
            "the Docker engine does not let you in",
            why=f"user {os.geteuid()} may not write to {SOCKET}",
            todo="run it as root, as the lab was made: sudo make …",
        )
    try:
        client = docker.DockerClient(base_url=URL, timeout=60)
        client.ping()
    except DockerException:
        return None
    return client


def require() -> docker.DockerClient:
    """Return a client of the running engine; Problem if none answers."""
    client = connect()
    if client is None:
        raise Problem(
            "no Docker engine answers",
            why=f"nothing listens at {SOCKET}",
            todo="run make deploy, or make start if the lab was stopped",
        )
    return client


def ensure(progress: Progress) -> docker.DockerClient:
    """Return a client, installing and starting the engine where that is needed."""
    client = connect()
    wanted = catalog.section("engine")
    if client is None and shutil.which("dockerd", path=_path()) is None:
        packages.install(wanted["packages"], progress)
    if shutil.which("docker", path=_path()) is None:
        packages.install(wanted["client_packages"], progress)
    if client is not None:
        return client
    if Path("/run/systemd/system").exists():
        run(
            ["systemctl", "start", "docker.service"],
            timeout_seconds=START_SECONDS,
            what="the Docker engine does not start",
            todo="see journalctl -u docker, mend the cause, and run the same command again",
        )
    else:
        progress.say("no init system runs here: starting dockerd, which make destroy ends again")
        _start_own()
    return _wait()


def stop_own() -> bool:
    """End the engine if we started it and no container of any lab is left; True if it ended."""
    pid = _own_pid()
    if pid is None:
        return False
    client = connect()
    if client is not None and client.containers.list(all=True):
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    if _alive(pid):
        raise Problem(
            f"dockerd ({pid}) does not end",
            why=f"SIGTERM was sent {START_SECONDS:.0f} s ago",
            todo=f"see {_home() / 'dockerd.log'}, then end process {pid} yourself",
        )
    _release_data()
    _remove_bridge()
    shutil.rmtree(_home(), ignore_errors=True)
    return True


def _release_data() -> None:
    """Take away the mounts that dockerd makes of its data; of a killed one they stay.

    Its last threads may outlive it for a moment, and keep them busy.
    """
    data = os.path.realpath(_home() / "data")
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    places = (line.split()[1].replace("\\040", " ") for line in mounts)
    deadline = time.monotonic() + BUSY_SECONDS
    for _ in [place for place in places if place == data]:
        while not _unmounted(data, insisting=time.monotonic() >= deadline):
            time.sleep(0.1)


def _unmounted(data: str, *, insisting: bool) -> bool:
    try:
        run(
            ["umount", data],
            timeout_seconds=START_SECONDS,
            what="the engine's data stays mounted",
            todo=f"umount {data}, then remove {_home()}",
        )
    except Problem:
        if insisting:
            raise
        return False
    return True


def _remove_bridge() -> None:
    """Take away the bridge that dockerd makes for itself, and with it its route."""
    if Path("/sys/class/net", BRIDGE).exists():
        run(
            ["ip", "link", "delete", BRIDGE],
            timeout_seconds=START_SECONDS,
            what=f"the engine's bridge {BRIDGE} stays",
            todo=f"ip link delete {BRIDGE}",
        )


def data_directory() -> Path:
    """Where the engine keeps images and containers, or will once it is there."""
    try:
        client = connect()
    except Problem:
        client = None
    if client is not None:
        return Path(client.info()["DockerRootDir"])
    by_init = Path("/run/systemd/system").exists()
    return Path("/var/lib/docker") if by_init else _home() / "data"


def is_own() -> bool:
    """Tell whether this deployment started the engine that runs."""
    return _own_pid() is not None


def origin() -> str:
    """Say whose engine it is, for the summary."""
    return "started by this deployment" if is_own() else "the machine's own"


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _home() -> Path:
    return state_directory() / "engine"


def _own_pid() -> int | None:
    try:
        pid = int((_home() / "dockerd.pid").read_text())
    except (OSError, ValueError):
        return None
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    # A pid file may outlive its process and name somebody else's: only our own data root counts.
    return pid if str(_home() / "data").encode() in command else None


def _alive(pid: int) -> bool:
    """Whether the process runs; a zombie, which the machine's init may never collect, does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _start_own() -> None:
    home = _home()
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    # It and its hosts inherit this. Mitogen ties what Ansible begins to a single processor.
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    with (home / "dockerd.log").open("a") as log:
        subprocess.Popen(
            [
                shutil.which("dockerd", path=_path()) or "dockerd",
                "--data-root",
                str(home / "data"),
                "--pidfile",
                str(home / "dockerd.pid"),
                "--host",
                URL,
                *realtime.engine_options(),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # it outlives this command, its terminal and its folder
            cwd="/",
            env={**os.environ, "PATH": _path()},
        )


def _wait() -> docker.DockerClient:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        client = connect()
        if client is not None:
            return client
        time.sleep(0.1)
    log = _home() / "dockerd.log"
    tail = "\n        ".join(log.read_text().splitlines()[-5:]) if log.exists() else "no log"
    raise Problem(
        "the Docker engine does not start",
        why=tail,
        todo=f"see {log} (or journalctl -u docker), mend the cause, and run the same command again",
    )
