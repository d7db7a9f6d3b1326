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


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


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


def test_an_instance_of_a_template_is_found_in_the_slice_of_its_template(tmp_path: Path) -> None:
    folder = tmp_path / "system.slice" / "system-heyken.slice" / "heyken@gateway.service"
    folder.mkdir(parents=True)
    (folder / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (process,) = ProcessTable(cgroup=tmp_path).of_unit("heyken@gateway.service")
    assert process.pid == os.getpid()


def test_a_unit_that_comes_back_in_another_group_is_found_again(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    _unit(tmp_path, "system.slice", child.pid)
    table = ProcessTable(cgroup=tmp_path)
    assert table.of_unit("ollama.service")
    (tmp_path / "system.slice" / "ollama.service" / "cgroup.procs").unlink()
    (tmp_path / "system.slice" / "ollama.service").rmdir()
    assert table.of_unit("ollama.service") == ()
    _unit(tmp_path, "system.slice", child.pid)
    assert [process.pid for process in table.of_unit("ollama.service")] == [child.pid]


def test_files_are_not_kept_open_for_processes_that_went(tmp_path: Path) -> None:
    table, file = ProcessTable(cgroup=tmp_path), tmp_path / "system.slice/ollama.service"
    _unit(tmp_path, "system.slice")
    before = _open_files()
    for _ in range(20):
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            (file / "cgroup.procs").write_text(f"{process.pid}\n")
            assert table.of_unit("ollama.service")
        (file / "cgroup.procs").write_text("")
        assert table.of_unit("ollama.service") == ()
    assert _open_files() == before
    table.close()


def test_what_a_process_used_of_the_processor_grows_while_it_computes(tmp_path: Path) -> None:
    _unit(tmp_path, "system.slice", os.getpid())
    table = ProcessTable(cgroup=tmp_path)
    (first,) = table.of_unit("ollama.service")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        (later,) = table.of_unit("ollama.service")
        if later.cpu_seconds > first.cpu_seconds:
            break
    assert later.cpu_seconds > first.cpu_seconds
    assert later.identity == first.identity
    assert first.started > 0


_TWO_THREADS = """
import threading
def spin():
    while True:
        pass
threading.Thread(target=spin, daemon=True).start()
threading.Event().wait()
"""


@pytest.mark.parametrize(("program", "alive"), [(_TWO_THREADS, True), ("input()", False)])
def test_a_thread_that_works_is_seen_though_the_first_one_sleeps(
    tmp_path: Path, program: str, alive: bool
) -> None:
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:  # noqa: S603 - our own
        _unit(tmp_path, "system.slice", process.pid)
        table, deadline, seen = ProcessTable(cgroup=tmp_path), time.monotonic() + 20, not alive
        while time.monotonic() < deadline:
            found = table.of_unit("ollama.service")
            seen = table.some_thread_is_alive(found)
            if found[0].state == "S" and seen is alive:
                break
        process.kill()
    assert seen is alive


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
