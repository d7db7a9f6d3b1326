"""Processes of a systemd unit, and their states, as the kernel shows them."""

from __future__ import annotations

from pathlib import Path

from heyken_glue.domain.checks import Process

# where cgroup v2 is mounted, then systemd's own hierarchy of cgroup v1
_TREES = ("", "systemd")
_INIT_SCOPE = "/init.scope"


class ProcessTable:
    """Looks below `cgroup` and `proc`; other roots are for tests."""

    def __init__(
        self, *, cgroup: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc")
    ) -> None:
        self._cgroup, self._proc = cgroup, proc

    def of_unit(self, unit: str) -> tuple[Process, ...]:
        """Return every process of a unit; nothing if the unit does not run."""
        found = (self._process(pid) for pid in self._pids(unit))
        return tuple(process for process in found if process is not None)

    def _pids(self, unit: str) -> list[int]:
        for tree in _TREES:
            folder = self._cgroup / tree / self._root() / "system.slice" / unit
            if folder.is_dir():
                return [pid for file in self._files(folder) for pid in _numbers(file)]
        return []

    def _root(self) -> str:
        """Return systemd's own group: in a container it lies below the engine's."""
        try:
            lines = (self._proc / "1" / "cgroup").read_text().splitlines()
        except OSError:
            return ""
        # a line is number:controllers:path; version 2 has number 0, systemd's hierarchy its name
        for number, controllers, path in (line.split(":", 2) for line in lines):
            if number == "0" or controllers == "name=systemd":
                return path.removesuffix(_INIT_SCOPE).strip("/")
        return ""

    def _files(self, folder: Path) -> list[Path]:
        """A unit may have groups of its own below (Delegate=)."""
        return [folder / "cgroup.procs", *folder.glob("*/cgroup.procs")]

    def _process(self, pid: int) -> Process | None:
        try:
            text = (self._proc / str(pid) / "stat").read_text(errors="replace")
        except OSError:
            return None
        # the name stands in brackets and may hold spaces and brackets itself
        start, end = text.find("("), text.rfind(")")
        return Process(pid=pid, command=text[start + 1 : end], state=text[end + 2 : end + 3])


def _numbers(file: Path) -> list[int]:
    try:
        return [int(line) for line in file.read_text().split()]
    except (OSError, ValueError):
        return []
