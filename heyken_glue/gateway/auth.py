"""Who is asking: bearer tokens, known only by their SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from aiohttp import web

from heyken_glue.gateway.limits import RateLimiter, retry_after
from heyken_glue.gateway.metrics import Metrics, Refused
from heyken_glue.gateway.problems import Problem
from heyken_glue.texts import Text
from heyken_glue.texts import text as _

TOKEN_LENGTH_MAX = 512


@dataclass(frozen=True)
class Caller:
    """A known token: its name, its SHA-256 in hex, what it may do.

    `requests_per_second` is a rate of its own; without one it has everybody's. The token is good
    up to the end of the day `expires_on` in UTC.
    """

    name: str
    sha256: str
    scopes: frozenset[str]
    requests_per_second: float | None = None
    expires_on: date | None = None


CALLER = web.RequestKey("caller", Caller)


class Doorkeeper:
    """Tells callers by their tokens, and stops those that call too often."""

    def __init__(
        self,
        callers: Iterable[Caller],
        *,
        now: Callable[[], float] = time.time,
        limiter: RateLimiter | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._callers, self._now = tuple(callers), now
        self._limiter, self._metrics = limiter, metrics

    def admit(self, request: web.Request, scope: str) -> Caller:
        """Return the caller, or raise Problem.

        401: no token, or one that is unknown or too old, 429: it calls too often, 403: it lacks
        the scope. The caller is remembered on the request for the closing log line.
        """
        caller = self._recognise(_bearer(request))
        if caller is None:
            raise _unauthorized(
                _("This token is not known here. Check the token in your client file; after a "
                  "deployment with new secrets, take the new file.")
            )  # fmt: skip
        request[CALLER] = caller
        self._demand_validity(caller)
        self._demand_patience(caller)
        if scope not in caller.scopes:
            raise Problem(
                403,
                "scope_missing",
                _(
                    "The token “{name}” may not do this: it lacks the scope “{scope}”. Use a token "
                    "that has it.",
                    name=caller.name,
                    scope=scope,
                ),
            )
        return caller

    def _demand_validity(self, caller: Caller) -> None:
        today = datetime.fromtimestamp(self._now(), tz=UTC).date()
        if caller.expires_on is None or today <= caller.expires_on:
            return
        text = _(
            "The token “{name}” was good until {day}. Ask the operator for a new one.",
            name=caller.name,
            day=caller.expires_on.isoformat(),
        )
        raise _unauthorized(text, code="token_expired")

    def _demand_patience(self, caller: Caller) -> None:
        if self._limiter is None:
            return
        wait = self._limiter.take(caller.sha256, per_second=caller.requests_per_second)
        if not wait:
            return
        if self._metrics is not None:
            self._metrics.refused(Refused.RATE)
        after = retry_after(wait)
        text = _(
            "The token “{name}” sends more requests than it may. Ask again in {seconds} s, and "
            "less often.",
            name=caller.name,
            seconds=after,
        )
        raise Problem(429, "too_many_requests", text, headers={"Retry-After": after})

    def _recognise(self, token: str) -> Caller | None:
        """Compare with every known token, always all of them, so that time tells nothing."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        found = None
        for caller in self._callers:
            if hmac.compare_digest(digest, caller.sha256):
                found = caller
        return found


def _bearer(request: web.Request) -> str:
    values = request.headers.getall("Authorization", [])
    scheme, _blank, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > TOKEN_LENGTH_MAX:
        raise _unauthorized(
            _("This needs a token and none came in a form that is understood. Send the header "
              "“Authorization: Bearer <token>”.")
        )  # fmt: skip
    return token


def _unauthorized(text: Text, *, code: str = "unauthorized") -> Problem:
    return Problem(401, code, text, headers={"WWW-Authenticate": "Bearer"})
