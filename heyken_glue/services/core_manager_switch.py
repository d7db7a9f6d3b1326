"""The planned switch: one path for playbook, command line and API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from heyken_glue import errors, logs
from heyken_glue.domain.sentences import Sentence, say
from heyken_glue.domain.switching import INELIGIBLE, Vrrp, why_not_yet
from heyken_glue.runtime import http
from heyken_glue.runtime.clock import Clock
from heyken_glue.services.core_manager_role import RoleKeeper
from heyken_glue.services.peers import PeerDoor
from heyken_glue.settings import Vip

TAKE_OVER_SECONDS = 6.0
POLL_SECONDS = 0.05
FORWARD_SECONDS = 15.0
STEP_DOWN_SECONDS = 1.0
SETTLE_SECONDS = 4.0
_log = logs.get(__name__)


@dataclass(frozen=True)
class Answer:
    """An HTTP status and the JSON that goes with it."""

    status: int
    body: Mapping[str, Any]


class Switcher:
    """Moves the address: the holder steps down, whoever else was asked passes the wish on."""

    def __init__(
        self,
        *,
        core_id: int,
        vip: Vip,
        keeper: RoleKeeper,
        door: PeerDoor,
        health_socket: Path,
        peer_interval_seconds: float,
        clock: Clock,
    ) -> None:
        self._peer_interval_seconds = peer_interval_seconds
        self._core_id, self._vip, self._keeper = core_id, vip, keeper
        self._door, self._health_socket, self._clock = door, health_socket, clock

    async def switch(self, wish: Mapping[str, Any], *, language: str, passed_on: bool) -> Answer:
        """Fulfil `{"core_id", "force", "requested_by"}` or say why not."""
        target = wish.get("core_id")
        known = (self._core_id, self._door.peer.core_id)
        if isinstance(target, bool) or target not in known:
            listed = ", ".join(str(core) for core in sorted(known))
            sentence = say("unknown_core", core=repr(target), known=listed)
            return refusal(400, "unknown_core", sentence, language)
        if self._keeper.role.vrrp is not Vrrp.MASTER:
            return await self._pass_on(wish, language=language, passed_on=passed_on)
        if target == self._core_id:
            return _done(self._core_id, changed=False)
        too_soon = why_not_yet(
            since=self._keeper.role.since,
            now=self._clock.now(),
            cooldown=self._vip.cooldown_seconds,
            force=wish.get("force") is True,
        )
        if too_soon is not None:
            return refusal(409, "cooldown", too_soon, language)
        return await self._hand_over(str(wish.get("requested_by") or "?"), language)

    async def _pass_on(self, wish: Mapping[str, Any], *, language: str, passed_on: bool) -> Answer:
        if passed_on:
            return refusal(409, "no_holder", say("no_holder"), language)
        try:
            code, body = await self._door.switch(
                wish, language=language, timeout_seconds=FORWARD_SECONDS
            )
        except errors.TransientError:
            sentence = say("silent", core=self._door.peer.name)
            return refusal(409, "peer_silent", sentence, language)
        return Answer(code, body)

    async def _hand_over(self, requested_by: str, language: str) -> Answer:
        peer = self._door.peer
        settled_by = self._clock.monotonic() + SETTLE_SECONDS
        # what our health unit heard of it may be older, and this is not to be found out afterwards
        sick = await self._settled_peer(settled_by)
        refused = sick or await self._ask_until_heard(requested_by, settled_by)
        if refused is not None:
            return refusal(409, "not_capable", refused, language)
        _log.info("switch_begun", to=peer.name, requested_by=requested_by)
        deadline = self._clock.monotonic() + TAKE_OVER_SECONDS
        while self._clock.monotonic() < deadline:
            if await self._door.role() is Vrrp.MASTER:
                _log.info("switch_done", to=peer.name)
                return _done(peer.core_id, changed=True)
            await asyncio.sleep(POLL_SECONDS)
        sentence = say("not_taken_over", core=peer.name, seconds=TAKE_OVER_SECONDS)
        return refusal(504, "not_taken_over", sentence, language)

    async def _settled_peer(self, by: float) -> Sentence | None:
        """Wait while the peer still finishes a hand-over of its own, as after a switch and back.

        Returns why it could not take the address over, by what it says itself.
        """
        while True:
            verdict, vrrp = await asyncio.gather(self._door.verdict(), self._door.role())
            if verdict is None:
                return None
            if not verdict.capable:
                return verdict.sentence
            settled = not verdict.stepping_down and vrrp not in INELIGIBLE
            if settled or self._clock.monotonic() >= by:
                return say("ineligible", core=self._door.peer.name) if vrrp in INELIGIBLE else None
            await asyncio.sleep(self._peer_interval_seconds)

    async def _ask_until_heard(self, requested_by: str, by: float) -> Sentence | None:
        """Ask our health unit, which may not have heard yet that the peer has settled."""
        outdated = say("peer_stepping_down", core=self._door.peer.name)
        while (refused := await self._ask_health(requested_by)) == outdated:
            if self._clock.monotonic() >= by:
                break
            await asyncio.sleep(self._peer_interval_seconds)
        return refused

    async def _ask_health(self, requested_by: str) -> Sentence | None:
        reason = say("asked_for", who=requested_by)
        body = {"reason": reason.en, "reason_pl": reason.pl, "requested_by": requested_by}
        try:
            async with (
                http.unix_session(self._health_socket, total_seconds=STEP_DOWN_SECONDS) as session,
                session.post("/step_down", json=body) as answer,
            ):
                content = await answer.json(content_type=None)
            if content.get("success") is True:
                return None
            return Sentence(str(content["error"]), str(content.get("error_pl", content["error"])))
        except (
            aiohttp.ClientError,
            OSError,
            TimeoutError,
            ValueError,
            KeyError,
            AttributeError,
        ) as error:
            return say("health_silent", error=type(error).__name__)


def refusal(code: int, name: str, sentence: Sentence, language: str) -> Answer:
    """Build the answer that says why not."""
    error = sentence.in_language(language)
    return Answer(code, {"success": False, "error": error, "code": name})


def _done(core_id: int, *, changed: bool) -> Answer:
    return Answer(200, {"success": True, "active_core": core_id, "changed": changed})
