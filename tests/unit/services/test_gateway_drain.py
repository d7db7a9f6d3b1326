"""Waiting for the last answers is no hang."""

from __future__ import annotations

import asyncio
import time

import pytest

from heyken_glue.gateway.admission import Admission
from heyken_glue.gateway.metrics import Metrics
from heyken_glue.gateway.queueing import FairQueue, QueueLimits
from heyken_glue.runtime import daemon
from heyken_glue.runtime.clock import SystemClock
from heyken_glue.services import gateway

PATIENCE_SECONDS = 10.0


async def test_the_watchdog_is_fed_while_answers_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "BEAT_SECONDS", 0.01)
    beats, fed = 0, asyncio.Event()

    class CountingHeart(daemon.Heart):
        def beat(self) -> None:
            nonlocal beats
            beats += 1
            if beats == 3:
                fed.set()

    metrics = Metrics()
    limits = QueueLimits(1, 1, length=1, length_per_owner=1, wait_seconds=9)
    queue = FairQueue(limits, clock=time.monotonic, metrics=metrics)
    heart = CountingHeart(4.0, SystemClock())
    async with queue.turn("operator"):
        draining = asyncio.create_task(
            gateway.drain(Admission(queue, metrics), heart, seconds=PATIENCE_SECONDS)
        )
        await asyncio.wait_for(fed.wait(), PATIENCE_SECONDS)
    await asyncio.wait_for(draining, PATIENCE_SECONDS)
