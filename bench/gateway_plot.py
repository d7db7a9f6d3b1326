"""A small picture of the gateway beside nginx and HAProxy: bars, each group with its own scale."""

from __future__ import annotations

import html
from collections.abc import Mapping

from bench import figures

FILE = figures.PAGE.with_name("gateway.svg")
COLOURS = {"gateway": "#1b6ca8", "nginx": "#3a9d5d", "haproxy": "#c98b2b"}
OTHERS = "#9aa0a6"
WIDTH, LEFT, BAR, ROW, GAP = 720, 90, 460, 18, 34
TEXT = '<text x="{x}" y="{y}" {more}>{text}</text>'
HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    'font-family="sans-serif" font-size="12" role="img" '
    'aria-label="The gateway beside nginx and HAProxy">'
    '<rect width="100%" height="100%" fill="#ffffff"/>'
)


def picture(groups: Mapping[str, Mapping[str, float]]) -> str:
    """Return the bars as SVG: for each group a title, for each server a value."""
    parts, y = [], 10
    for title, values in groups.items():
        y += GAP - ROW
        parts.append(TEXT.format(x=10, y=y, more='font-weight="bold"', text=html.escape(title)))
        longest = max([*values.values(), 1e-9])
        for name, value in values.items():
            y += ROW
            width = max(1, round(BAR * value / longest))
            colour = COLOURS.get(name, OTHERS)
            parts.append(TEXT.format(x=10, y=y + 1, more="", text=html.escape(name)))
            parts.append(
                f'<rect x="{LEFT}" y="{y - 10}" width="{width}" height="12" fill="{colour}"/>'
            )
            text = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
            parts.append(TEXT.format(x=LEFT + width + 6, y=y + 1, more="", text=text))
        y += 8
    return "\n".join([HEAD.format(width=WIDTH, height=y + 12), *parts, "</svg>"]) + "\n"


def write(groups: Mapping[str, Mapping[str, float]]) -> None:
    """Write the picture beside the table."""
    FILE.write_text(picture(groups), encoding="utf-8")
