"""What was seen on a core, judged one check at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from heyken_glue.domain.sentences import Sentence, say

# One lost probe may be a machine that swaps; two in a row are a model that does not answer.
PROBE_FAILURES_MAX = 2
_SHOWN = 12
_NOT_RUNNING = frozenset({"T", "t"})
_GONE = frozenset({"Z", "X", "x"})


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: Sentence


@dataclass(frozen=True)
class Process:
    """A process: its state is the letter that the kernel shows (R, S, D, T, Z, …)."""

    pid: int
    command: str
    state: str


def check_processes(unit: str, processes: tuple[Process, ...]) -> Check:
    """Fail at once when the unit has no living process or one that was stopped.

    State D (waiting for the disk) is no failure: a machine that swaps shows it too.
    """
    living = [process for process in processes if process.state not in _GONE]
    if not living:
        return Check("process", False, say("process_none", unit=unit))
    for process in living:
        if process.state in _NOT_RUNNING:
            detail = say(
                "process_stopped",
                pid=process.pid,
                command=process.command,
                unit=unit,
                state=process.state,
            )
            return Check("process", False, detail)
    return Check("process", True, say("process_ok", unit=unit))


def check_models(expected: Mapping[str, str], found: Mapping[str, str] | str) -> Check:
    """Compare names and digests; `found` is an error text where Ollama did not answer."""
    if isinstance(found, str):
        return Check("models", False, say("models_silent", error=found))
    stored = {_with_tag(name): digest for name, digest in found.items()}
    for model, digest in expected.items():
        actual = stored.get(_with_tag(model))
        if actual is None:
            return Check("models", False, say("model_missing", model=model))
        if actual != digest:
            detail = say(
                "model_wrong", model=model, found=actual[:_SHOWN], expected=digest[:_SHOWN]
            )
            return Check("models", False, detail)
    return Check("models", True, say("models_ok"))


def check_disk(free_mib: int | str, *, least_mib: int) -> Check:
    """Compare the free space with what is needed; `free_mib` is an error text if unknown."""
    if isinstance(free_mib, str):
        return Check("disk", False, say("disk_unreadable", error=free_mib))
    if free_mib < least_mib:
        return Check("disk", False, say("disk_full", free=free_mib, least=least_mib))
    return Check("disk", True, say("disk_ok", free=free_mib))


@dataclass(frozen=True)
class Probe:
    """What one-token generations showed; `failures` counts those in a row."""

    answered: bool = False
    failures: int = 0
    error: str = ""

    def after(self, error: str | None) -> Probe:
        """Return the state after one more probe; None means that it was answered."""
        if error is None:
            return Probe(answered=True)
        return Probe(answered=self.answered, failures=self.failures + 1, error=error)


def check_probe(probe: Probe) -> Check:
    """Fail when the model stayed silent repeatedly, or has never been asked with success."""
    if probe.failures >= PROBE_FAILURES_MAX:
        detail = say("probe_failed", times=probe.failures, error=probe.error)
        return Check("probe", False, detail)
    if not probe.answered:
        return Check("probe", False, say("probe_waits"))
    return Check("probe", True, say("probe_ok"))


def _with_tag(name: str) -> str:
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
