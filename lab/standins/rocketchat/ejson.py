"""JSON as the two interfaces speak it: dates are `{"$date": ms}` inside, ISO strings over REST."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any, TypeAlias

# What a JSON document holds is checked where it is read, not here.
Document: TypeAlias = dict[str, Any]

DEPTH_MAX = 64
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_MS_MAX = 253_402_300_799_999  # the last millisecond of the year 9999


class MalformedError(ValueError):
    """A text is no JSON that this server takes."""


def date(ms: int) -> Document:
    """Return a date as it is stored and sent over the socket."""
    return {"$date": ms}


def ms_of(value: object) -> int | None:
    """Return the milliseconds of a stored date, None if it is none."""
    if isinstance(value, dict) and value.keys() == {"$date"}:
        ms = value["$date"]
        if isinstance(ms, int) and not isinstance(ms, bool) and 0 <= ms <= _MS_MAX:
            return ms
    return None


def iso(ms: int) -> str:
    """Return milliseconds since 1970 as an ISO string, as REST shows dates."""
    moment = dt.datetime.fromtimestamp(ms // 1000, tz=dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def ms_from_iso(text: str) -> int | None:
    """Return the milliseconds of an ISO string (or of plain milliseconds), None if it is none."""
    if re.fullmatch(r"\d{1,15}", text, flags=re.ASCII):
        return min(int(text), _MS_MAX)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    # Rounded, because a float of seconds cannot hold every millisecond.
    try:
        return max(0, round(moment.timestamp() * 1000))
    except (OverflowError, ValueError):
        return None


def encode(value: object) -> str:
    """Return compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def decode(text: str | bytes) -> Any:  # noqa: ANN401 - whatever a client sent
    """Parse what a client sent; what could break the store or the recursion later is refused.

    Lone surrogates become U+FFFD, as a database that keeps UTF-8 makes of them.
    """
    try:
        # Decoded here and strictly: the parser's own decoding would let lone surrogates pass.
        plain = text if isinstance(text, str) else text.decode()
        value = json.loads(plain, parse_float=_finite, parse_constant=_no_constant)
        if plain.count("[") + plain.count("{") > DEPTH_MAX:
            _check_depth(value)
    except (ValueError, RecursionError) as error:
        raise MalformedError(str(error)) from error
    return _scrub(value) if _SURROGATE_ESCAPE.search(plain) else value


def to_rest(value: Any) -> Any:  # noqa: ANN401 - a document or a part of it
    """Return a copy of a stored document with ISO dates."""
    if isinstance(value, dict):
        ms = ms_of(value)
        return iso(ms) if ms is not None else {key: to_rest(item) for key, item in value.items()}
    return [to_rest(item) for item in value] if isinstance(value, list) else value


def clean(text: str) -> str:
    """Return `text` with what UTF-8 cannot hold replaced."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError(f"{text[:20]} is no finite number")
    return number


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _check_depth(value: object) -> None:
    level: list[object] = [value]
    for _ in range(DEPTH_MAX):
        level = [item for node in level for item in _children(node)]
        if not level:
            return
    raise ValueError(f"nested deeper than {DEPTH_MAX} levels")


def _children(node: object) -> list[object]:
    if isinstance(node, dict):
        return list(node.values())
    return list(node) if isinstance(node, list) else []


def _scrub(value: Any) -> Any:  # noqa: ANN401 - a document or a part of it
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _scrub(item) for key, item in value.items()}
    return [_scrub(item) for item in value] if isinstance(value, list) else value
