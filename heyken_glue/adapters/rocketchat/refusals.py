"""What an answer of 400 and more means, in the shapes of Rocket.Chat 8.x and 9.0.

8.x refuses mostly with 400, `{"success": false, "error": "<text> [<code>]", "errorType": "<code>"}`
and knows `{"status": "error", "message": …}`; 9.0 refuses with 403 and often one `errorType` for
all, so that the code in brackets says more. Some refusals carry a bare sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from heyken_glue import errors
from heyken_glue.adapters.rocketchat.models import text

UNAUTHORIZED = "unauthorized"
READ_ONLY = "room-is-read-only"
REDIRECTED = "redirected"
FIRST_REDIRECT, BAD_REQUEST, UNAUTHORIZED_STATUS = 300, 400, 401
REQUEST_TIMEOUT, TOO_MANY, FIRST_SERVER_ERROR = 408, 429, 500
MAX_REASON_LENGTH = 200
# no such thing, or none that this user may know of
ABSENT = frozenset({BAD_REQUEST, 403, 404})
_RATE_LIMITED = {"error-too-many-requests", "too-many-requests"}
# 9.0 puts these in place of what the server found; the text may still say it
_GENERIC = {"error-forbidden", "error-bad-request", "error-unauthorized"}
_MAX_WAIT_SECONDS = 600.0
_CODE = re.compile(r"\[([\w-]{1,100})\]\s*$", re.ASCII)
_BARE_CODE = re.compile(r"[\w-]{1,100}", re.ASCII)
_WAIT = re.compile(r"wait ([0-9]{1,6}) seconds", re.IGNORECASE)
_SENTENCES = {"room is readonly": READ_ONLY}


class RefusedError(errors.PermanentError):
    """Rocket.Chat said no; `code` is its own word for why, `http-<status>` if it gave none."""

    def __init__(
        self, tried: str, *, code: str, against: str = "", status: int | None = None
    ) -> None:
        super().__init__(tried, against=against, status=status)
        self.code = code


def error_of(
    status: int,
    headers: Mapping[str, str],
    content: Mapping[str, Any],
    *,
    tried: str,
    against: str,
    now: float,
) -> errors.HeykenError:
    """Return the error an answer stands for; `now` is in seconds since 1970."""
    reason = reason_of(content)
    code = code_of(status, content, reason)
    said = f"{tried} was answered {status}: {reason[:MAX_REASON_LENGTH] or 'no reason given'}"
    if status == TOO_MANY or is_rate_limit(code):
        wait = _wait(headers, reason, now)
        return errors.TransientError(said, against=against, retry_after=wait)
    if status == REQUEST_TIMEOUT or status >= FIRST_SERVER_ERROR:
        wait = _seconds(headers.get("Retry-After"))
        return errors.TransientError(said, against=against, retry_after=wait)
    return RefusedError(said, code=code, against=against, status=status)


def reason_of(content: Mapping[str, Any]) -> str:
    """Return the sentence of a refusal, "" if there is none."""
    found = (text(content.get(key)).strip() for key in ("error", "message", "reason"))
    return next((reason for reason in found if reason), "")


def code_of(status: int, content: Mapping[str, Any], reason: str) -> str:
    """Return the server's word for what is wrong; every 401 is UNAUTHORIZED."""
    if status == UNAUTHORIZED_STATUS:
        return UNAUTHORIZED
    if FIRST_REDIRECT <= status < BAD_REQUEST:
        return REDIRECTED
    stated = text(content.get("errorType"))
    if stated and stated not in _GENERIC:
        return stated
    return _code_in(reason) or stated or f"http-{status}"


def is_rate_limit(code: str) -> bool:
    """Tell whether the server's word means: later."""
    return code in _RATE_LIMITED


def wait_in(reason: str) -> float | None:
    """Return the seconds of "You must wait N seconds", None if it does not say that."""
    found = _WAIT.search(reason)
    return min(float(found.group(1)), _MAX_WAIT_SECONDS) if found else None


def _code_in(reason: str) -> str:
    bracketed = _CODE.search(reason)
    if bracketed:
        return bracketed.group(1)
    if _BARE_CODE.fullmatch(reason):
        return reason
    return next((code for words, code in _SENTENCES.items() if words in reason.lower()), "")


def _wait(headers: Mapping[str, str], reason: str, now: float) -> float | None:
    # spans of time first: the epoch of the last one depends on two clocks
    for told in (wait_in(reason), _seconds(headers.get("Retry-After"))):
        if told is not None:
            return told
    reset = headers.get("X-RateLimit-Reset", "")
    if not re.fullmatch(r"[0-9]{1,15}", reset):
        return None
    return min(max(float(reset) / 1000 - now, 0.0), _MAX_WAIT_SECONDS)


def _seconds(value: str | None) -> float | None:
    if value is None or not re.fullmatch(r"[0-9]{1,9}", value):
        return None
    return min(float(value), _MAX_WAIT_SECONDS)
