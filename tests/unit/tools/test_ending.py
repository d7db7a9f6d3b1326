"""Interrupts: what people are told, and that nothing goes on behind their back."""

from __future__ import annotations

import os
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import settings
from lab.problem import Problem
from lab.settings import REPOSITORY
from tools import ending, playbook

SECONDS = 20.0
SAID = "✗ interrupted\n  why:  what was finished is kept\n  do:   make deploy LAB=second"


@pytest.fixture(autouse=True)
def _signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hear interrupts as a program in the foreground does; afterwards all is as it was."""
    monkeypatch.setenv(ending.TYPED, "make deploy LAB=second")
    kept = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_names_the_command_that_was_typed(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        os.kill(os.getpid(), number)
        time.sleep(SECONDS)

    assert ending.run(interrupted, otherwise="no") == 130
    assert SAID in capsys.readouterr().err


def test_without_make_the_programs_own_command_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(ending.TYPED)

    def interrupt() -> None:
        raise KeyboardInterrupt

    assert ending.run(interrupt, otherwise="python -m tools deploy") == 130
    assert "do:   python -m tools deploy\n" in capsys.readouterr().err


def test_validating_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(settings, "load", interrupt)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(REPOSITORY / "tools" / "validate.py"), run_name="__main__")
    assert ended.value.code == 130
    assert SAID in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "variables", "typed"),
    [
        ([], {}, "make typed"),
        (["LAB=second"], {}, "make typed LAB=second"),
        (["ENV=hosts"], {"SUDO_USER": "somebody"}, "sudo make typed ENV=hosts"),
    ],
)
def test_make_says_what_was_typed(given: list[str], variables: dict[str, str], typed: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own Makefile
        [shutil.which("make") or "make", "--eval", 'typed: ; @echo "$$TYPED"', "typed", *given],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], **variables},
        timeout=30,
    )
    assert done.stdout.strip() == typed


def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, *, seconds: int) -> None:
    """Run a playbook with a program in ansible's place that says when it has started."""
    program = tmp_path / "ansible-playbook"
    started, ended = tmp_path / "started", tmp_path / "ended"
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, signal, sys, time\n"
        f"def end(*_):\n    time.sleep(0.6)\n    pathlib.Path({str(ended)!r}).touch()\n"
        "    sys.exit(99)\n"
        f"{body}\npathlib.Path({str(started)!r}).touch()\ntime.sleep({SECONDS})\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    playbook.run("site.yml", inventory=tmp_path, state=tmp_path, seconds=seconds)


def test_ansible_is_given_time_to_end_its_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        until((tmp_path / "started").exists)
        os.kill(os.getpid(), signal.SIGINT)

    person = threading.Thread(target=interrupt)
    person.start()
    with pytest.raises(KeyboardInterrupt):
        play(tmp_path, monkeypatch, "signal.signal(signal.SIGINT, end)", seconds=60)
    person.join()
    assert (tmp_path / "ended").exists(), "it was killed before it had ended its workers"


def test_an_ansible_that_hears_nothing_is_ended_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        playbook, "STEPS", ((signal.SIGINT, 0.3), (signal.SIGTERM, 0.3), (signal.SIGKILL, 5.0))
    )
    deaf = "for one in (2, 15): signal.signal(one, signal.SIG_IGN)"
    begun = time.monotonic()
    with pytest.raises(Problem, match=r"site\.yml was ended"):
        play(tmp_path, monkeypatch, deaf, seconds=3)
    assert time.monotonic() - begun < SECONDS, "it went on to its end"


def test_an_interrupted_bootstrap_says_what_was_kept(tmp_path: Path) -> None:
    for name in ("tools/bootstrap.sh", "locks/control.txt", "locks/bootstrap.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    stub, started = tmp_path / "bin" / "python3", tmp_path / "started"
    stub.parent.mkdir()
    stub.write_text(f"#!/bin/sh\ntouch {started}\nexec sleep {SECONDS}\n")
    stub.chmod(0o755)
    process = subprocess.Popen(  # noqa: S603 - our own program
        [str(tmp_path / "tools" / "bootstrap.sh")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={
            "PATH": f"{stub.parent}:{os.environ['PATH']}",
            "HEYKEN_CACHE_DIR": str(tmp_path / "cache"),
            ending.TYPED: "make deploy",
        },
    )
    until(started.exists)
    os.killpg(process.pid, signal.SIGTERM)
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, said
    assert f"what was fetched stays in {tmp_path / 'cache'}\n  do:   make deploy\n" in said
