"""Joining everything that the health unit looks with."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from heyken_glue.adapters.ollama.client import OllamaClient
from heyken_glue.adapters.processes import ProcessTable
from heyken_glue.runtime import http
from heyken_glue.runtime.clock import Clock
from heyken_glue.services.health_facts import FactFinder
from heyken_glue.services.health_looks import LOAD_TIMEOUT_SECONDS, Looker
from heyken_glue.services.health_probe import Prober
from heyken_glue.settings import Settings, section

ROOT = Path("/")


@dataclass(frozen=True)
class Eyes:
    """What looks, what asks, and what finds out what this core is made of."""

    looker: Looker
    prober: Prober
    facts: FactFinder


async def eyes_of(
    settings: Settings,
    clock: Clock,
    stack: contextlib.AsyncExitStack,
    *,
    processes: ProcessTable | None = None,
) -> Eyes:
    """Open the connections to Ollama and to this core's gateway; `stack` closes them."""
    health, ollama = section(settings.health, "[health]"), section(settings.ollama, "[ollama]")
    table = processes or ProcessTable()
    stack.callback(table.close)
    to_ollama = await stack.enter_async_context(
        http.session(total_seconds=health.load_timeout_seconds)
    )
    socket = settings.paths.runtime_directory / "gateway" / "http.sock"
    to_gateway = await stack.enter_async_context(
        http.unix_session(socket, total_seconds=LOAD_TIMEOUT_SECONDS)
    )
    client = OllamaClient(to_ollama, ollama.url)
    looker = Looker(
        health=health,
        ollama=ollama,
        client=client,
        processes=table,
        gateway=to_gateway,
        # ours may be a disk of its own; etcd, the models and the system's log lie on the other
        disks=(settings.paths.state_directory, ROOT),
        clock=clock,
    )
    prober = Prober(health=health, ollama=ollama, client=client, looker=looker, clock=clock)
    return Eyes(looker, prober, FactFinder(settings, client=client, findings=looker.findings))
