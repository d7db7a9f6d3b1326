"""All figures of one core on one page: the gateway's own, and those of its neighbour units.

A unit that is away is told as such and its figures are missing: Prometheus then knows that nothing
is known, where an old value would look like a present one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from aiohttp import web
from prometheus_client import Metric
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from heyken_glue import errors
from heyken_glue.gateway.copies import Replica
from heyken_glue.gateway.metrics import PREFIX, Metrics
from heyken_glue.gateway.ports import Unit
from heyken_glue.runtime import exposition

TIMEOUT_SECONDS = 0.5


class CorePage:
    """Puts the page together whenever it is asked for."""

    def __init__(self, metrics: Metrics, units: Mapping[str, Unit]) -> None:
        self._metrics, self._units = metrics, units

    async def response(self) -> web.Response:
        """Return all figures of this core."""
        pages = await asyncio.gather(*(self._page(name) for name in self._units))
        return exposition.page(self._metrics.registry, *pages)

    async def _page(self, name: str) -> str:
        try:
            page = await self._units[name].page(exposition.PATH, timeout_seconds=TIMEOUT_SECONDS)
        except errors.TransientError:
            page = ""
        self._metrics.unit_up.labels(name).set(bool(page))
        return page


class CopyFigures(Collector):
    """How copying to the cores' stores goes, store by store."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas

    def collect(self) -> Iterator[Metric]:
        """Return all figures."""
        labels = ["store"]
        up = GaugeMetricFamily(
            f"{PREFIX}_copy_store_up", "1 while the store takes copies.", labels=labels
        )
        written = CounterMetricFamily(
            f"{PREFIX}_copies_written",
            "Portions of answers in flight that the store took.",
            labels=labels,
        )
        losses = CounterMetricFamily(
            f"{PREFIX}_copy_store_losses",
            "Times the store was found to be down, full or too slow.",
            labels=labels,
        )
        for replica in self._replicas:
            name = [replica.store.name]
            up.add_metric(name, not replica.away)
            written.add_metric(name, replica.written)
            losses.add_metric(name, replica.losses)
        yield from (up, written, losses)
