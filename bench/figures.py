"""One measured figure, and the table of all of them."""

from __future__ import annotations

import datetime as dt
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "figures.md"

PICTURE = ("![The gateway beside nginx and HAProxy](gateway.svg)",)
HEAD = (
    "# Figures",
    "",
    "Ratios are against a reference from the same run, so that another machine can compare.",
    "",
    "| figure | measured | reference | ratio | target | reached | when and by what |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)


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


def page(figures: Sequence[Figure], command: str, former: str = "") -> str:
    """Return the page that keeps the figures, as Markdown.

    Rows of `former`, the page as it was, stay for what was not measured this time.
    """
    cgroup = "2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "1"
    where = f"kernel {platform.release()}, control groups version {cgroup}"
    by = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, `{command}`, {where}"
    rows = {_name(row): row for row in former.splitlines() if row.startswith("| ")}
    for one in figures:
        reached = "yes" if one.reached else "**no**"
        cells = (one.name, one.value, one.reference, f"{one.ratio:.2f}", one.target, reached, by)
        rows[one.name] = f"| {' | '.join(cells)} |"
    kept = [row for name, row in rows.items() if name not in {"figure", "---"}]
    picture = ("", *PICTURE) if PAGE.with_name("gateway.svg").exists() else ()
    return "\n".join([*HEAD, *kept, *picture]) + "\n"


def _name(row: str) -> str:
    return row.split("|")[1].strip()
