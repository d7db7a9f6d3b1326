"""Puts `heyken` and `ansible-playbook` where a person's shell finds them, and takes them away."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAMES = ("heyken", "ansible-playbook")


def _directory() -> Path:
    own = os.environ.get("HEYKEN_BIN_DIR")
    if own:
        return Path(own)
    return Path("/usr/local/bin") if os.geteuid() == 0 else Path.home() / ".local" / "bin"


def link() -> list[str]:
    """Link the programs of this checkout; return what was linked. Others' programs stay."""
    directory = _directory()
    directory.mkdir(parents=True, exist_ok=True)
    linked = []
    for name in NAMES:
        target = Path(sys.executable).with_name(name)
        place = directory / name
        if place.is_symlink() and place.readlink() == target:
            continue
        if place.is_symlink() and not place.exists():
            place.unlink()  # it led to a checkout that is gone
        elif place.exists() or shutil.which(name) not in {None, str(target)}:
            continue
        place.symlink_to(target)
        linked.append(str(place))
    return linked


def command() -> str:
    """Return what a person's shell takes for this checkout's `heyken`: its name, or its path."""
    own = Path(sys.executable).with_name("heyken")
    place = _directory() / "heyken"
    return "heyken" if place.is_symlink() and place.resolve() == own.resolve() else str(own)


def unlink() -> list[str]:
    """Remove the links that lead to this checkout; return them."""
    removed = []
    for name in NAMES:
        place = _directory() / name
        if place.is_symlink() and place.readlink() == Path(sys.executable).with_name(name):
            place.unlink()
            removed.append(str(place))
    return removed
