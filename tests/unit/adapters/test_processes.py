"""Processes of a unit, found by control group in both of its versions, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from heyken_glue.adapters.processes import ProcessTable


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait(5)


def _unit(cgroup: Path, tree: str, *pids: int) -> None:
    folder = cgroup / tree / "ollama.service"
    folder.mkdir(parents=True)
    (folder / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))


def _state_becomes(table: ProcessTable, wanted: str) -> str:
    deadline = time.monotonic() + 5
    state = ""
    while time.monotonic() < deadline:
        (process,) = table.of_unit("ollama.service")
        state = process.state
        if state == wanted:
            break
    return state


@pytest.mark.parametrize("tree", ["system.slice", "systemd/system.slice"])
def test_a_process_is_found_in_both_hierarchies(tmp_path: Path, tree: str) -> None:
    _unit(tmp_path, tree, os.getpid())
    (process,) = ProcessTable(cgroup=tmp_path).of_unit("ollama.service")
    assert (process.pid, process.state) == (os.getpid(), "R")
    assert process.command


def test_a_stopped_process_shows_it(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    _unit(tmp_path, "system.slice", child.pid)
    table = ProcessTable(cgroup=tmp_path)
    child.send_signal(signal.SIGSTOP)
    assert _state_becomes(table, "T") == "T"
    child.send_signal(signal.SIGCONT)
    assert _state_becomes(table, "S") == "S"


def test_a_dead_process_that_nobody_collected_shows_it(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    _unit(tmp_path, "system.slice", child.pid)
    child.kill()
    assert _state_becomes(ProcessTable(cgroup=tmp_path), "Z") == "Z"


def test_a_unit_that_does_not_run_has_no_process(tmp_path: Path) -> None:
    assert ProcessTable(cgroup=tmp_path).of_unit("ollama.service") == ()


def test_a_process_that_went_meanwhile_is_left_out(tmp_path: Path) -> None:
    _unit(tmp_path, "system.slice", 2**22 + 1)
    assert ProcessTable(cgroup=tmp_path).of_unit("ollama.service") == ()


def test_a_name_with_brackets_does_not_confuse(tmp_path: Path) -> None:
    _unit(tmp_path / "cgroup", "system.slice", 7)
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "stat").write_text("7 (odd) T (name) S 1 7 7 0")
    table = ProcessTable(cgroup=tmp_path / "cgroup", proc=tmp_path / "proc")
    (process,) = table.of_unit("ollama.service")
    assert (process.command, process.state) == ("odd) T (name", "S")


@pytest.mark.parametrize(
    ("line", "tree"),
    [
        ("1:name=systemd:/docker/abc/init.scope", "systemd/docker/abc/system.slice"),
        ("0::/docker/abc/init.scope", "docker/abc/system.slice"),
        ("0::/init.scope", "system.slice"),
    ],
)
def test_a_unit_is_found_below_the_group_that_init_was_given(
    tmp_path: Path, line: str, tree: str
) -> None:
    proc, cgroup = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "1").mkdir(parents=True)
    (proc / "1" / "cgroup").write_text(f"9:pids:/docker/abc\n{line}\n")
    (proc / "77").mkdir()
    (proc / "77" / "stat").write_text("77 (ollama) S 1 77")
    _unit(cgroup, tree, 77)
    (process,) = ProcessTable(cgroup=cgroup, proc=proc).of_unit("ollama.service")
    assert (process.pid, process.command, process.state) == (77, "ollama", "S")
