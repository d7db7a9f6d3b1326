"""Modes: how the stand-in misbehaves on demand, so that clients can be tested against it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.standins.rocketchat.errors import Shapes

CHOICES: Mapping[str, tuple[str, ...]] = {
    "error_shapes": ("", *Shapes),
    "second_factor": ("settings", "always", "never"),
    "rate_limit": ("settings", "off", "everybody"),
}


class ModeError(ValueError):
    """A mode has no such name or value."""


@dataclass(frozen=True, kw_only=True)
class Modes:
    """All modes; each works at once, and each can be set in the environment as STANDIN_<NAME>.

    - version: what the server says it is.
    - error_shapes: 8 or 9; empty means by the version.
    - restricted_workspace: writing is refused as in a workspace without licence and registration.
    - second_factor: as the settings say, for every sensitive call (new users as well), or never.
    - rate_limit: as the settings say, off, or for everybody (even admins and bots).
    - rate_limit_calls, rate_limit_seconds: instead of the settings' numbers; 0 leaves them.
    - delay_seconds: every REST answer and method result comes this much later.
    - repeat_emissions: every realtime message event is sent this many times more.
    - mute_sockets: sockets stay open and nothing is read, answered or sent any more.
    - refuse_sockets: new sockets are refused with 503.
    - fail_requests: the next so many REST calls are refused with 503 and have no effect.
    - lose_answers: the next so many REST writes have their effect, and the connection is cut.
    """

    version: str = "8.8.1"
    error_shapes: str = ""
    restricted_workspace: bool = False
    second_factor: str = "settings"
    rate_limit: str = "settings"
    rate_limit_calls: int = 0
    rate_limit_seconds: float = 0
    delay_seconds: float = 0
    repeat_emissions: int = 0
    mute_sockets: bool = False
    refuse_sockets: bool = False
    fail_requests: int = 0
    lose_answers: int = 0

    @property
    def shapes(self) -> Shapes:
        """The error shapes that are spoken."""
        if self.error_shapes:
            return Shapes(self.error_shapes)
        major = self.version.split(".")[0]
        return Shapes.V8 if major.isdecimal() and int(major) <= int(Shapes.V8) else Shapes.V9

    def changed(self, wanted: Mapping[str, object]) -> Modes:
        """Return these modes with some changed; raises ModeError for what is no mode."""
        known = {field.name: field.default for field in dataclasses.fields(self)}
        values: dict[str, Any] = {}
        for name, value in wanted.items():
            if name not in known:
                raise ModeError(f"there is no mode {name!r}; known: {', '.join(sorted(known))}")
            values[name] = _checked(name, value, like=known[name])
        return dataclasses.replace(self, **values)

    def as_document(self) -> dict[str, object]:
        """Return the modes as JSON."""
        return dataclasses.asdict(self) | {"error_shapes": self.shapes.value}


def from_environment(environment: Mapping[str, str]) -> Modes:
    """Read STANDIN_<NAME>; raises ModeError for values that make no sense."""
    wanted: dict[str, object] = {}
    for field in dataclasses.fields(Modes):
        text = environment.get(f"STANDIN_{field.name.upper()}")
        if text is not None:
            wanted[field.name] = _parsed(field.name, text, like=field.default)
    return Modes().changed(wanted)


def _checked(name: str, value: object, *, like: object) -> object:
    choices = CHOICES.get(name)
    if choices is not None and value not in choices:
        raise ModeError(f"{name} is {value!r}; allowed: {', '.join(choices)}")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(like, float) and number:
        fits = True
    elif isinstance(like, bool) or isinstance(value, bool):
        fits = isinstance(like, bool) and isinstance(value, bool)
    else:
        fits = isinstance(value, type(like)) or (name.endswith("_seconds") and number)
    if not fits or (isinstance(value, int | float) and value < 0):
        raise ModeError(f"{name} is {value!r}; it is something like {like!r}")
    return value


def _parsed(name: str, text: str, *, like: object) -> object:
    if isinstance(like, bool):
        if text.lower() not in {"true", "false"}:
            raise ModeError(f"STANDIN_{name.upper()} is {text!r}; allowed: true, false")
        return text.lower() == "true"
    if isinstance(like, int | float):
        try:
            return float(text) if "." in text else int(text)
        except ValueError:
            raise ModeError(f"STANDIN_{name.upper()} is {text!r}, which is no number") from None
    return text
