"""The event envelope: one shape for everything that happened, whichever unit saw it."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field


class Outcome(enum.StrEnum):
    """How the thing that an event tells about ended."""

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"


class Kind(enum.StrEnum):
    """Names of events; constants, so that they can be counted."""

    VERDICT_CHANGED = "verdict_changed"
    STEP_DOWN = "step_down"
    ROLE_CHANGED = "role_changed"
    VIP_TAKEN = "vip_taken"
    SWITCH_REQUESTED = "switch_requested"
    MESSAGE = "message"
    DRILL = "drill"


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened once.

    `actor` is who did it (a unit, an API token's name), `subject` what it was done to, `cause` why.
    `time` is in seconds since 1970. `payload` holds what only this kind has, as JSON values.
    """

    id: str
    time: float
    host: str
    actor: str
    kind: str
    subject: str
    cause: str
    outcome: Outcome = Outcome.OK
    payload: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("id", "host", "actor", "kind", "subject"):
            if not getattr(self, name):
                raise ValueError(f"an event needs {name}")

    def to_line(self) -> str:
        """Return the event as one line of JSON, without its line end."""
        # not by `asdict`: its deep copy took longer than everything else about an event
        fields = {**self.__dict__, "payload": dict(self.payload)}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_line(cls, line: str) -> Event:
        """Read back what `to_line` wrote; ValueError when it is something else."""
        try:
            fields = json.loads(line)
            return cls(**{**fields, "outcome": Outcome(fields["outcome"])})
        except (TypeError, KeyError) as error:
            raise ValueError(f"no event: {error}") from error
