"""The engine: what is installed where it, or its command line, is missing."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lab import engine, packages
from lab.progress import Progress
from lab.shell import run


class Machine:
    """A machine without an engine; packages bring programs as Debian's do."""

    def __init__(self, place: Path, brings: dict[str, list[str]]) -> None:
        self.place, self.brings, self.installed = place, brings, list[str]()

    def install(self, names: Sequence[str], _progress: Progress) -> None:
        for name in names:
            self.installed.append(name)
            for program in self.brings[name]:
                self.add(program)

    def add(self, program: str) -> None:
        (self.place / program).touch(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, {"docker.io": ["dockerd"], "docker-cli": ["docker"]})
    monkeypatch.setattr(packages, "install", made.install)
    monkeypatch.setattr(engine, "_path", lambda: str(tmp_path))
    monkeypatch.setattr(engine, "connect", lambda: None)
    monkeypatch.setattr(engine, "_wait", object)
    monkeypatch.setattr(engine, "_start_own", lambda: None)
    monkeypatch.setattr(engine, "run", lambda *_, **__: "")
    return made


def ensure() -> None:
    engine.ensure(Progress(console=Console(file=io.StringIO())))


def test_debian_13_gets_the_command_line_too(machine: Machine) -> None:
    ensure()
    assert machine.installed == ["docker.io", "docker-cli"]


def test_debian_12_has_both_in_one_package(machine: Machine) -> None:
    machine.brings["docker.io"] = ["dockerd", "docker"]
    ensure()
    assert machine.installed == ["docker.io"]


@pytest.mark.parametrize("has_client", [True, False])
def test_a_running_engine_only_gets_the_command_line_it_lacks(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, has_client: bool
) -> None:
    monkeypatch.setattr(engine, "connect", object)
    if has_client:
        machine.add("docker")
    ensure()
    assert machine.installed == ([] if has_client else ["docker-cli"])


def test_an_engine_may_use_all_processors_whoever_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, log = tmp_path / "dockerd", tmp_path / "engine" / "dockerd.log"
    program.write_text("#!/bin/sh\ngrep Cpus_allowed_list: /proc/self/status\n")
    program.chmod(0o755)
    begun, begin = list[subprocess.Popen[bytes]](), subprocess.Popen

    def remembered(*args: Any, **more: Any) -> subprocess.Popen[bytes]:
        begun.append(begin(*args, **more))
        return begun[-1]

    monkeypatch.setattr(subprocess, "Popen", remembered)
    monkeypatch.setattr(engine, "state_directory", lambda: tmp_path)
    monkeypatch.setattr(engine, "_path", lambda: f"{tmp_path}:/usr/bin:/bin")
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(usual)})
    try:
        engine._start_own()
    finally:
        os.sched_setaffinity(0, usual)
    begun[0].wait(10)
    everybody = Path("/proc/1/status").read_text().splitlines()
    assert log.read_text().strip() in everybody, "one that Ansible started had a single processor"


def mounts(*command: str) -> None:
    run(command, timeout_seconds=10, what="a mount failed", todo="see why")


def test_what_a_killed_engine_left_mounted_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "engine" / "data"
    data.mkdir(parents=True)
    for _ in range(2):
        mounts("mount", "--bind", str(data), str(data))
    busy = (data / "held").open("w")
    threading.Timer(0.3, busy.close).start()
    # no engine answers, and it ends when asked to
    ended = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(engine, "state_directory", lambda: tmp_path)
    monkeypatch.setattr(engine, "BRIDGE", "none-of-ours")  # that of the machine's engine stays
    monkeypatch.setattr(engine, "_own_pid", lambda: ended.pid)
    monkeypatch.setattr(engine, "connect", lambda: None)
    try:
        assert engine.stop_own()
        assert str(data) not in Path("/proc/self/mounts").read_text()
        assert not data.exists()
    finally:
        ended.wait(10)
        while str(data) in Path("/proc/self/mounts").read_text():
            mounts("umount", str(data))
