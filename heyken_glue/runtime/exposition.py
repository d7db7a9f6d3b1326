"""A unit's figures as Prometheus reads them.

Each unit has a registry of its own, and names that begin with the unit's: so the gateway can put
the pages of all units of a core together as they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

PATH = "/metrics"


def page(registry: CollectorRegistry, *others: str) -> web.Response:
    """Return all figures of a registry, and after them other units' pages."""
    text = "".join((generate_latest(registry).decode(), *others))
    headers = {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
    return web.Response(body=text.encode(), headers=headers)


def handler(figures: Collector) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return what shows a unit's figures, as they are at that moment, to its host's other units."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(figures)

    async def answer(_request: web.Request) -> web.Response:
        return page(registry)

    return answer
