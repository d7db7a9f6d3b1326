"""Plots for the documentation: one row of dots for each series, on a logarithmic axis, as SVG."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "failover.md"
WIDTH, LEFT, RIGHT, ROW, TOP, BOTTOM = 760, 190, 20, 56, 44, 40
OURS, OTHERS = "#1f6f8b", "#c0632f"
STYLE = "font-family: sans-serif; font-size: 12px"
DOT = 3.0


@dataclass(frozen=True)
class Series:
    """One row: its name, its values in ms, and what else is to be said of it."""

    name: str
    values: Sequence[float]
    remark: str = ""


def draw(name: str, title: str, rows: Sequence[Series], *, ours: str = "Heyken") -> None:
    """Write `<name>.svg`, and show it on the page if that does not show it yet.

    Rows whose name begins with `ours` have a colour of their own.
    """
    folder = PAGE.parent / "images"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.svg").write_text(svg(title, rows, ours=ours))
    text, place = PAGE.read_text(), f"images/{name}.svg"
    if place not in text:
        PAGE.write_text(f"{text}\n![{title}]({place})\n")


def svg(title: str, rows: Sequence[Series], *, ours: str = "Heyken") -> str:
    """Return the plot."""
    values = [value for row in rows for value in row.values]
    low = math.floor(math.log10(max(0.1, min(values))))
    high = max(low + 1, math.ceil(math.log10(max(values))))
    height = TOP + ROW * len(rows) + BOTTOM

    def x(value: float) -> float:
        share = (math.log10(max(value, 10.0**low)) - low) / (high - low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'role="img" aria-label="{escape(title)}" style="{STYLE}">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    for power in range(low, high + 1):
        place = x(10.0**power)
        parts.append(
            f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{TOP}" y2="{height - BOTTOM}" '
            f'stroke="#d0d0d0"/><text x="{place:.1f}" y="{height - 22}" text-anchor="middle">'
            f"{_label(10.0**power)}</text>"
        )
    for number, row in enumerate(rows):
        middle = TOP + ROW * number + ROW / 2
        parts += _row(row, middle, [x(value) for value in row.values], row.name.startswith(ours))
    return "\n".join([*parts, "</svg>", ""])


def _row(row: Series, middle: float, places: Sequence[float], ours: bool) -> list[str]:
    colour = OURS if ours else OTHERS
    told = f"median {_label(statistics.median(row.values))}, max {_label(max(row.values))}"
    texts = [(row.name, -8, ' font-weight="bold"'), (told, 8, ""), (row.remark, 22, "")]
    parts = [
        f'<text x="12" y="{middle + below:.0f}"{weight}>{escape(text)}</text>'
        for text, below, weight in texts
        if text
    ]
    # beside each other where they would hide one another, always in the same way
    for number, place in enumerate(places):
        y = middle + (number * 7 % 25 - 12)
        parts.append(
            f'<circle cx="{place:.1f}" cy="{y:.1f}" r="{DOT}" fill="{colour}" fill-opacity="0.5"/>'
        )
    return parts


def _label(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.3g} s"
    return f"{milliseconds:.3g} ms"
