"""How the health unit looks at its core: processes, models, disk and now and then a token.

Each look has its own rhythm and leaves a check behind; none waits for another, so that a model
server that hangs does not keep the process table from being read.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

from heyken_glue import errors
from heyken_glue.adapters.ollama.client import OllamaClient
from heyken_glue.adapters.processes import ProcessTable
from heyken_glue.domain import checks
from heyken_glue.domain.checks import Check, Probe
from heyken_glue.runtime import http
from heyken_glue.settings import Health, Ollama

LOAD_TIMEOUT_SECONDS = 0.3
_MIB = 1 << 20
_ORDER = ("process", "models", "disk", "probe")


class Looker:
    """Looks, and keeps the newest check of each kind."""

    def __init__(
        self,
        *,
        health: Health,
        ollama: Ollama,
        client: OllamaClient,
        processes: ProcessTable,
        gateway_socket: Path,
        disk: Path,
        roll: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._health, self._ollama, self._client = health, ollama, client
        self._processes, self._gateway_socket, self._disk = processes, gateway_socket, disk
        self._roll = roll
        self._checks: dict[str, Check] = {}
        self._probe = Probe()

    @property
    def checks(self) -> tuple[Check, ...]:
        """The newest check of each kind; empty until every kind was looked at."""
        if any(name not in self._checks for name in _ORDER):
            return ()
        return tuple(self._checks[name] for name in _ORDER)

    @property
    def pause_seconds(self) -> float:
        """Time until the next probe: a silent model is asked again soon, then less and less often.

        Probes that time out are work for nothing. Two cores on one busy machine that kept asking
        every second, in step, would keep each other too slow to answer for ever: hence the jitter.
        """
        if self._probe.answered and not self._probe.failures:
            return self._health.probe_interval_seconds
        patience = http.RetryPolicy(
            base_seconds=self._health.model_interval_seconds,
            cap_seconds=self._health.probe_interval_seconds,
        )
        return patience.delay(max(1, self._probe.failures), roll=self._roll(0.5, 1.0))

    def look_at_processes(self) -> None:
        """Read the process table."""
        unit = self._ollama.unit
        self._keep(checks.check_processes(unit, self._processes.of_unit(unit)))

    async def look_at_models(self) -> None:
        """Ask which models are there, and how much disk is left."""
        expected = {model.name: model.digest for model in self._ollama.models}
        found: dict[str, str] | str
        try:
            stored = await self._client.stored_models(
                timeout_seconds=self._health.probe_timeout_seconds
            )
            found = {model.name: model.digest for model in stored}
        except errors.HeykenError as error:
            found = error.tried
        self._keep(checks.check_models(expected, found))
        self._keep(checks.check_disk(self._free_mib(), least_mib=self._health.disk_free_mib_min))

    async def probe(self) -> None:
        """Ask the model for one token, unless it is busy with somebody's question."""
        if self._probe.answered and not self._probe.failures and await self._is_busy():
            return
        error = None
        try:
            await self._client.generate_one_token(
                self._ollama.general_model, timeout_seconds=self._health.probe_timeout_seconds
            )
        except errors.HeykenError as failure:
            error = failure.tried
        self._probe = self._probe.after(error)
        self._keep(checks.check_probe(self._probe))

    def _keep(self, check: Check) -> None:
        self._checks[check.name] = check

    def _free_mib(self) -> int | str:
        try:
            state = os.statvfs(self._disk)
        except OSError as error:
            return str(error.strerror)
        return state.f_bavail * state.f_frsize // _MIB

    async def _is_busy(self) -> bool:
        """Ask the gateway; a gateway that is away has no questions either."""
        try:
            async with http.unix_session(
                self._gateway_socket, total_seconds=LOAD_TIMEOUT_SECONDS
            ) as session:
                load = await http.request_json(session, "GET", "/load")
        except errors.HeykenError:
            return False
        answers = load.get("answers", 0)
        return isinstance(answers, int) and answers > 0
