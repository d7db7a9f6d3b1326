"""The faults of the long series: each breaks one thing on a random core, and undoes it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from lab.faults import Host, clock, disk, hosts, models, network, units

HOUR = 3600
SLOW = (0.1, 0.4)  # of a processor
OWN_UNITS = ("gateway", "health", "core-manager", "assistant")
Context = contextlib.AbstractContextManager[object]


@dataclass(frozen=True)
class Parts:
    """The hosts of a lab: the core that is broken, the other one, and the witness."""

    victim: Host
    other: Host
    hub: Host


Kind = Callable[[Parts, random.Random], Context]


def _unit(roll: random.Random, *more: str) -> str:
    return roll.choice([f"heyken@{name}.service" for name in OWN_UNITS] + list(more))


def _lossy(parts: Parts, roll: random.Random) -> Context:
    return network.lossy(parts.victim, roll.choice([5, 10, 15]))


def _one_way(parts: Parts, roll: random.Random) -> Context:
    one, other = roll.sample([parts.victim, parts.other], 2)
    return network.Cut(one, deaf_to=[other])


def _partition(parts: Parts, roll: random.Random) -> Context:
    one, other, hub = parts.victim, parts.other, parts.hub
    sides = [[one], [other, hub]], [[one], [other]], [[one], [other], [hub]], [[one, other], [hub]]
    return network.partition(*roll.choice(sides))


def _disk(parts: Parts, roll: random.Random) -> Context:
    unit, directory = roll.choice(
        [
            ("heyken@health.service", "/var/lib/heyken"),
            ("heyken@gateway.service", "/var/spool/heyken"),
            ("heyken@core-manager.service", "/var/spool/heyken"),
        ]
    )
    return disk.full(parts.victim, unit, directory)


def _clock(parts: Parts, roll: random.Random) -> Context:
    unit = _unit(roll, "keepalived.service")
    return clock.skewed(parts.victim, unit, roll.choice([-HOUR, HOUR]))


def _memory(parts: Parts, roll: random.Random) -> Context:
    unit = _unit(roll, "ollama.service", "redis-server.service")
    return units.out_of_memory(parts.victim, unit)


KINDS: dict[str, Kind] = {
    "core killed": lambda parts, _: hosts.killed(parts.victim),
    "core frozen": lambda parts, _: hosts.frozen(parts.victim),
    "core slow": lambda parts, roll: hosts.slow(parts.victim, roll.uniform(*SLOW)),
    "witness killed": lambda parts, _: hosts.killed(parts.hub),
    "unit stopped": lambda parts, roll: units.stopped(
        parts.victim, _unit(roll, "ollama.service", "keepalived.service")
    ),
    "unit hung": lambda parts, roll: units.hung(parts.victim, _unit(roll)),
    "unit killed": lambda parts, roll: units.killed(
        parts.victim, _unit(roll, "keepalived.service")
    ),
    "partition": _partition,
    "one-way cut": _one_way,
    "packets lost": _lossy,
    "disk full": _disk,
    "clock an hour off": _clock,
    "out of memory": _memory,
    "Redis killed": lambda parts, _: units.killed(parts.victim, "redis-server.service"),
    "etcd killed": lambda parts, _: units.killed(parts.victim, "etcd.service"),
    "Ollama killed": lambda parts, _: units.killed(parts.victim, "ollama.service"),
    "Ollama hung": lambda parts, _: units.hung(parts.victim, "ollama.service"),
    "model removed": lambda parts, _: models.removed(parts.victim),
}


def series(roll: random.Random, count: int) -> list[str]:
    """Return names of kinds, each as often as the others and in random order."""
    names: list[str] = []
    while len(names) < count:
        names += roll.sample(list(KINDS), len(KINDS))
    return names[:count]
