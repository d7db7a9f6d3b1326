"""Secrets of a unit, read from the directory that systemd's `LoadCredential=` fills."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from heyken_glue import errors
from heyken_glue.settings import Digest, Name, Section

VARIABLE = "CREDENTIALS_DIRECTORY"
# What each unit is given; the contract test compares this with the units' drop-ins.
OF_UNIT: Mapping[str, tuple[str, ...]] = {
    "health": ("tls_key",),
    "core-manager": ("tls_key",),
    "gateway": ("tls_key", "api_tokens", "redis_password"),
    "assistant": ("tls_key", "rocketchat_token"),
}


Scope = Literal["chat", "status", "switch", "send", "metrics"]


class ApiToken(Section):
    """Who may call: the token itself is never stored, only its SHA-256 in hex.

    What is said of the rate and of answers at once holds instead of the gateway's settings. The
    token is good up to the end of the day `expires_on` in UTC.
    """

    name: Name
    sha256: Digest
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    requests_per_second_max: Annotated[float, Field(gt=0, le=1e6)] | None = None
    answers_max: Annotated[int, Field(ge=1)] | None = None
    expires_on: date | None = None


class ChatLogin(Section):
    """The assistant's account on the chat server: a personal access token."""

    user_id: Annotated[str, Field(min_length=1, max_length=64)]
    token: Annotated[str, Field(min_length=1, max_length=256, repr=False)]


T = TypeVar("T")


class Credentials:
    """Credentials of the running unit; every failure is a ConfigError (exit 78)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def of_unit(cls, unit: str, environ: Mapping[str, str] = os.environ) -> Credentials:
        """Check that everything `unit` needs is there and not empty, before anything starts."""
        if VARIABLE not in environ:
            raise errors.ConfigError(
                f"Unit {unit} got no credentials: ${VARIABLE} is not set",
                hint=f"Start it with `systemctl start heyken@{unit}`, which loads them",
            )
        credentials = cls(Path(environ[VARIABLE]))
        problems = tuple(
            problem
            for name in OF_UNIT.get(unit, ())
            if (problem := credentials._problem(name)) is not None
        )
        if problems:
            raise errors.ConfigError(
                f"Unit {unit} cannot use its credentials",
                against=str(credentials.directory),
                hint="Deploy again: role glue writes them. If the directory is empty in a"
                " container, /run has to be mounted with shared propagation",
                problems=problems,
            )
        return credentials

    def path(self, name: str) -> Path:
        """File of one credential, for libraries that read it themselves."""
        problem = self._problem(name)
        if problem is not None:
            raise errors.ConfigError(problem, against=str(self.directory))
        return self.directory / name

    def api_tokens(self) -> tuple[ApiToken, ...]:
        """Parse the list of callers."""
        hint = "Deploy again: role glue writes it from the vault"
        return self._parsed("api_tokens", TypeAdapter(tuple[ApiToken, ...]), hint)

    def redis_password(self) -> str:
        """Return the password for the cores' stores of answers in flight."""
        return self.path("redis_password").read_text(encoding="utf-8").strip()

    def rocketchat_token(self) -> ChatLogin:
        """Parse the assistant's account on the chat server."""
        hint = "Deploy again: role rocketchat_workspace makes it, role glue writes it"
        return self._parsed("rocketchat_token", TypeAdapter(ChatLogin), hint)

    def _parsed(self, name: str, shape: TypeAdapter[T], hint: str) -> T:
        path = self.path(name)
        try:
            return shape.validate_json(path.read_bytes(), strict=True)
        except ValidationError as error:
            raise errors.ConfigError(
                f"The credential {name} is not valid",
                against=str(path),
                hint=hint,
                problems=tuple(
                    ".".join(str(part) for part in problem["loc"]) + f": {problem['msg']}"
                    for problem in error.errors(include_input=False)
                ),
            ) from None

    def _problem(self, name: str) -> str | None:
        path = self.directory / name
        try:
            return None if path.stat().st_size else f"{name}: the file is empty"
        except OSError as error:
            return f"{name}: {error.strerror}"
