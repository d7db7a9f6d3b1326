"""The host's other units behind their Unix sockets, with their statuses kept as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import aiohttp

from heyken_glue import errors
from heyken_glue.gateway.ports import Unit, UnitReply
from heyken_glue.runtime import http

VERDICT_TIMEOUT_SECONDS = 0.5


class UnixUnit:
    """A `Unit`; use it as a context, so that its connections are closed in the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._session = http.unix_session(path, total_seconds=2.0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 2.0,
    ) -> UnitReply:
        """Send one request; TransientError when no JSON object comes back in time."""
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        try:
            async with self._session.request(
                method, path, json=body, headers=headers, timeout=timeout
            ) as response:
                reply = json.loads(await response.read())
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise errors.TransientError(
                f"{method} {path} failed: {type(error).__name__}", against=str(self._path)
            ) from error
        if not isinstance(reply, dict):
            raise errors.TransientError(f"{method} {path} gave no object", against=str(self._path))
        return UnitReply(status, reply)

    async def page(self, path: str, *, timeout_seconds: float) -> str:
        """Return a page of text as it is; TransientError when there is none in time."""
        timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        try:
            async with self._session.get(path, timeout=timeout, raise_for_status=True) as response:
                return await response.text()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise errors.TransientError(
                f"GET {path} failed: {type(error).__name__}", against=str(self._path)
            ) from error


async def reason_of(health: Unit, language: str) -> str | None:
    """Return the health unit's sentence on why this core cannot answer, or None if it sees none."""
    try:
        reply = await health.call("GET", "/verdict", timeout_seconds=VERDICT_TIMEOUT_SECONDS)
    except errors.TransientError:
        return None
    if reply.status != 200 or reply.body.get("capable") is not False:  # noqa: PLR2004
        return None
    sentence = reply.body.get("sentence_pl" if language == "pl" else "sentence")
    return sentence if isinstance(sentence, str) and sentence else None
