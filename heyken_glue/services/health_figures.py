"""The health unit's figures: what it says, how often it looked, what it suspected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from heyken_glue.domain.verdict import Verdict
from heyken_glue.services.health_looks import Findings

PREFIX = "heyken_health"


class Judge(Protocol):
    """What is read of the unit: its verdict, and how often it looked and fell."""

    verdict: Verdict
    looks: int
    falls: int


class HealthFigures(Collector):
    """Reads what the unit knows anyway, at the moment it is asked for."""

    def __init__(self, unit: Judge, findings: Findings) -> None:
        self._unit, self._findings = unit, findings

    def collect(self) -> Iterator[Metric]:
        """Return all figures."""
        yield self._gauge("capable", "1 while this core can answer.", self._unit.verdict.capable)
        yield self._failed_checks()
        for name, meaning, value in (
            ("looks", "Looks at the model server's processes.", self._unit.looks),
            ("falls", "Times this core ceased to be capable.", self._unit.falls),
            (
                "hang_suspicions",
                "Times the model server had work and showed no life for half of what it may.",
                self._findings.suspicions,
            ),
            ("hangs", "Times the model server was taken for hung.", self._findings.hangs),
        ):
            yield CounterMetricFamily(f"{PREFIX}_{name}", meaning, value=value)
        peer = self._unit.verdict.peer
        if peer is not None:
            meaning = "Time since the other core's health was heard last."
            yield self._gauge("peer_silence_seconds", meaning, peer.age_seconds)

    def _failed_checks(self) -> Metric:
        meaning = "1 for each kind of reason why this core cannot answer; 0 for what is well."
        family = GaugeMetricFamily(f"{PREFIX}_check_failed", meaning, labels=["check"])
        for check in self._unit.verdict.checks:
            family.add_metric([check.name], not check.ok)
        return family

    def _gauge(self, name: str, meaning: str, value: float) -> Metric:
        return GaugeMetricFamily(f"{PREFIX}_{name}", meaning, value=value)
