"""The lease as the units of a host see it: whoever does something that cannot be undone asks first.

holding = await lease.held(1.0)
if holding is None: ...  # wait; `lease.reason` says why, for people
act(epoch=holding.epoch)  # at once
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import aiohttp

from heyken_glue import errors
from heyken_glue.domain.lease import Holding
from heyken_glue.domain.sentences import Sentence, say
from heyken_glue.runtime import http
from heyken_glue.runtime.clock import boottime

ASK_SECONDS = 0.5


class Lease(Protocol):
    """The right to act."""

    @property
    def epoch(self) -> int | None:
        """The epoch of this core's takeover, as it was told last."""
        ...

    @property
    def reason(self) -> Sentence:
        """Why the lease was not held when it was asked for last."""
        ...

    async def held(self, least_seconds: float = 0.0) -> Holding | None:
        """Return the right to act, if it is certain now and for so many seconds more."""
        ...


class UnitLease:
    """Asks `core-manager` each time; the session (on its socket) belongs to the caller."""

    def __init__(
        self, session: aiohttp.ClientSession, *, now: Callable[[], float] = boottime
    ) -> None:
        self._session, self._now = session, now
        self.epoch: int | None = None
        self.reason = say("lease_not_asked")

    async def held(self, least_seconds: float = 0.0) -> Holding | None:
        """Return the right to act, counted from the question; None too if nobody answers."""
        asked = self._now()
        try:
            body = await http.request_json(
                self._session, "GET", "/lease", timeout_seconds=ASK_SECONDS
            )
        except errors.HeykenError:
            self.reason = say("manager_silent")
            return None
        told = str(body.get("reason") or "")
        self.reason = Sentence(told, str(body.get("reason_pl") or told))
        holding = self._holding(body, asked)
        return holding if holding and holding.lasts(self._now(), least_seconds) else None

    def _holding(self, body: dict[str, object], asked: float) -> Holding | None:
        epoch, seconds = body.get("epoch"), body.get("valid_seconds")
        if isinstance(epoch, bool) or not isinstance(epoch, int):
            return None
        self.epoch = epoch
        if body.get("held") is not True or isinstance(seconds, bool):
            return None
        return Holding(epoch, asked + seconds) if isinstance(seconds, int | float) else None
