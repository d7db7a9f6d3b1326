"""Running other programs: always with a time limit, never through a shell."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.problem import Problem

TAIL_LINES = 12
STEPS = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))


def run(
    command: Sequence[str | Path],
    *,
    timeout_seconds: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    what: str = "",
    todo: str = "read the output above and run the command by hand",
) -> str:
    """Run `command` and return its standard output.

    `env` adds to the environment; `what` says what is not possible if the program fails. It gets a
    process group of its own, which is ended whole when time is up or the caller is interrupted, so
    that no compiler is left behind.

    Raises Problem with the last lines of output if the program fails, is missing or is too slow.
    """
    words = [str(word) for word in command]
    try:
        process = _start(words, env=env, cwd=cwd)
    except OSError as error:
        raise Problem(
            what or f"{words[0]} could not be started", why=str(error), todo=todo
        ) from error
    try:
        out, err = process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired as error:
        end(process)
        why = f"no end after {timeout_seconds:.0f} s"
        raise Problem(what or f"{words[0]} was ended", why=why, todo=todo) from error
    except BaseException:
        end(process)
        raise
    if process.returncode != 0:
        said = (err or out).strip() or "it said nothing"
        tail = "\n        ".join(said.splitlines()[-TAIL_LINES:])
        failed = f"{Path(words[0]).name} failed ({process.returncode})"
        raise Problem(what or failed, why=tail, todo=todo)
    return out


def succeeds(
    command: Sequence[str | Path], *, timeout_seconds: float, env: Mapping[str, str] | None = None
) -> bool:
    """Whether `command` can be run and ends with 0 in time."""
    try:
        run(command, timeout_seconds=timeout_seconds, env=env)
    except Problem:
        return False
    return True


def _start(
    words: list[str], *, env: Mapping[str, str] | None, cwd: Path | None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        text=True,
        errors="replace",  # a stray byte must not hide the failure it stands beside
        start_new_session=True,
    )


def end(
    process: subprocess.Popen[Any], steps: Sequence[tuple[signal.Signals, float]] = STEPS
) -> None:
    """End the process group that `process` leads: each signal and its seconds, until it ends.

    An interrupt in between goes on to the next signal at once: somebody is impatient.
    """
    for number, seconds in steps:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.communicate(timeout=seconds)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            continue
        return
