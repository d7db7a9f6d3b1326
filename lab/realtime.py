"""Real-time scheduling for hosts whose keepalived must not wait for a processor.

keepalived asks for it on any machine. A container gets it only where its control group has a share
of the machine's real-time: the engine gives one with version 1 of the control groups and a kernel
that groups real-time tasks. Elsewhere nothing is asked of the engine.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from docker.models.containers import Container

from lab.problem import Problem

ROOT = Path("/sys/fs/cgroup/cpu")
PERIOD, RUNTIME = "cpu.rt_period_us", "cpu.rt_runtime_us"
PERIOD_MICROSECONDS, RUNTIME_MICROSECONDS = 1_000_000, 900_000
# A tenth of a processor. Who used it up waits for the rest of a period: less than a few adverts.
HOST_PERIOD_MICROSECONDS, HOST_RUNTIME_MICROSECONDS = 50_000, 5_000


def available(root: Path = ROOT) -> bool:
    """Tell whether control groups have shares of real-time on this machine."""
    return (root / RUNTIME).exists()


def engine_options(root: Path = ROOT) -> list[str]:
    """Return what dockerd has to be told so that it can give containers a share."""
    if not available(root):
        return []
    return [
        f"--cpu-rt-period={PERIOD_MICROSECONDS}",
        f"--cpu-rt-runtime={RUNTIME_MICROSECONDS}",
    ]


def grant(chosen: Iterable[Container], root: Path = ROOT) -> list[str]:
    """Give each container that has none its share, kept over restarts; say what came of it.

    The engine has to run with `engine_options`. Without a share left, as with many labs at once,
    nothing is kept either: the engine would not start the container again.
    """
    told = []
    for container in chosen:
        if container.attrs["HostConfig"].get("CpuRealtimeRuntime") == HOST_RUNTIME_MICROSECONDS:
            continue
        try:
            _apply(root, container)
        except OSError as error:
            told.append(f"{container.name} runs keepalived without real time: {error.strerror}")
            continue
        _keep(container)
        told.append(f"{container.name} may run keepalived in real time")
    return told


def _apply(root: Path, container: Container) -> None:
    """Do for a container that runs what the engine does when it starts one with a share."""
    group = root / (container.attrs["HostConfig"].get("CgroupParent") or "docker").strip("/")
    if int((group / RUNTIME).read_text()) == 0:
        (group / RUNTIME).write_text(str(RUNTIME_MICROSECONDS))
    own = group / str(container.id)
    (own / PERIOD).write_text(str(HOST_PERIOD_MICROSECONDS))
    (own / RUNTIME).write_text(str(HOST_RUNTIME_MICROSECONDS))


def _keep(container: Container) -> None:
    """Let the engine remember the share for the container's next starts."""
    api = container.client.api
    share = {
        "CpuRealtimePeriod": HOST_PERIOD_MICROSECONDS,
        "CpuRealtimeRuntime": HOST_RUNTIME_MICROSECONDS,
    }
    # The library's own update knows every limit but these two.
    answer = api.post(
        f"{api.base_url}/v{api.api_version}/containers/{container.id}/update",
        json=share,
        timeout=api.timeout,
    )
    if not answer.ok:
        raise Problem(
            f"{container.name} gets no real-time scheduling",
            why=answer.text.strip(),
            todo="make stop, make start, and run make deploy again",
        )
