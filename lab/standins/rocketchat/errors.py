"""Refusals, and the shapes that versions 8.x and 9.0 give them.

| helper | status | body |
| --- | --- | --- |
| refused | 400 | `{"success": false, "error": "<text> [<code>]", "errorType": "<code>"}` |
| invalid | 400 | `{"success": false, "error": "<text>", "errorType": "invalid-params"}` |
| failure | 400 | `{"success": false, "error": "<text>"}` |
| not_allowed | 400, in 9.0 403 | as refused; in 9.0 errorType `error-forbidden` |
| forbidden | 403 | the call as such needs a permission |
| not_logged_in, bad_login | 401 | differ by version |
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from lab.standins.rocketchat.ejson import Document

NOT_LOGGED_IN = "You must be logged in to do this."
NO_PERMISSION = "User does not have the permissions required for this action"


class Shapes(enum.StrEnum):
    """Whose error shapes are spoken."""

    V8 = "8"
    V9 = "9"


class Kind(enum.Enum):
    """What a refusal is about; the shapes of some kinds differ by version."""

    PLAIN = enum.auto()
    NOT_ALLOWED = enum.auto()
    FORBIDDEN = enum.auto()
    NOT_LOGGED_IN = enum.auto()
    BAD_LOGIN = enum.auto()


class ApiError(Exception):
    """A refusal: `text` for people, `code` for programs; either may be empty."""

    def __init__(
        self,
        text: str = "",
        code: str = "",
        *,
        status: int = 400,
        kind: Kind = Kind.PLAIN,
        details: Document | None = None,
        code_in_text: bool = True,
    ) -> None:
        super().__init__(text or code)
        self.text, self.code, self.status, self.kind = text, code, status, kind
        self.details, self.code_in_text = details, code_in_text

    @property
    def message(self) -> str:
        """The text with its code in brackets, as the server's own errors read."""
        if not self.code or not self.code_in_text:
            return self.text
        return f"{self.text} [{self.code}]".strip()


@dataclass(frozen=True)
class Reply:
    """A status and a body."""

    status: int
    body: Document


def refused(code: str, text: str = "", details: Document | None = None) -> ApiError:
    """Return the usual refusal."""
    return ApiError(text, code, details=details)


def invalid(text: str, code: str = "invalid-params") -> ApiError:
    """Return the refusal of a parameter."""
    return ApiError(text, code, code_in_text=False)


def failure(text: str = "", *, status: int = 400) -> ApiError:
    """Return a refusal that has a text only, or not even that."""
    return ApiError(text, status=status)


def not_allowed(text: str = "Not allowed", code: str = "error-not-allowed") -> ApiError:
    """Return the refusal of something the caller has no right to."""
    return ApiError(text, code, kind=Kind.NOT_ALLOWED)


def forbidden() -> ApiError:
    """Return the refusal of a call that needs a permission."""
    return ApiError(NO_PERMISSION, "error-unauthorized", status=403, kind=Kind.FORBIDDEN)


def not_logged_in() -> ApiError:
    """Return the refusal of a call that needs a login."""
    return ApiError(NOT_LOGGED_IN, status=401, kind=Kind.NOT_LOGGED_IN)


def bad_login(reason: str = "Incorrect password", code: str = "403") -> ApiError:
    """Return the refusal of a login; over the socket the reason is told."""
    return ApiError(reason, code, status=401, kind=Kind.BAD_LOGIN)


def second_factor(method: str, *, code_generated: bool, available: list[str]) -> ApiError:
    """Return the demand for a second factor."""
    details = {"method": method, "codeGenerated": code_generated, "availableMethods": available}
    return ApiError("TOTP Required", "totp-required", details=details)


def too_many_requests(seconds: int) -> ApiError:
    """Return the refusal of a caller who asks too often."""
    text = (
        "Error, too many requests. Please slow down. You must wait "
        f"{seconds} seconds before trying this endpoint again."
    )
    return ApiError(text, "error-too-many-requests", status=429)


def rest_reply(error: ApiError, shapes: Shapes) -> Reply:
    """Return what REST answers to a refusal."""
    if error.kind is Kind.NOT_LOGGED_IN:
        return Reply(401, _not_logged_in(shapes))
    if error.kind is Kind.BAD_LOGIN:
        return Reply(401, _bad_login(shapes))
    body: Document = {"success": False}
    if error.message:
        body["error"] = error.message
    if error.kind in {Kind.NOT_ALLOWED, Kind.FORBIDDEN} and shapes is Shapes.V9:
        return Reply(403, body | {"errorType": "error-forbidden"})
    # The 429 and the 403 of 8.x carry their code in the text only.
    if error.code and error.kind is not Kind.FORBIDDEN and error.status == 400:  # noqa: PLR2004
        body["errorType"] = error.code
    if error.details is not None:
        body["details"] = error.details
    return Reply(error.status, body)


def login_reply(error: ApiError, shapes: Shapes) -> Reply:
    """Return what the call `login` answers to a refusal: always 401."""
    if error.code != "totp-required":
        return Reply(401, _bad_login(shapes))
    body: Document = {"success": False, "error": error.code, "message": error.message}
    if shapes is Shapes.V8:
        body["status"] = "error"
    return Reply(401, body | {"details": error.details})


def socket_error(error: ApiError) -> Document:
    """Return a refusal as the realtime interface tells it."""
    code: str | int = int(error.code) if error.code.isdecimal() else error.code
    if error.kind is Kind.NOT_LOGGED_IN:
        code = "not-allowed"
    body: Document = {"isClientSafe": True, "error": code or 500}
    if error.text:
        body["reason"] = error.text
    body["message"] = f"{error.text} [{code or 500}]".strip()
    if error.details is not None:
        body["details"] = error.details
    return body | {"errorType": "Meteor.Error"}


def _not_logged_in(shapes: Shapes) -> Document:
    if shapes is Shapes.V9:
        return {"success": False, "error": NOT_LOGGED_IN}
    return {"success": False, "status": "error", "message": NOT_LOGGED_IN}


def _bad_login(shapes: Shapes) -> Document:
    if shapes is Shapes.V9:
        return {"success": False, "error": "unauthorized"}
    return {
        "success": False,
        "status": "error",
        "error": "Unauthorized",
        "message": "Unauthorized",
    }
