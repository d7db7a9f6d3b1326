"""Debian packages on the deploying machine: what is missing is named before it is installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.problem import Problem
from lab.progress import Progress
from lab.shell import run, succeeds

# Every package lists its files here once it is installed; looking costs nothing.
INFO = Path("/var/lib/dpkg/info")
UNITS = Path("/usr/lib/systemd/system")
# What Debian's scripts ask before they start a service; 101 forbids it.
POLICY = Path("/usr/sbin/policy-rc.d")
NOTHING_STARTS = "#!/bin/sh\n# Heyken is installing packages for its tests.\nexit 101\n"
ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive"}
ADVICE = "check /etc/apt/sources.list.d and that the mirror answers, then run make deploy again"


def missing(names: Sequence[str]) -> list[str]:
    """Return the packages of `names` that are not installed."""
    return [
        name
        for name in names
        if not (INFO / f"{name}.list").exists() and not list(INFO.glob(f"{name}:*.list"))
    ]


def install(names: Sequence[str], progress: Progress) -> None:
    """Install what is missing; Problem where that needs rights we do not have."""
    wanted = missing(names)
    if not wanted:
        return
    require_root(f"installing {', '.join(wanted)}")
    progress.say(f"installing Debian packages: {', '.join(wanted)}")
    fresh = not succeeds(["apt-get", "install", "-s", *wanted], timeout_seconds=60)
    if fresh:
        update()
    try:
        _install(wanted)
    except Problem:
        if fresh:
            raise
        # Old lists name packages that the mirror has replaced since.
        progress.say("that failed: fetching the package lists, then once more")
        update()
        _install(wanted)


def install_idle(names: Sequence[str], progress: Progress) -> None:
    """Install what is missing, and neither start nor enable the services that come with it."""
    if not missing(names):
        return
    require_root(f"installing {', '.join(missing(names))}")
    before = _services()
    with _nothing_starts():
        install(names, progress)
    new = sorted(_services() - before)
    if not new:
        return
    if shutil.which("systemctl"):
        # One by one: those that cannot be enabled are refused, and need not be disabled.
        for unit in new:
            succeeds(["systemctl", "disable", "--quiet", unit], timeout_seconds=60)
    progress.say(f"neither started nor enabled, as only tests run them: {', '.join(new)}")


def _services() -> set[str]:
    """Return the services that a machine's start could bring up."""
    return {path.name for path in UNITS.glob("*.service") if "@" not in path.name}


@contextmanager
def _nothing_starts() -> Iterator[None]:
    """Let Debian's scripts start nothing meanwhile; what the machine itself says comes back."""
    own = POLICY.with_name(f"{POLICY.name}.before-heyken")
    # After a run that was killed, ours is there and the machine's own lies beside it.
    if POLICY.exists() and POLICY.read_text() != NOTHING_STARTS:
        POLICY.rename(own)
    POLICY.write_text(NOTHING_STARTS)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
        if own.exists():
            own.rename(POLICY)


def update() -> None:
    """Fetch the package lists; Problem if the mirror does not give them."""
    what = "the package lists cannot be fetched"
    run(["apt-get", "update"], timeout_seconds=300, env=ENVIRONMENT, what=what, todo=ADVICE)


def _install(names: Sequence[str]) -> None:
    what = f"{', '.join(names)} cannot be installed"
    words = ["apt-get", "install", "-y", "--no-install-recommends", *names]
    run(words, timeout_seconds=900, env=ENVIRONMENT, what=what, todo=ADVICE)


def require_root(purpose: str) -> None:
    """Refuse early when the work needs root."""
    if os.geteuid() != 0:
        tool = "sudo " if shutil.which("sudo") else ""
        raise Problem(
            f"{purpose} needs root",
            why=f"this runs as user {os.geteuid()}",
            todo=f"run it as root: {tool}make deploy",
        )
