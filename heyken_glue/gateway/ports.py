"""What the gateway needs from others, as protocols; the service joins them with adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from heyken_glue.domain.copies import Copy, Portion, RunName
from heyken_glue.domain.turns import Turn


class ChatModel(Protocol):
    """A model that answers the last turn of a conversation.

    `stream` yields pieces of text as they come. It raises `TransientError` or `PermanentError` when
    the model cannot answer, and stops the model's work when the iterator is closed.
    """

    @property
    def name(self) -> str:
        """The model's name, as clients see it."""

    def stream(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        """Answer piece by piece."""


@dataclass(frozen=True)
class UnitReply:
    """What another unit of this host answered: an HTTP status and a JSON object."""

    status: int
    body: Mapping[str, Any]


class Unit(Protocol):
    """Another unit of this host, behind its Unix socket.

    `call` raises `TransientError` when the unit does not answer in time or not with JSON.
    """

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 2.0,
    ) -> UnitReply:
        """Send one request and return the reply, whatever its status."""

    async def page(self, path: str, *, timeout_seconds: float) -> str:
        """Return a page of text as it is; TransientError when there is none in time."""


class CopyStore(Protocol):
    """One core's store of answers in flight; every failure is a `TransientError`."""

    name: str

    async def ping(self) -> None:
        """Return if the store answers."""

    async def write(self, portions: Sequence[Portion]) -> Sequence[int]:
        """Write; return for each portion how many tokens of its run the store has now."""

    async def read(self, answer_id: str) -> Copy | None:
        """Return the latest run of an answer, or None."""

    async def forget(self, runs: Sequence[tuple[str, RunName]]) -> None:
        """Remove answers before their time."""
