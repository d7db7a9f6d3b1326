"""T24, T25, T26, T28: how long it takes to make the lab, to find nothing to do, to mend it."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Sequence

from bench.figures import Figure, tell
from bench.pair import Pair, until
from lab.problem import Problem
from lab.settings import REPOSITORY, Lab

FROM_NOTHING, AGAIN, PLAN, REPLACED = 120.0, 30.0, 5.0, 60.0
PATIENCE_SECONDS = 1800


def measure(lab: Lab) -> list[Figure]:
    """Destroy the lab, make it, run again, plan, and replace the passive core."""
    _make(lab, "destroy", f"CONFIRM={lab.name}")
    first, _ = _make(lab, "deploy")
    second, output = _make(lab, "deploy")
    changed = sum(int(number) for number in re.findall(r"changed=(\d+)", output))
    planned, plan_output = _make(lab, "plan")
    if "nothing would change" not in plan_output:
        raise Problem("terraform plan finds differences", why=plan_output, todo="see tools/deploy")
    replaced = _replace_passive(lab)
    return [
        _figure(
            "T24 pair, hub and chat from nothing, artefacts cached", first, first, FROM_NOTHING
        ),
        Figure(
            name="T25 second run",
            value=f"{second:.1f} s, changed={changed}",
            reference=f"first run {first:.1f} s",
            ratio=second / first,
            target=f"≤ {AGAIN:.0f} s, changed=0",
            reached=second <= AGAIN and changed == 0,
        ),
        _figure("T26 terraform plan without a difference", planned, first, PLAN),
        _figure("T28 destroyed passive core is back", replaced, first, REPLACED),
    ]


def remove(lab: Lab) -> None:
    """Destroy the lab that was measured."""
    _make(lab, "destroy", f"CONFIRM={lab.name}")


def _replace_passive(lab: Lab) -> float:
    pair = Pair(lab)
    pair.wait_whole()
    passive = next(name for name in pair.cores if name != pair.holder())
    subprocess.run(
        ["docker", "rm", "--force", "--volumes", f"heyken-{lab.name}-{passive}"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    begun = time.monotonic()
    _make(lab, "deploy")
    until(lambda: pair.status()["whole"] is True, "both cores healthy", 60)
    return time.monotonic() - begun


def _make(lab: Lab, *words: str) -> tuple[float, str]:
    """Run a make target on this lab; return its duration in seconds and its output."""
    tell(f"make {' '.join(words)}")
    command: Sequence[str] = ["make", "--no-print-directory", *words, f"LAB={lab.name}"]
    begun = time.monotonic()
    done = subprocess.run(
        command,
        check=False,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        stdin=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
    )
    if done.returncode != 0:
        why = (done.stdout + done.stderr)[-2000:]
        raise Problem(f"make {' '.join(words)} failed", why=why, todo="mend it, measure again")
    return time.monotonic() - begun, done.stdout


def _figure(name: str, seconds: float, reference: float, limit: float) -> Figure:
    return Figure(
        name=name,
        value=f"{seconds:.1f} s",
        reference=f"first run {reference:.1f} s",
        ratio=seconds / reference,
        target=f"≤ {limit:.0f} s",
        reached=seconds <= limit,
    )
