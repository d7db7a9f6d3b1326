"""Passing requests on to the other units of this host, and their replies back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from heyken_glue import errors
from heyken_glue.gateway.ports import Unit
from heyken_glue.gateway.problems import Problem
from heyken_glue.texts import text as _


@dataclass(frozen=True)
class Forwarder:
    """One unit of this host, as seen from a door."""

    name: str
    unit: Unit

    async def pass_on(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float,
    ) -> web.Response:
        """Return the unit's reply as ours, or raise Problem 503 when the unit is away."""
        try:
            reply = await self.unit.call(
                method, path, body=body, headers=headers, timeout_seconds=timeout_seconds
            )
        except errors.HeykenError:
            raise Problem(
                503,
                "unit_away",
                _(
                    "The unit {unit} on this core does not answer, and only it knows this. Try "
                    "again in a few seconds; if it stays so, look at `systemctl status "
                    "heyken@{unit}` there.",
                    unit=self.name,
                ),
                headers={"Retry-After": "2"},
            ) from None
        return web.json_response(dict(reply.body), status=reply.status)
