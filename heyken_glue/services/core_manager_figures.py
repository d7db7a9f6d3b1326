"""Core-manager's figures: the role, the lease, and how alike the cores are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from heyken_glue.domain.parity import Parity
from heyken_glue.domain.switching import Vrrp
from heyken_glue.services.core_manager_lease import LeaseKeeper
from heyken_glue.services.core_manager_role import RoleKeeper

PREFIX = "heyken_core_manager"


class CoreManagerFigures(Collector):
    """Reads what the unit knows anyway; what is not known (no epoch, no parity) is left out."""

    def __init__(
        self, keeper: RoleKeeper, lease: LeaseKeeper, parity: Callable[[], Parity | None]
    ) -> None:
        self._keeper, self._lease, self._parity = keeper, lease, parity

    def collect(self) -> Iterator[Metric]:
        """Return all figures."""
        yield from self._of_the_role()
        yield from self._of_the_lease()
        parity = self._parity()
        if parity is not None:
            meaning = "How much of what should be equal on both cores is; 100 means all of it."
            yield _gauge("parity_percent", meaning, parity.percent)

    def _of_the_role(self) -> Iterator[Metric]:
        meaning = "1 for the VRRP state that keepalived told last."
        role = GaugeMetricFamily(f"{PREFIX}_role", meaning, labels=["vrrp"])
        changes = CounterMetricFamily(
            f"{PREFIX}_role_changes", "Changes of the VRRP state, by the new one.", labels=["vrrp"]
        )
        for vrrp in Vrrp:
            role.add_metric([vrrp.value], self._keeper.role.vrrp is vrrp)
            changes.add_metric([vrrp.value], self._keeper.changes[vrrp])
        yield role
        yield changes

    def _of_the_lease(self) -> Iterator[Metric]:
        held = self._lease.holding() is not None
        yield _gauge("lease_held", "1 while this core may do more than answer.", held)
        holder = self._keeper.holder
        if holder is not None and holder.epoch is not None:
            yield _gauge("epoch", "The number of this core's takeover.", holder.epoch)
        meaning = "Times somebody wanted to do more than answer and was told no."
        yield CounterMetricFamily(
            f"{PREFIX}_refused_effects", meaning, value=self._lease.refused_effects
        )


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", meaning, value=value)
