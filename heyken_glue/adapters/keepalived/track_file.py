"""The file that keepalived tracks: 0 keeps this core in the running, anything else takes it out.

keepalived reads it whenever a writer closes it (inotify) and takes a file that went for 0. So the
digit is overwritten in place: no moment without content, no other file under the name.
"""

from __future__ import annotations

import os
from pathlib import Path

_MODE = 0o644
_LENGTH = 2


class TrackFile:
    """Writes the value when it is not what the file says already."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int | None:
        """Return the value in the file, None if there is none."""
        try:
            return int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def write(self, value: int) -> bool:
        """Bring the file to `value`; True if it was different. OSError if that is impossible."""
        if self.read() == value:
            return False
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            os.pwrite(fd, f"{value}\n".encode(), 0)
            os.ftruncate(fd, _LENGTH)
        finally:
            os.close(fd)
        return True
