"""A full disk, as one unit sees it: a small mount in its own view of the file system."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lab.faults.hosts import Host

SIZE_KIB = 256


@contextlib.contextmanager
def full(host: Host, unit: str, directory: str) -> Iterator[None]:
    """Put a small, full file system in the place of a directory, for that unit alone.

    The host's own disk, which is this machine's, keeps its room. A unit that is started anew sees
    its directory as it was.
    """
    pid = host.run(f"systemctl show -P MainPID {unit}").strip()
    inside = f"nsenter --mount --target {pid}"
    options = f"size={SIZE_KIB}k,mode=0777"
    host.run(f"{inside} mount -t tmpfs -o {options} heyken-fault {directory}")
    try:
        # writing ends with an error: that is what shows that it is full
        fill = f"! dd if=/dev/zero of={directory}/full bs=4k status=none 2>/dev/null"
        host.run(f"{inside} sh -c '{fill}'")
        yield
    finally:
        if host.running():
            host.run(f"if test -e /proc/{pid}; then {inside} umount --lazy {directory}; fi")
