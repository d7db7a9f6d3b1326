"""The one error tree.

HeykenError
├── ConfigError      somebody has to change a setting, a file or a credential (exit 78)
├── TransientError   trying again may help; `retry_after` says when, if the other side did
└── PermanentError   trying the same again cannot help
    └── TooLongError     less of the same can
"""

from __future__ import annotations


class HeykenError(Exception):
    """Says what was tried, against what, and what to do about it."""

    def __init__(self, tried: str, *, against: str = "", hint: str = "") -> None:
        super().__init__(tried, against, hint)
        self.tried = tried
        self.against = against
        self.hint = hint

    def __str__(self) -> str:
        where = f" ({self.against})" if self.against else ""
        advice = f". {self.hint}" if self.hint else ""
        return f"{self.tried}{where}{advice}"


class ConfigError(HeykenError):
    """The configuration is wrong; `problems` lists every one that was found."""

    def __init__(
        self, tried: str, *, against: str = "", hint: str = "", problems: tuple[str, ...] = ()
    ) -> None:
        super().__init__(tried, against=against, hint=hint)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  - {problem}" for problem in self.problems)])


class TransientError(HeykenError):
    """It did not work now; `retry_after` is in seconds where the other side named a delay."""

    def __init__(
        self, tried: str, *, against: str = "", hint: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(tried, against=against, hint=hint)
        self.retry_after = retry_after


class PermanentError(HeykenError):
    """It will not work however often it is tried; `status` is the HTTP status, if there was one."""

    def __init__(
        self, tried: str, *, against: str = "", hint: str = "", status: int | None = None
    ) -> None:
        super().__init__(tried, against=against, hint=hint)
        self.status = status


class TooLongError(PermanentError):
    """What a model was to read does not fit into its context."""
