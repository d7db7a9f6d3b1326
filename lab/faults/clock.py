"""One process whose clock is wrong; the machine's clock, which all hosts share, stays right."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lab.faults.hosts import Host

_PACKAGE = "libfaketime"
_INSTALL = (
    f"dpkg-query --status {_PACKAGE} >/dev/null 2>&1"
    f" || (apt-get update && apt-get install -y --no-install-recommends {_PACKAGE}) >/dev/null"
)
_FIND = f"dpkg-query --listfiles {_PACKAGE} | grep '/libfaketimeMT.so.1$'"


@contextlib.contextmanager
def skewed(host: Host, unit: str, seconds: int) -> Iterator[None]:
    """Start a unit whose time of day is that much ahead (or behind); durations stay right."""
    host.run(_INSTALL)
    library = host.run(_FIND).strip()
    directory = f"/run/systemd/system/{unit}.d"
    environment = f"LD_PRELOAD={library} FAKETIME={seconds:+d}s FAKETIME_DONT_FAKE_MONOTONIC=1"
    lines = f"[Service]\\nEnvironment={environment}\\n"
    drop_in = f"{directory}/90-fault-clock.conf"
    host.run(f"mkdir -p {directory} && printf '{lines}' >{drop_in}")
    try:
        _restart(host, unit)
        yield
    finally:
        host.run(f"rm -f {drop_in}")
        _restart(host, unit)


def _restart(host: Host, unit: str) -> None:
    host.run(f"systemctl daemon-reload && systemctl restart {unit}")
