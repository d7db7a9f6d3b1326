"""Processes of a systemd unit, and what they do, as the kernel shows it.

Looked at several times a second, so what does not change is not read again: the unit's control
group is searched for only when it is not where it was, and `stat` of a process stays open.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from heyken_glue.domain.checks import Process
from heyken_glue.domain.progress import ALIVE

# where cgroup v2 is mounted, then systemd's own hierarchy of cgroup v1
_TREES = ("", "systemd")
_INIT_SCOPE = "/init.scope"
# groups that a unit made below its own (Delegate=) are looked for once in so many looks
_SEARCH_EVERY = 25
_STAT_BYTES = 1024
_TICKS = os.sysconf("SC_CLK_TCK")
# fields of `stat` behind the name, which is the second: state is the third
_STATE, _MAJOR_FAULTS, _UTIME, _STIME, _STARTED = 0, 9, 11, 12, 19


class ProcessTable:
    """Looks below `cgroup` and `proc`; other roots are for tests. Use `close` in the end."""

    def __init__(
        self, *, cgroup: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc")
    ) -> None:
        self._cgroup, self._proc = cgroup, proc
        self._groups: dict[str, tuple[Path, ...]] = {}
        self._looks = 0
        self._open: dict[str, dict[int, int]] = {}

    def of_unit(self, unit: str) -> tuple[Process, ...]:
        """Return every process of a unit; nothing if the unit does not run."""
        pids, opened = self._pids(unit), self._open.setdefault(unit, {})
        for gone in opened.keys() - set(pids):
            os.close(opened.pop(gone))
        found = (self._process(pid, opened) for pid in pids)
        return tuple(process for process in found if process is not None)

    def some_thread_is_alive(self, processes: tuple[Process, ...]) -> bool:
        """Tell whether a thread runs, waits for a processor or waits for the disk.

        The state of a process is that of its first thread, which sleeps where others work.
        """
        return any(self._threads_are_alive(process.pid) for process in processes)

    def close(self) -> None:
        """Close what was kept open."""
        for opened in self._open.values():
            while opened:
                os.close(opened.popitem()[1])

    def _pids(self, unit: str) -> list[int]:
        self._looks += 1
        files = self._groups.get(unit)
        if files is None or self._looks % _SEARCH_EVERY == 0:
            files = self._groups[unit] = self._search(unit)
        pids = [pid for file in files for pid in _numbers(file)]
        if not pids and files:
            # gone, or gone and come back elsewhere
            files = self._groups[unit] = self._search(unit)
            pids = [pid for file in files for pid in _numbers(file)]
        if not files:
            del self._groups[unit]
        return pids

    def _search(self, unit: str) -> tuple[Path, ...]:
        """Return the files that list a unit's processes; its own group comes first."""
        for tree in _TREES:
            slices = self._cgroup / tree / self._root() / "system.slice"
            for folder in (slices / unit, slices / _slice_of(unit) / unit):
                if folder.is_dir():
                    return (folder / "cgroup.procs", *folder.glob("*/cgroup.procs"))
        return ()

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

    def _process(self, pid: int, opened: dict[int, int]) -> Process | None:
        try:
            if pid not in opened:
                path = self._proc / str(pid) / "stat"
                opened[pid] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            text = os.pread(opened[pid], _STAT_BYTES, 0).decode(errors="replace")
        except OSError:
            # it went; another one may have its number by the next look
            if pid in opened:
                os.close(opened.pop(pid))
            return None
        return _parse(pid, text)

    def _threads_are_alive(self, pid: int) -> bool:
        folder = self._proc / str(pid) / "task"
        with contextlib.suppress(OSError):
            for thread in folder.iterdir():
                with contextlib.suppress(OSError):
                    text = (thread / "stat").read_text(errors="replace")
                    if text[text.rfind(")") + 2 :][:1] in ALIVE:
                        return True
        return False


def _slice_of(unit: str) -> str:
    """Return the group that systemd puts the instances of a template into."""
    return f"system-{unit.split('@', 1)[0]}.slice" if "@" in unit else "."


def _parse(pid: int, text: str) -> Process:
    # the name stands in brackets and may hold spaces and brackets itself
    start, end = text.find("("), text.rfind(")")
    fields = text[end + 2 :].split()

    def number(index: int) -> int:
        return int(fields[index]) if index < len(fields) else 0

    return Process(
        pid=pid,
        command=text[start + 1 : end],
        state=fields[_STATE] if fields else "",
        cpu_seconds=(number(_UTIME) + number(_STIME)) / _TICKS,
        faults=number(_MAJOR_FAULTS),
        started=number(_STARTED),
    )


def _numbers(file: Path) -> list[int]:
    try:
        return [int(line) for line in file.read_text().split()]
    except (OSError, ValueError):
        return []
