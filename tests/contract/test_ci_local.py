"""The pipeline runs without GitLab: its jobs are listed, and its lint job ends as make does.

`make ci-local` runs the real linters this way; here make is told what to answer, so that the test
takes seconds and can show a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contract import support
from tests.contract.test_pipeline import STAGES

RUN_SECONDS = 300
_PARTS = (".gitlab-ci.yml", ".ci", "tools/ci_local.sh")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout of the pipeline alone."""
    for source in support.files(*_PARTS, at_least=4):
        target = tmp_path / source.relative_to(support.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    return tmp_path


def _run(checkout: Path, answer: str) -> subprocess.CompletedProcess[str]:
    (checkout / "Makefile").write_text(f"lint:\n\t@{answer}\n", encoding="utf-8")
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    for command in (("init", "--quiet"), ("add", "."), (*identity, "commit", "-qm", "Pipeline")):
        subprocess.run(["git", *command], cwd=checkout, check=True, timeout=30)  # noqa: S603, S607
    programs = support.ROOT / ".venv" / "bin"
    return subprocess.run(  # noqa: S603 - a script of this repository
        [checkout / "tools" / "ci_local.sh"],
        cwd=checkout,
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )


def test_the_jobs_are_listed_and_the_lint_job_runs(checkout: Path) -> None:
    run = _run(checkout, "echo all is well")
    seen = run.stdout + run.stderr
    assert run.returncode == 0, seen
    assert "all is well" in run.stdout, seen
    listed = {line.split()[0] for line in run.stdout.splitlines() if line.split()}
    assert set(STAGES) <= listed, seen


def test_a_failing_lint_job_fails(checkout: Path) -> None:
    run = _run(checkout, "echo something is wrong && false")
    assert run.returncode != 0, run.stdout + run.stderr
    assert "something is wrong" in run.stdout + run.stderr
