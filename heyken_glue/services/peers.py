"""What the other core says about itself, asked through its gateway over mutual TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp

from heyken_glue import errors
from heyken_glue.domain.switching import Vrrp
from heyken_glue.domain.verdict import VerdictAnswer, parse_verdict
from heyken_glue.runtime import http
from heyken_glue.settings import Peer, Settings, section

ASK_SECONDS = 0.3


class PeerDoor:
    """One peer; silence and nonsense both count as no answer."""

    def __init__(self, peer: Peer, *, port: int, tls: ssl.SSLContext | None) -> None:
        self.peer = peer
        scheme = "https" if tls is not None else "http"
        self._url = f"{scheme}://{peer.address}:{port}/peer"
        self._session = http.session(tls=tls, total_seconds=ASK_SECONDS)

    async def close(self) -> None:
        """Close the kept connections."""
        await self._session.close()

    async def verdict(self) -> VerdictAnswer | None:
        """Ask what its health unit says."""
        body = await self._ask("/verdict")
        try:
            return None if body is None else parse_verdict(body)
        except ValueError:
            return None

    async def role(self) -> Vrrp | None:
        """Ask what keepalived says there."""
        body = await self._ask("/role")
        try:
            return None if body is None else Vrrp(str(body.get("vrrp")))
        except ValueError:
            return None

    async def switch(
        self, body: Mapping[str, Any], *, language: str, timeout_seconds: float
    ) -> tuple[int, dict[str, Any]]:
        """Hand a wish to switch over; returns its status and JSON, TransientError on silence."""
        url = f"{self._url}/switch_core"
        try:
            timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=ASK_SECONDS)
            async with self._session.post(
                url, json=dict(body), timeout=timeout, headers={"Accept-Language": language}
            ) as answer:
                return answer.status, dict(await answer.json(content_type=None))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, TypeError) as error:
            raise errors.TransientError(
                f"{self.peer.name} did not answer the wish to switch", against=url
            ) from error

    async def _ask(self, path: str) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await http.request_json(self._session, "GET", self._url + path)
        except (errors.HeykenError, TimeoutError):
            return None


def only_peer(settings: Settings) -> Peer:
    """Return the other core; a pair has exactly one."""
    if len(settings.peers) != 1:
        raise errors.ConfigError(
            f"A core needs exactly one peer, the settings have {len(settings.peers)}",
            hint="Correct [[peers]], which role glue fills from its input",
        )
    return settings.peers[0]


def own_core_id(settings: Settings) -> int:
    """Return this core's number."""
    return section(settings.host.core_id, "core_id in [host]")
