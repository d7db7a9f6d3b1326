"""Avatars: a letter on a colour that follows from the name; nobody uploads one here."""

from __future__ import annotations

import hashlib
from xml.sax.saxutils import escape

COLOURS = ("#c4302b", "#b45309", "#4d7c0f", "#047857", "#0e7490", "#1d4ed8", "#6d28d9", "#be185d")


def svg(name: str) -> str:
    """Return the picture of a name."""
    letter = next((character for character in name if character.isalnum()), "?").upper()
    colour = COLOURS[hashlib.sha256(name.encode()).digest()[0] % len(COLOURS)]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200">'
        f'<rect width="200" height="200" fill="{colour}"/>'
        '<text x="100" y="100" dy="0.36em" text-anchor="middle" fill="#fff" '
        f'font-family="sans-serif" font-size="120">{escape(letter)}</text></svg>'
    )
