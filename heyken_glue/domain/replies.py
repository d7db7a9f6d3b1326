"""How an answer is cut into messages that the chat server takes, and made harmless."""

from __future__ import annotations

import re

from heyken_glue.domain.conversation import CURSOR, MARK, PARTS_MAX, without_mark

LEAST_LIMIT = 100
_FENCE = "```"
_CLOSING = f"\n{_FENCE}"
_FENCE_LINE_MAX = 24
_EVERYBODY = re.compile(r"(?<!\w)@(?=(?:all|here)\b)", re.IGNORECASE)
_WORD_JOINER = "\u2060"


def units(text: str) -> int:
    """Return a text's length as the server counts it: in UTF-16 code units."""
    return len(text) + sum(character > "\uffff" for character in text)


def harmless(text: str) -> str:
    """Return a text that rings for no whole channel and holds no mark of its own."""
    return _EVERYBODY.sub(f"@{_WORD_JOINER}", text.replace(CURSOR, "|"))


def pages(text: str, *, limit: int, finished: bool) -> tuple[str, ...]:
    """Return the messages an answer consists of, none longer than `limit`.

    While it is unfinished the first one carries the mark too, until all others are final: so the
    first message alone tells whether a question has its answer.
    """
    parts = split(harmless(without_mark(text)), limit)
    if finished:
        return parts
    last = len(parts) - 1
    return tuple(part + MARK if n in (0, last) else part for n, part in enumerate(parts))


def split(text: str, limit: int) -> tuple[str, ...]:
    """Cut at the end of a paragraph, else of a line, else of a word; code fences stay balanced.

    Where a growing text was cut once it stays cut. What exceeds `PARTS_MAX` parts is left out.
    """
    room = max(limit, LEAST_LIMIT) - units(MARK) - units(_CLOSING)
    parts: list[str] = []
    opening, rest = "", text
    while units(opening) + units(rest) > room and len(parts) < PARTS_MAX - 1:
        cut = _cut(rest, room - units(opening))
        part, rest = opening + rest[:cut], rest[cut:].lstrip("\n")
        fence = _open_fence(part)
        parts.append(part.rstrip() + (_CLOSING if fence else ""))
        opening = f"{fence}\n" if fence else ""
    part = opening + rest[: _fitting(rest, room - units(opening))]
    return (*parts, part + (_CLOSING if _open_fence(part) else ""))


def _cut(text: str, room: int) -> int:
    """Return how many characters go into a message with `room` units: two thirds at least."""
    most = _fitting(text, room)
    window = text[:most]
    for separator in ("\n\n", "\n", " "):
        at = window.rfind(separator, most // 3)
        if at > 0:
            return at + len(separator)
    return max(1, most)


def _fitting(text: str, room: int) -> int:
    """Return how many characters have at most `room` units."""
    count = min(len(text), room)
    while (excess := units(text[:count]) - room) > 0:
        count -= (excess + 1) // 2
    return count


def _open_fence(text: str) -> str:
    """Return the line that opened the code block in which a text ends, or nothing."""
    fence = ""
    for line in text.split("\n"):
        if line.lstrip().startswith(_FENCE):
            fence = "" if fence else line.strip()[:_FENCE_LINE_MAX].rstrip()
    return fence
