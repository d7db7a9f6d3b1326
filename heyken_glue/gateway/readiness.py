"""What the health unit says about this core, asked seldom and shared by everybody who wonders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from heyken_glue import errors
from heyken_glue.gateway.ports import Unit
from heyken_glue.gateway.units import VERDICT_TIMEOUT_SECONDS

# as often as health itself looks; a flood of questions reaches it no more often
KEEP_SECONDS = 0.2
# what health heard from the other core is asked for several times a second
PEER_STALE_SECONDS = 2.0
# health's name for its look at this very gateway
OWN_CHECK = "gateway"
_OK = 200


class Readiness:
    """The health unit's verdict, at most `keep_seconds` old."""

    def __init__(
        self, health: Unit, *, clock: Callable[[], float], keep_seconds: float = KEEP_SECONDS
    ) -> None:
        self._health, self._clock, self._keep_seconds = health, clock, keep_seconds
        self._known: Mapping[str, Any] | None = None
        self._asked_at = -keep_seconds
        self._asking = asyncio.Lock()

    async def verdict(self) -> Mapping[str, Any] | None:
        """Return the verdict as health sends it, or None when health does not answer."""
        async with self._asking:
            if self._clock() - self._asked_at >= self._keep_seconds:
                self._known = await self._ask()
                self._asked_at = self._clock()
            return self._known

    async def why_not(self) -> str | None:
        """Return the sentence (English) on why this core's model cannot be asked; else None.

        Silence of the health unit is no reason: the model may be fine without it. Nor is what only
        keeps the address away: that this gateway takes nobody new, and the time that a core which
        came and went has to stay well, as long as the other core is no better.
        """
        verdict = await self.verdict()
        if verdict is None or verdict.get("capable") is not False:
            return None
        failing = _failing(verdict)
        if failing == {OWN_CHECK} or (failing == set() and not _peer_is_capable(verdict)):
            return None
        return sentence_of(verdict, "en") or "its health unit says so"

    async def why_not_peer(self, core_id: int) -> str | None:
        """Return why the other core need not be asked, as far as health knows; else None."""
        peer = (await self.verdict() or {}).get("peer")
        if not isinstance(peer, Mapping) or peer.get("core_id") != core_id:
            return None
        age = peer.get("age_seconds")
        if isinstance(age, int | float) and age > PEER_STALE_SECONDS:
            return "it does not answer"
        return "its health unit says so" if peer.get("capable") is False else None

    async def _ask(self) -> Mapping[str, Any] | None:
        try:
            reply = await self._health.call(
                "GET", "/verdict", timeout_seconds=VERDICT_TIMEOUT_SECONDS
            )
        except errors.HeykenError:
            return None
        return reply.body if reply.status == _OK else None


def _failing(verdict: Mapping[str, Any]) -> set[str] | None:
    """Return the names of the checks that failed; None where nothing was looked at yet."""
    checks = verdict.get("checks")
    if not isinstance(checks, list) or not checks:
        return None
    return {str(check.get("name")) for check in checks if check.get("ok") is not True}


def _peer_is_capable(verdict: Mapping[str, Any]) -> bool:
    peer = verdict.get("peer")
    if not isinstance(peer, Mapping) or peer.get("capable") is not True:
        return False
    age = peer.get("age_seconds")
    return isinstance(age, int | float) and age <= PEER_STALE_SECONDS


def sentence_of(verdict: Mapping[str, Any], language: str) -> str:
    """Return the verdict's sentence in a language; empty if it has none."""
    sentence = verdict.get("sentence_pl" if language == "pl" else "sentence")
    return sentence if isinstance(sentence, str) else ""
