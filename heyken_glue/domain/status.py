"""What people are told about the pair, built from values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from heyken_glue.domain.parity import Parity
from heyken_glue.domain.sentences import NOTHING, Sentence, join, say
from heyken_glue.domain.switching import INELIGIBLE, Cause, Vrrp


class CoreHealth(enum.StrEnum):
    """The state of a core; `error` means that its health unit does not answer."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    ERROR = "error"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class CoreView:
    """One core, as the answering core knows it; `last_check` is 0 if it was never heard.

    `answers` is the number of those that it is making, None where that is not known;
    `stepped_down`: it hands the address over or just did, and comes back by itself.
    """

    core_id: int
    name: str
    health: CoreHealth
    last_check: float
    sentence: Sentence
    vrrp: Vrrp
    answers: int | None = None
    stepped_down: bool = False


@dataclass(frozen=True)
class Holder:
    """Who holds the address since when and why; `epoch` is None while etcd is away."""

    core_id: int
    since: float
    cause: Cause
    reason: Sentence = NOTHING
    requested_by: str = ""
    epoch: int | None = None


@dataclass(frozen=True)
class Chat:
    """Whether the answering core's assistant is connected to the chat server, and why not."""

    connected: bool
    reason: Sentence = NOTHING


@dataclass(frozen=True)
class Effects:
    """Which core may do more than answer (mail, functions, repairs), None and why not if none."""

    core_id: int | None
    reason: Sentence = NOTHING


class Proven(Protocol):
    """What is known of how well the system survives a fault."""

    def why_not(self) -> Sentence | None:
        """Return why nothing is proven now, or None."""
        ...

    def to_body(self, language: str) -> dict[str, Any]:
        """Return what `/status` says of it."""
        ...


@dataclass(frozen=True)
class Pair:
    """Everything that `/status` is built from."""

    deployment: str
    environment: str
    stand_ins: tuple[str, ...]
    version: str
    vip: str
    cores: tuple[CoreView, ...]
    holder: Holder | None
    witness_reachable: bool
    dropped_events: int
    chat: Chat | None = None
    effects: Effects = Effects(None)
    parity: Parity | None = None
    proof: Proven | None = None


def active_core(cores: tuple[CoreView, ...]) -> int | None:
    """Return the core that announces the address, if it is exactly one."""
    masters = [core.core_id for core in cores if core.vrrp is Vrrp.MASTER]
    return masters[0] if len(masters) == 1 else None


def overall(pair: Pair) -> str:
    """Say `online`, `degraded` (answers, but something is not well) or `offline` (no answers)."""
    active = active_core(pair.cores)
    healthy = {core.core_id for core in pair.cores if core.health is CoreHealth.HEALTHY}
    if active is None or active not in healthy:
        return "offline"
    proven = pair.proof is None or pair.proof.why_not() is None
    return "online" if proven and not problems(pair) else "degraded"


def problems(pair: Pair) -> tuple[Sentence, ...]:
    """Say of everything that is not well why; what was proven lately does not count."""
    found = [core.sentence for core in pair.cores if core.health is not CoreHealth.HEALTHY]
    if active_core(pair.cores) is None:
        found.append(say("nobody_known"))
    found += [
        say("ineligible", core=core.name)
        for core in pair.cores
        if core.health is CoreHealth.HEALTHY and core.vrrp in INELIGIBLE and not core.stepped_down
    ]
    if not pair.witness_reachable:
        found.append(say("witness_away"))
    if pair.chat is not None and not pair.chat.connected:
        found.append(say("chat_away", why=pair.chat.reason))
    if pair.parity is not None and not pair.parity.is_equal:
        found += [say("parity_apart", percent=pair.parity.percent), *pair.parity.differences]
    return tuple(found)


def why_not_whole(pair: Pair) -> Sentence | None:
    """Return in one sentence what is not well now, or None if nothing is."""
    found = problems(pair)
    return join(list(found)) if found else None


def status_body(pair: Pair, *, language: str) -> dict[str, Any]:
    """Return the JSON that `/status` answers."""
    active = active_core(pair.cores)
    # what is recorded about another holder than the one seen now is history, not the reason
    holder = pair.holder if pair.holder is not None and pair.holder.core_id == active else None
    reason = holder.reason if holder is not None else NOTHING
    if active is None:
        reason = say("nobody_known")
    return {
        "status": overall(pair),
        "whole": why_not_whole(pair) is None,
        "active_core": active,
        "rocketchat_connected": pair.chat is not None and pair.chat.connected,
        "rocketchat": {"part": pair.chat is not None, "reason": _chat_reason(pair, language)},
        "holder": next((core.name for core in pair.cores if core.core_id == active), None),
        "since": holder.since if holder is not None else None,
        "reason": reason.in_language(language),
        "cause": (holder.cause if holder is not None else Cause.UNKNOWN).value,
        "epoch": holder.epoch if holder is not None else None,
        "problems": [problem.in_language(language) for problem in problems(pair)],
        "effects": _effects(pair.effects, language),
        "vip": pair.vip,
        "deployment": {
            "name": pair.deployment,
            "environment": pair.environment,
            "stand_ins": list(pair.stand_ins),
        },
        "version": pair.version,
        "witness": {"reachable": pair.witness_reachable},
        "parity": pair.parity.to_body(language) if pair.parity is not None else None,
        "proof": pair.proof.to_body(language) if pair.proof is not None else None,
        "cores": {str(core.core_id): _core_body(core, language) for core in pair.cores},
        "dropped_events": pair.dropped_events,
    }


def _core_body(core: CoreView, language: str) -> dict[str, Any]:
    return {
        "name": core.name,
        "status": core.health.value,
        "last_check": core.last_check,
        "sentence": core.sentence.in_language(language),
        "vrrp": core.vrrp.value,
        "answers": core.answers,
    }


def _effects(effects: Effects, language: str) -> dict[str, Any]:
    reason = effects.reason.in_language(language)
    return {"allowed": effects.core_id is not None, "core": effects.core_id, "reason": reason}


def _chat_reason(pair: Pair, language: str) -> str:
    return pair.chat.reason.in_language(language) if pair.chat is not None else ""


def system_status(cores: tuple[CoreView, ...]) -> Mapping[str, Any]:
    """Return the content of `system_status.json`."""
    return {
        "active_core": active_core(cores),
        "cores": {str(core.core_id): _core_entry(core) for core in cores},
    }


def _core_entry(core: CoreView) -> dict[str, Any]:
    entry: dict[str, Any] = {"status": core.health.value, "last_check": core.last_check}
    if core.health is not CoreHealth.HEALTHY:
        entry["error"] = core.sentence.en
    return entry
