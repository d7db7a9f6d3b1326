"""Running programs, guessing words, refusing what is mistyped."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from lab import cache, catalog, shell, spelling
from lab.artifacts import catalogues
from lab.problem import Problem
from lab.progress import Progress
from tools import client_file


def test_a_failing_program_is_explained_by_its_last_lines() -> None:
    with pytest.raises(Problem, match="sh failed") as caught:
        shell.run(["sh", "-c", "echo the cause >&2; exit 3"], timeout_seconds=10, todo="mend it")
    assert caught.value.why == "the cause"
    assert caught.value.todo == "mend it"


def test_a_missing_program_is_a_problem_and_no_traceback() -> None:
    with pytest.raises(Problem, match="could not be started"):
        shell.run(["no-such-program"], timeout_seconds=1)


def test_a_slow_program_is_ended_with_its_children(tmp_path: Path) -> None:
    marker = tmp_path / "child"
    script = f"sleep 60 & echo $! > {marker}; wait"
    with pytest.raises(Problem, match="was ended"):
        shell.run(["sh", "-c", script], timeout_seconds=3)
    child = Path(f"/proc/{marker.read_text().strip()}/stat")
    deadline = time.monotonic() + 10
    while child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, child.read_text()


def test_close_words_are_suggested_and_far_ones_are_not() -> None:
    assert spelling.nearest("vip_advert", {"vip_adverts", "ollama_unit"}) == (
        "; did you mean vip_adverts?"
    )
    assert spelling.nearest("zzz", {"vip_adverts"}) == ""


def test_a_persons_own_client_file_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    own = client_file.default_path()
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    client_file.link(tmp_path / "other")
    assert own.read_text() == "mine"


def test_an_unknown_command_ends_without_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools", "nonsense"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "usage" in done.stderr
    assert "Traceback" not in done.stderr


def test_catalogues_compile_to_the_same_bytes_each_time(tmp_path: Path) -> None:
    folder = tmp_path / "pl" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "heyken.po").write_text('msgid ""\nmsgstr ""\n\nmsgid "yes"\nmsgstr "tak"\n')
    (first,) = catalogues.compile_catalogues(tmp_path)
    content = first.read_bytes()
    assert b"2000-01-01" in content
    assert b"tak" in content


@pytest.mark.parametrize("end", [0, 3])
def test_terraform_files_are_formatted_where_no_terraform_is_on_path(
    tmp_path: Path, end: int
) -> None:
    def make(into: Path) -> str:
        program = into / "terraform"
        program.write_text(f'#!/bin/sh\necho "$@"\nexit {end}\n')
        return "official release"

    wanted = cache.Recipe("terraform", catalog.section("terraform")["version"], make, "")
    quiet = Progress(console=Console(file=io.StringIO()))
    cache.obtain(wanted, cache=tmp_path / "heyken", progress=quiet)
    done = subprocess.run(
        [sys.executable, "-m", "tools.terraform_fmt", "-check", "a place"],
        check=False, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PATH": str(tmp_path), "HEYKEN_CACHE_DIR": str(tmp_path / "heyken")},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (end, "fmt -check a place\n"), done.stderr
