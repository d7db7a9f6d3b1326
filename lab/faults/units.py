"""One unit of a host stopped, hung, killed, or out of memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lab.faults.hosts import Host

_MIB = 1 << 20
_ROOM_MIB = 32  # what the unit may still take before its memory is used up
# The kernel ends who says that it may best be missed. Whoever takes the memory says nothing of the
# kind, so it is the unit that dies and not its tormentor; memory that is written to cannot be
# given back, and is asked for a little at a time so that it ends when the limit is met.
_HOG = """
import pathlib, sys
procs, limit, room, *victims = sys.argv[1:]
pathlib.Path(procs).write_text("0")
for victim in victims:
    pathlib.Path("/proc", victim, "oom_score_adj").write_text("1000")
taken = []
while len(taken) < int(room) and all(pathlib.Path("/proc", v).exists() for v in victims):
    taken.append(b"x" * (1 << 20))
"""
_V1, _V2 = ("memory.limit_in_bytes", "memory.usage_in_bytes"), ("memory.max", "memory.current")


@contextlib.contextmanager
def stopped(host: Host, unit: str) -> Iterator[None]:
    """Stop a unit as an operator would, and start it at the end."""
    host.stop_unit(unit)
    try:
        yield
    finally:
        host.start_unit(unit)


@contextlib.contextmanager
def hung(host: Host, unit: str) -> Iterator[None]:
    """Stop every process of a unit where it stands, and let them go on at the end."""
    host.freeze_unit(unit)
    try:
        yield
    finally:
        host.thaw_unit(unit)


@contextlib.contextmanager
def killed(host: Host, unit: str) -> Iterator[None]:
    """End every process of a unit at once; systemd starts it again, or the end of this does."""
    host.run(f"systemctl kill --signal=SIGKILL {unit}")
    try:
        yield
    finally:
        host.run(f"systemctl reset-failed {unit}; systemctl start {unit}")


@contextlib.contextmanager
def out_of_memory(host: Host, unit: str) -> Iterator[None]:
    """Let a unit's own control group run out of memory, so that the kernel ends its processes.

    Neither the host nor this machine gets short of any: the group gets a limit just above what it
    uses, and a process inside it takes the rest.
    """
    group = _memory_group(host, unit)
    limit_file, usage_file = _V1 if "/memory/" in group else _V2
    usage = int(host.run(f"cat {group}/{usage_file}"))
    limit = usage + _ROOM_MIB * _MIB
    before = host.run(f"cat {group}/{limit_file}").strip()
    victims = host.run(f"cat {group}/cgroup.procs").split()
    host.run(f"echo {limit} >{group}/{limit_file}")
    try:
        arguments = [f"{group}/cgroup.procs", str(limit), str(4 * _ROOM_MIB), *victims]
        # what becomes of the hog itself does not matter
        host.run(f"python3 -c '{_HOG}' {' '.join(arguments)} >/dev/null 2>&1; echo $?")
        yield
    finally:
        # the group goes when the unit ends, and comes without a limit
        unlimited = "-1" if "/memory/" in group else before
        host.run(f"test ! -e {group}/{limit_file} || echo {unlimited} >{group}/{limit_file}")
        host.run(f"systemctl reset-failed {unit}; systemctl start {unit}")


def _memory_group(host: Host, unit: str) -> str:
    """Return the directory of the unit's control group that limits memory, version 1 or 2."""
    group = host.run(f"systemctl show -P ControlGroup {unit}").strip()
    found = host.run(
        f"for one in /sys/fs/cgroup/memory{group} /sys/fs/cgroup{group};"
        " do if test -e $one/cgroup.procs; then echo $one; break; fi; done"
    )
    return found.strip()
