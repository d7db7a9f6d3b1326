"""What can be wrong with a request, as a value: status, code for programs, text for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from heyken_glue.texts import Text
from heyken_glue.texts import text as _

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Failure:
    """Why a request or an answer failed."""

    status: int
    code: str
    text: Text
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, language: str) -> dict[str, Any]:
        """Return the JSON body that every error of the API has."""
        return {"success": False, "error": self.text.render(language), "code": self.code}


class Problem(Exception):  # noqa: N818 - a refusal is no error of the program
    """Raised by a handler to answer with a `Failure`; the middleware turns it into a response."""

    def __init__(
        self, status: int, code: str, text: Text, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        super().__init__(code)
        self.failure = Failure(status, code, text, headers)

    @classmethod
    def of(cls, failure: Failure) -> Self:
        """Return a failure as what a handler raises."""
        return cls(failure.status, failure.code, failure.text, headers=failure.headers)


QUESTION_TOO_LONG = Failure(
    413,
    "question_too_long",
    _(
        "The question is longer than what the model can read at once. Shorten it, or ask about "
        "one part of it at a time."
    ),
)
