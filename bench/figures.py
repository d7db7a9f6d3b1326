"""One measured figure, and the table of all of them."""

from __future__ import annotations

import datetime as dt
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "figures.md"


@dataclass(frozen=True)
class Figure:
    """What was measured, against what, and whether the target was reached."""

    name: str
    value: str
    reference: str
    ratio: float
    target: str
    reached: bool


def tell(what: str) -> None:
    """Say on standard error how far a long measurement is."""
    sys.stderr.write(f"· {dt.datetime.now(dt.UTC):%H:%M:%S} {what}\n")


def page(figures: Sequence[Figure], command: str) -> str:
    """Return the page that keeps the figures, as Markdown."""
    cgroup = "2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "1"
    where = f"kernel {platform.release()}, control groups version {cgroup}"
    lines = [
        "# Figures",
        "",
        f"Measured {dt.datetime.now(dt.UTC):%Y-%m-%d} on {where}, by `{command}`.",
        "Ratios are against a reference from the same run, so that another machine can compare.",
        "",
        "| figure | measured | reference | ratio | target | reached |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {one.name} | {one.value} | {one.reference} | {one.ratio:.2f} | {one.target}"
        f" | {'yes' if one.reached else '**no**'} |"
        for one in figures
    ]
    return "\n".join(lines) + "\n"
