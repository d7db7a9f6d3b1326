"""Asking the model something of our own: seldom, one request at a time, and with patience.

Real answers are the better evidence, so nothing is asked while they come. A request without a
prompt goes through the server to the model's process, loads the model where it is not in memory,
and costs no conversation its place in the cache; a token is asked for only where nobody has talked
of late, or where something is in doubt.

Patience is not counted by the clock on the wall: a machine that swaps or is shared is slow. A
request failed when the server used its time of the processor up without a token, or did nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Coroutine
from typing import Any

from heyken_glue import errors
from heyken_glue.adapters.ollama.client import OllamaClient
from heyken_glue.domain import checks
from heyken_glue.domain.checks import Probe
from heyken_glue.runtime import http
from heyken_glue.runtime.clock import Clock
from heyken_glue.services.health_looks import Looker
from heyken_glue.settings import Health, Ollama

# a model that is in memory answers faster than this, even on a slow machine
AT_ONCE_SECONDS = 0.3
# a question that was given up is read on to the end of its batch, so long at most
BATCH_SECONDS = 10.0


class Prober:
    """Keeps the model in memory, and finds out whether it answers where nobody else does."""

    def __init__(
        self,
        *,
        health: Health,
        ollama: Ollama,
        client: OllamaClient,
        looker: Looker,
        clock: Clock,
        roll: Callable[[float, float], float] = random.uniform,
        processors: int | None = None,
    ) -> None:
        self._health, self._client, self._looker = health, client, looker
        self._model, self._clock, self._roll = ollama.general_model, clock, roll
        self._processors = processors or len(os.sched_getaffinity(0))
        self._ended = float("-inf")
        self._pause = 0.0
        self._lost = self._starts = self._tries = 0

    async def step(self) -> None:
        """Ask if it is time to; called again and again."""
        if not self._is_due():
            return
        found = self._looker.findings
        found.asking = True
        if found.pulse.starts != self._starts:
            # whatever was tried before, it was tried on another one
            self._starts, self._tries = found.pulse.starts, 0
        try:
            await self._ask()
        except errors.HeykenError as failure:
            self._tries += 1
            # a server that never answered says nothing of what it has in memory
            self._looker.suppose(checks.check_memory(self._model, loaded=False))
            self._looker.prove(failure.tried)
        else:
            self._tries = 0
            self._looker.prove(None)
        finally:
            found.asking = False
            self._ended, self._pause = self._clock.monotonic(), self._next_pause()

    def _is_due(self) -> bool:
        found, now = self._looker.findings, self._clock.monotonic()
        if found.pulse.starts != self._starts:
            return True
        # a model that cannot be loaded loses its process at each try
        if found.pulse.lost != self._lost and not self._tries:
            return True
        if self._is_in_doubt():
            return now - self._ended >= self._pause
        if found.busy:
            return False
        return now - max(self._ended, found.produced_at) >= self._health.probe_interval_seconds

    def _is_in_doubt(self) -> bool:
        found = self._looker.findings
        if found.doubted:
            return True
        return not found.probe.answered or found.probe.failures > 0 or found.stall.stalled

    def _works_for_others(self) -> bool:
        found = self._looker.findings
        if found.work is not None and found.work.running > 0:
            return True
        return self._clock.monotonic() - found.talked_at < BATCH_SECONDS

    def _next_pause(self) -> float:
        """Return the pause while in doubt: soon again, then less and less often.

        What fails is work for nothing. Two cores on one busy machine that kept asking every second,
        in step, would keep each other too slow to answer for ever: hence the jitter.
        """
        patience = http.RetryPolicy(
            base_seconds=self._health.model_interval_seconds,
            cap_seconds=self._health.probe_interval_seconds,
        )
        return patience.delay(max(1, self._tries), roll=self._roll(0.5, 1.0))

    async def _ask(self) -> None:
        found, in_doubt = self._looker.findings, self._is_in_doubt()
        lost, self._lost = self._lost, found.pulse.lost
        loaded = await self._client.loaded_models(
            timeout_seconds=self._health.probe_patience_seconds
        )
        listed = any(checks.same_model(model.name, self._model) for model in loaded)
        if not listed:
            found.probe = Probe()
            self._looker.keep(checks.check_probe(found.probe))
        await self._load(listed=listed)
        is_fresh = not listed or lost != found.pulse.lost
        talked = self._clock.monotonic() - found.talked_at
        if is_fresh or in_doubt or talked >= self._health.conversation_seconds:
            await self._ask_for_a_token()

    async def _load(self, *, listed: bool) -> None:
        """Have the model in memory, however long that takes, and say so meanwhile."""
        found, began = self._looker.findings, self._clock.monotonic()
        lost = found.pulse.lost
        request = self._client.load(self._model, timeout_seconds=self._health.load_timeout_seconds)
        if not listed:
            self._looker.keep(checks.check_memory(self._model, loaded=False))

        def watch() -> None:
            # listed, but its process went: Ollama is loading it anew
            if not listed or found.pulse.lost != lost:
                seconds = self._clock.monotonic() - began
                self._looker.keep(
                    checks.check_memory(self._model, loaded=False, loading_seconds=seconds)
                )

        await _watched(request, watch)
        self._looker.keep(checks.check_memory(self._model, loaded=True))

    async def _ask_for_a_token(self) -> None:
        found, began = self._looker.findings, self._clock.monotonic()
        before = found.pulse.cpu_seconds
        budget = self._health.probe_timeout_seconds * self._processors

        def watch() -> None:
            nonlocal before
            if found.produced_at > began:
                raise _AnsweredOthersError
            if found.stall.silent:
                raise errors.TransientError("the model server did nothing")
            if self._works_for_others():
                before = found.pulse.cpu_seconds
            if found.pulse.cpu_seconds - before > budget:
                raise errors.TransientError(f"no token within {budget:g} s of processor time")

        request = self._client.generate_one_token(
            self._model, timeout_seconds=self._health.probe_patience_seconds
        )
        try:
            await _watched(request, watch)
        except _AnsweredOthersError:
            return


class _AnsweredOthersError(Exception):
    """Somebody's real answer came meanwhile, so there is nothing left to find out."""


async def _watched(request: Coroutine[Any, Any, None], watch: Callable[[], None]) -> None:
    """Wait for a request, and look now and then; what `watch` raises ends the request."""
    task = asyncio.ensure_future(request)
    try:
        while not (await asyncio.wait({task}, timeout=AT_ONCE_SECONDS))[0]:
            watch()
        task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})
