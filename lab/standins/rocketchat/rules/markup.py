"""What stands in a text: mentions, channels, links."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lab.standins.rocketchat.ejson import Document

_MENTION = re.compile(r"(?:^|(?<=[\s>(]))@([0-9a-zA-Z-_.]+)")
_CHANNEL = re.compile(r"(?:^|(?<=[\s>(]))#([0-9a-zA-Z-_.]+)")
_URL = re.compile(r"https?://[^\s<>\"'`\])]+")
URLS_MAX = 20


def mentioned(text: str) -> Iterator[tuple[str, ...]]:
    """Yield each mention as the names it can mean: a full stop may end the sentence instead."""
    return _names(_MENTION, text)


def channels(text: str) -> Iterator[tuple[str, ...]]:
    """The same for channels."""
    return _names(_CHANNEL, text)


def urls(text: str) -> list[Document]:
    """Return the links in a text; nothing is looked up."""
    found = dict.fromkeys(match.group().rstrip(".,;:!?") for match in _URL.finditer(text))
    return [{"url": url, "meta": {}, "headers": {}} for url in list(found)[:URLS_MAX]]


def parsed(text: str) -> list[Document]:
    """Return the text as clients expect it parsed: one paragraph of plain text."""
    if not text:
        return []
    return [{"type": "PARAGRAPH", "value": [{"type": "PLAIN_TEXT", "value": text}]}]


def length(text: str) -> int:
    """Return the length as the product counts it: in UTF-16 units, so an emoji counts twice."""
    return len(text) + sum(character > "\uffff" for character in text)


def _names(pattern: re.Pattern[str], text: str) -> Iterator[tuple[str, ...]]:
    for name in dict.fromkeys(match.group(1) for match in pattern.finditer(text)):
        shorter = name.rstrip(".-_")
        yield (name,) if shorter in {name, ""} else (name, shorter)
