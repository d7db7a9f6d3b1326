"""Both generations of refusals, each recognised by what the facts say about it."""

from __future__ import annotations

import pytest

from heyken_glue import errors
from heyken_glue.adapters.rocketchat import refusals

NOW = 1_795_168_800.0
LIMITED = (
    "Error, too many requests. Please slow down. You must wait 42 seconds before trying this "
    "endpoint again. [error-too-many-requests]"
)


def _error(
    status: int, content: dict[str, object], headers: dict[str, str] | None = None
) -> errors.HeykenError:
    return refusals.error_of(
        status, headers or {}, content, tried="POST x", against="https://chat", now=NOW
    )


@pytest.mark.parametrize(
    ("status", "error", "error_type", "code"),
    [
        (400, "[invalid-channel]", "invalid-channel", "invalid-channel"),
        (400, "must have required property 'name'", "invalid-params", "invalid-params"),
        (400, "Too long [error-message-size-exceeded]", None, "error-message-size-exceeded"),
        (400, "restricted-workspace", None, "restricted-workspace"),
        (400, "TOTP Required [totp-required]", "totp-required", "totp-required"),
        (400, "You_have_been_muted", None, "You_have_been_muted"),
        (400, "You can't send messages because the room is readonly.", None, refusals.READ_ONLY),
        (400, "User not found.", None, "http-400"),
        (400, None, None, "http-400"),
        (400, {"nested": 1}, 7, "http-400"),
        (403, "No permission [error-unauthorized]", None, "error-unauthorized"),
        (403, "Not allowed [error-not-allowed]", "error-forbidden", "error-not-allowed"),
        (403, "Not allowed", "error-forbidden", "error-forbidden"),
        (404, None, None, "http-404"),
        (302, None, None, "redirected"),
        (200, None, None, "http-200"),
    ],
)
def test_a_refusal_keeps_its_code(
    status: int, error: object, error_type: object, code: str
) -> None:
    refused = _error(status, {"success": False, "error": error, "errorType": error_type})
    assert isinstance(refused, refusals.RefusedError)
    assert (refused.code, refused.status) == (code, status)


@pytest.mark.parametrize(
    "content",
    [
        {"status": "error", "message": "You must be logged in to do this."},
        {"success": False, "error": "You must be logged in to do this."},
        {"success": False, "status": "error", "error": 403, "message": "Unauthorized"},
        {"errorType": "something-else"},
        {},
    ],
)
def test_every_401_is_unauthorized(content: dict[str, object]) -> None:
    refused = _error(401, content)
    assert isinstance(refused, refusals.RefusedError)
    assert refused.code == refusals.UNAUTHORIZED


@pytest.mark.parametrize("status", [408, 500, 502, 503])
def test_trouble_of_the_server_is_transient(status: int) -> None:
    error = _error(status, {"error": "x"}, {"Retry-After": "7"})
    assert isinstance(error, errors.TransientError)
    assert error.retry_after == 7


@pytest.mark.parametrize(
    ("headers", "content", "wait"),
    [
        ({}, {"success": False, "error": LIMITED}, 42),
        ({"X-RateLimit-Reset": str(int((NOW + 9) * 1000))}, {}, 9),
        ({"X-RateLimit-Reset": str(int((NOW + 9) * 1000))}, {"error": LIMITED}, 42),
        ({"X-RateLimit-Reset": str(int((NOW - 9) * 1000))}, {}, 0),
        ({"X-RateLimit-Reset": "999999999999999"}, {}, 600),
        ({"X-RateLimit-Reset": "soon"}, {}, None),
        ({"X-RateLimit-Reset": "-5"}, {}, None),
        ({"X-RateLimit-Reset": "٣"}, {}, None),
        ({"Retry-After": "3"}, {}, 3),
        ({"Retry-After": "Fri, 20 Nov 2026 10:00:00 GMT"}, {}, None),
        ({}, {"error": "You must wait 999999 seconds"}, 600),
        ({}, {"error": "You must wait 99999999999999999999 seconds"}, None),
        ({}, {}, None),
    ],
)
def test_too_many_requests_say_how_long(
    headers: dict[str, str], content: dict[str, object], wait: float | None
) -> None:
    error = _error(429, content, headers)
    assert isinstance(error, errors.TransientError)
    assert error.retry_after == (wait if wait is None else pytest.approx(wait))


def test_a_limit_is_a_limit_whatever_the_status() -> None:
    error = _error(400, {"error": LIMITED, "errorType": "error-too-many-requests"})
    assert isinstance(error, errors.TransientError)
    assert error.retry_after == 42


def test_long_reasons_are_cut() -> None:
    assert len(str(_error(400, {"error": "x" * 10_000}))) < 400
