"""Pulling a host's cables before its plug, as a loss of power does to those who talk with it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.faults import Host

_PATIENCE_SECONDS = 10
# the other ends of a host's cables, which are on the machine
_ENDS = "cd /sys/class/net && cat $(ls -d */ | grep -v ^lo/ | sed s,$,iflink,)"


def cables(host: Host) -> list[str]:
    """Return the machine's ends of a host's cables; they are others after each start."""
    mine = {int(number) for number in host.run(_ENDS).split()}
    ports = Path("/sys/class/net").iterdir()
    return [port.name for port in ports if int((port / "ifindex").read_text()) in mine]


def unplug(host: Host, pulled: Sequence[str]) -> None:
    """Pull the cables, then kill the host: nobody hears a last word of it.

    A host that is only killed closes its connections, and its clients know at once.
    """
    for cable in pulled:
        command = ["ip", "link", "set", cable, "down"]
        subprocess.run(command, check=True, timeout=_PATIENCE_SECONDS)
    host.kill()
