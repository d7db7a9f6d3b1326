"""What was seen on a core, judged one check at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from heyken_glue.domain.sentences import Sentence, say

# Uncertain evidence counts from the second time on: one lost probe may be a machine that swaps, two
# in a row are a model that does not answer. What is certain (stopped, gone, wrong) counts at once.
SUSPICIONS_MAX = 2
# a look at the gateway that a busy machine delayed is no evidence, but not for ever
EXCUSES_MAX = 10
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
    """A process: its state is the letter that the kernel shows (R, S, D, T, Z, …).

    `cpu_seconds` is the processor time of all its threads, `faults` the number of pages it had to
    wait for from the disk, `started` the kernel's moment of its start, which tells it apart from
    another process that had the same number before.
    """

    pid: int
    command: str
    state: str
    cpu_seconds: float = 0.0
    faults: int = 0
    started: int = 0

    @property
    def identity(self) -> tuple[int, int]:
        """What no other process of this host has, now or later."""
        return self.pid, self.started


def check_processes(unit: str, processes: tuple[Process, ...]) -> Check:
    """Fail at once when the unit has no living process or one that was stopped.

    State D (waiting for the disk) is no failure: a machine that swaps shows it too.
    """
    living = [process for process in processes if process.state not in _GONE]
    if not living:
        return Check("process", False, say("process_none", unit=unit))
    for process in living:
        if process.state in _NOT_RUNNING:
            return Check("process", False, _stopped(unit, process))
    return Check("process", True, say("process_ok", unit=unit))


@dataclass(frozen=True)
class Silence:
    """Requests to another part of this core that were not answered, in a row.

    `excused` are those during which its processes ran or waited for a processor.
    """

    looks: int = 0
    excused: int = 0
    error: str = ""

    def after(self, error: str | None, *, excused: bool = False) -> Silence:
        """Return the state after one more request; None means that it was answered."""
        if error is None:
            return Silence()
        if excused and self.excused < EXCUSES_MAX:
            return Silence(self.looks, self.excused + 1, error)
        return Silence(self.looks + 1, self.excused, error)

    @property
    def counts(self) -> bool:
        """Tell whether this is silence, and not a late answer."""
        return self.looks >= SUSPICIONS_MAX


def check_gateway(
    unit: str, silence: Silence, processes: tuple[Process, ...], *, draining: bool = False
) -> Check:
    """Fail when nobody new can be served here: the gateway was stopped, ends, or is silent."""
    if draining:
        return Check("gateway", False, say("gateway_drains"))
    if silence.error:
        stopped = [process for process in processes if process.state in _NOT_RUNNING]
        if stopped:
            return Check("gateway", False, _stopped(unit, stopped[0]))
        if silence.counts:
            return Check("gateway", False, say("gateway_silent", error=silence.error))
    return Check("gateway", True, say("gateway_ok"))


def check_memory(model: str, *, loaded: bool, loading_seconds: float | None = None) -> Check:
    """Fail while the model is not in memory; the time is how long it has been loading."""
    if loaded:
        return Check("memory", True, say("memory_ok", model=model))
    if loading_seconds is None:
        return Check("memory", False, say("memory_not", model=model))
    seconds = int(loading_seconds)
    return Check("memory", False, say("memory_loading", model=model, seconds=seconds))


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


def check_disk(free_mib: Mapping[str, int | str], *, least_mib: int) -> Check:
    """Compare the free space of each directory's disk with what is needed; a text is an error."""
    for disk, free in free_mib.items():
        if isinstance(free, str):
            return Check("disk", False, say("disk_unreadable", disk=disk, error=free))
        if free < least_mib:
            return Check("disk", False, say("disk_full", disk=disk, free=free, least=least_mib))
    least = min((free for free in free_mib.values() if isinstance(free, int)), default=0)
    return Check("disk", True, say("disk_ok", free=least))


@dataclass(frozen=True)
class Probe:
    """What one-token generations and real answers showed; `failures` counts those in a row."""

    answered: bool = False
    failures: int = 0
    error: str = ""

    def after(self, error: str | None) -> Probe:
        """Return the state after one more of them; None means that it was answered."""
        if error is None:
            return Probe(answered=True)
        return Probe(answered=self.answered, failures=self.failures + 1, error=error)


def check_probe(probe: Probe) -> Check:
    """Fail when the model stayed silent repeatedly, or has never been asked with success."""
    if probe.failures >= SUSPICIONS_MAX:
        detail = say("probe_failed", times=probe.failures, error=probe.error)
        return Check("probe", False, detail)
    if not probe.answered:
        return Check("probe", False, say("probe_waits"))
    return Check("probe", True, say("probe_ok"))


def _stopped(unit: str, process: Process) -> Sentence:
    return say(
        "process_stopped",
        pid=process.pid,
        command=process.command,
        unit=unit,
        state=process.state,
    )


def same_model(one: str, other: str) -> bool:
    """Tell whether two names mean the same model, with or without the tag that is the default."""
    return _with_tag(one) == _with_tag(other)


def _with_tag(name: str) -> str:
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
