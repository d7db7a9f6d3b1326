"""Files that only their owner may read, and trees that must go whatever is mounted in them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
UNMOUNT_SECONDS = 30


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.rename(path)


def remove_tree(path: Path) -> None:
    """Remove a directory as far as that is possible, unmounting first what is mounted below it.

    A build that was killed leaves such mounts behind, and following them would leave the tree.
    """
    for place in mounted_below(path):
        words = ["umount", "--lazy", str(place)]
        subprocess.run(words, check=False, capture_output=True, timeout=UNMOUNT_SECONDS)
    shutil.rmtree(path, ignore_errors=True)


def mounted_below(path: Path, mounts: Path = MOUNTS) -> list[Path]:
    """Return the mount points below a directory, the deepest first."""
    places = [_unescaped(line.split()[1]) for line in mounts.read_text().splitlines()]
    inside = [place for place in places if place.is_relative_to(path.resolve())]
    return sorted(inside, key=lambda place: len(place.parts), reverse=True)


def _unescaped(text: str) -> Path:
    """Read the kernel's way of writing a path: blanks and the like stand there in octal."""
    return Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text))
