"""How the health unit looks at its core: processes, gateway, models and disk.

Each look has its own rhythm and leaves a check behind; none waits for another, so that a model
server that hangs does not keep the process table from being read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from heyken_glue import errors
from heyken_glue.adapters.ollama.client import OllamaClient
from heyken_glue.adapters.processes import ProcessTable
from heyken_glue.domain import checks, progress
from heyken_glue.domain.checks import Check, Probe, Silence
from heyken_glue.domain.progress import Pulse, Stall, Work
from heyken_glue.runtime import http
from heyken_glue.runtime.clock import Clock
from heyken_glue.settings import Health, Ollama

GATEWAY_UNIT = "heyken@gateway.service"
LOAD_TIMEOUT_SECONDS = 0.3
_MIB = 1 << 20
_ORDER = ("process", "gateway", "models", "disk", "memory", "probe", "progress")


@dataclass
class Findings:
    """What is known of this core; the prober adds to it."""

    probe: Probe = field(default_factory=Probe)
    pulse: Pulse = field(default_factory=Pulse)
    stall: Stall = field(default_factory=Stall)
    # None while the gateway is silent; then `known` is what it said last
    work: Work | None = None
    known: Work | None = None
    # answers that this core is making, whoever reads them; None while nothing is known
    answers: int | None = None
    work_at: float = float("-inf")
    # requests of our own, for there is one at most
    asking: bool = False
    # when text came out last, and when somebody else than we had asked for it
    produced_at: float = float("-inf")
    talked_at: float = float("-inf")
    # how often it looked like a hang for a while, and how often it was taken for one
    suspicions: int = 0
    hangs: int = 0
    suspected: bool = False
    # somebody waited in vain; the model may be slow or may go round in circles
    doubted: bool = False
    # names and digests, as Ollama told them last
    models: Mapping[str, str] = field(default_factory=dict)

    @property
    def busy(self) -> bool:
        """Tell whether the model server has been asked for something now."""
        return self.asking or (self.work is not None and self.work.running > 0)

    def suspect(self, suspected: bool) -> None:
        """Note whether it looks like a hang now."""
        self.suspicions += suspected and not self.suspected
        self.suspected = suspected

    def take(self, stall: Stall) -> None:
        """Note how long the model server did nothing."""
        self.hangs += stall.stalled and not self.stall.stalled
        self.stall = stall


class Looker:
    """Looks, and keeps the newest check of each kind."""

    def __init__(
        self,
        *,
        health: Health,
        ollama: Ollama,
        client: OllamaClient,
        processes: ProcessTable,
        gateway: aiohttp.ClientSession,
        disks: Sequence[Path],
        clock: Clock,
    ) -> None:
        self._health, self._ollama, self._client = health, ollama, client
        self._processes, self._gateway, self._disks = processes, gateway, tuple(disks)
        self._clock = clock
        self._checks: dict[str, Check] = {}
        self._gateway_silence = self._models_silence = Silence()
        self._gateway_pulse = Pulse()
        self._produced = False
        self.findings = Findings()

    @property
    def checks(self) -> tuple[Check, ...]:
        """The newest check of each kind; empty until every kind was looked at."""
        if any(name not in self._checks for name in _ORDER):
            return ()
        return tuple(self._checks[name] for name in _ORDER)

    @property
    def interval_seconds(self) -> float:
        """Time until the next look: twice as often while somebody waits for an answer."""
        seconds = self._health.interval_seconds
        return seconds / 2 if self.findings.busy else seconds

    @property
    def gateway_interval_seconds(self) -> float:
        """Time until the gateway is asked again: twice as often while it looks like a hang.

        The process table is cheaper to read, and shows life where there is any.
        """
        seconds = self._health.interval_seconds
        return seconds / 2 if self.findings.suspected else seconds

    def keep(self, check: Check) -> None:
        """Replace the check of this kind."""
        self._checks[check.name] = check

    def suppose(self, check: Check) -> None:
        """Take this for true while nothing else is known: a verdict needs every kind."""
        self._checks.setdefault(check.name, check)

    def look_at_processes(self) -> None:
        """Read the process table, and judge whether the model server gets on."""
        found, unit, now = self.findings, self._ollama.unit, self._clock.monotonic()
        processes = self._processes.of_unit(unit)
        found.pulse = found.pulse.after(processes, now=now)
        # a first thread that sleeps says little, but asking all of them is only worth it in doubt
        suspects = self._is_in_doubt(now)
        if suspects and self._processes.some_thread_is_alive(processes):
            found.pulse, suspects = found.pulse.moved(now=now), False
        found.suspect(suspects)
        stall = found.stall.after(
            now=now,
            asked_at=(now if found.asking else found.work_at) if found.busy else None,
            moved=found.pulse.moved_at >= now,
            produced=self._produced,
            limit_seconds=self._health.stall_seconds,
        )
        found.take(stall)
        self._produced = False
        self.keep(checks.check_processes(unit, processes))
        self.keep(progress.check_progress(found.stall))

    async def look_at_gateway(self) -> None:
        """Ask the gateway what it asks of the model, and what came of it."""
        error, draining, asked_at = None, False, self._clock.monotonic()
        try:
            body = await http.request_json(
                self._gateway, "GET", "/load", timeout_seconds=LOAD_TIMEOUT_SECONDS
            )
        except errors.HeykenError as failure:
            error = failure.tried
            # it may have begun something meanwhile or given it up: nothing is known
            self.findings.work = self.findings.answers = None
        else:
            self.findings.work_at = asked_at
            self._take_work(progress.parse_work(body))
            draining = body.get("draining") is True
            answers = body.get("answers")
            self.findings.answers = answers if isinstance(answers, int) else None
        self._judge_gateway(error, draining=draining)

    async def look_at_models(self) -> None:
        """Ask which models are there, and how much disk is left."""
        expected = {model.name: model.digest for model in self._ollama.models}
        asked_at = self._clock.monotonic()
        found: dict[str, str] | str
        try:
            stored = await self._client.stored_models(
                timeout_seconds=self._health.probe_timeout_seconds
            )
        except errors.HeykenError as error:
            found = error.tried
            late = self.findings.pulse.moved_at > asked_at
            self._models_silence = self._models_silence.after(found, excused=late)
        else:
            found = {model.name: model.digest for model in stored}
            self._models_silence, self.findings.models = Silence(), found
        if (
            not isinstance(found, str)
            or self._models_silence.counts
            or "models" not in self._checks
        ):
            self.keep(checks.check_models(expected, found))
        free = {str(disk): _free_mib(disk) for disk in self._disks}
        self.keep(checks.check_disk(free, least_mib=self._health.disk_free_mib_min))

    def prove(self, error: str | None) -> None:
        """Take note that the model answered somebody, or failed to."""
        self.findings.doubted = False
        if error is None:
            self.findings.produced_at = self._clock.monotonic()
            self._produced = True
        self.findings.probe = self.findings.probe.after(error)
        self.keep(checks.check_probe(self.findings.probe))

    def _is_in_doubt(self, now: float) -> bool:
        """Tell whether the model server has shown no life for half the time that it may."""
        since = self.findings.stall.since
        if not self.findings.busy or since is None or self.findings.pulse.moved_at >= now:
            return False
        return now - since >= self._health.stall_seconds / 2

    def _take_work(self, work: Work | None) -> None:
        found, now = self.findings, self._clock.monotonic()
        found.work, former = work, found.known
        if work is None:
            return
        found.known = work
        made = work.made_something_since(former)
        if made or work.running > 0:
            found.talked_at = now
        for _ in range(min(work.failures_since(former), checks.SUSPICIONS_MAX)):
            self.prove("an answer failed")
        if made:
            self.prove(None)
        elif work.was_silent_since(former):
            found.doubted = True

    def _judge_gateway(self, error: str | None, *, draining: bool) -> None:
        now = self._clock.monotonic()
        processes = self._processes.of_unit(GATEWAY_UNIT) if error is not None else ()
        self._gateway_pulse = self._gateway_pulse.after(processes, now=now)
        late = error is not None and self._gateway_pulse.moved_at >= now
        self._gateway_silence = self._gateway_silence.after(error, excused=late)
        silence = self._gateway_silence
        self.keep(checks.check_gateway(GATEWAY_UNIT, silence, processes, draining=draining))


def _free_mib(disk: Path) -> int | str:
    try:
        state = os.statvfs(disk)
    except OSError as error:
        return str(error.strerror)
    return state.f_bavail * state.f_frsize // _MIB
