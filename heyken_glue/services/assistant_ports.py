"""What the assistant needs of others, as it sees them; the adapters fulfil this."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from heyken_glue import errors
from heyken_glue.adapters.rocketchat.signals import Signal
from heyken_glue.domain.chat import Message, Room, User
from heyken_glue.domain.turns import Turn


class Chat(Protocol):
    """The chat server over REST; errors as in `adapters/rocketchat/client.py`."""

    async def me(self) -> User: ...  # noqa: D102 - as the client documents them
    async def version(self) -> str: ...  # noqa: D102
    async def rooms(self, *, changed_since: float | None = None) -> tuple[Room, ...]: ...  # noqa: D102
    async def room(self, room_id: str) -> Room | None: ...  # noqa: D102
    async def room_named(self, name: str) -> Room | None: ...  # noqa: D102
    async def changed_since(self, room_id: str, since: float) -> tuple[Message, ...]: ...  # noqa: D102
    async def message(self, message_id: str) -> Message | None: ...  # noqa: D102
    async def thread(self, thread_id: str) -> tuple[Message, ...]: ...  # noqa: D102
    async def send(  # noqa: D102
        self, room_id: str, text: str, *, message_id: str, thread_id: str | None = None
    ) -> None: ...
    async def edit(self, room_id: str, message_id: str, text: str) -> None: ...  # noqa: D102
    async def delete(self, room_id: str, message_id: str) -> None: ...  # noqa: D102
    async def roles_of(self, user_id: str) -> frozenset[str]: ...  # noqa: D102
    async def size_limit(self) -> int: ...  # noqa: D102


class Feed(Protocol):
    """The chat server's live feed."""

    @property
    def connected(self) -> bool: ...  # noqa: D102
    def signals(self) -> AsyncGenerator[Signal, None]: ...  # noqa: D102
    async def watch_deletions(self, room_id: str) -> None: ...  # noqa: D102
    async def unwatch_deletions(self, room_id: str) -> None: ...  # noqa: D102
    async def typing(self, room_id: str, username: str, active: bool) -> None: ...  # noqa: D102


class AnswerFailedError(errors.TransientError):
    """The gateway says in `sentence` (the asker's language, "" if it says nothing) what failed."""

    def __init__(
        self,
        tried: str,
        *,
        code: str = "",
        sentence: str = "",
        retry_after: float | None = None,
        is_final: bool = False,
    ) -> None:
        super().__init__(tried, retry_after=retry_after)
        self.code, self.sentence, self.is_final = code, sentence, is_final


class Model(Protocol):
    """Whoever answers questions."""

    def stream(
        self, turns: Sequence[Turn], *, asker: str, owner: str, language: str, key: str
    ) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece; AnswerFailedError.

        Asking again with the same owner and key (on either core) goes on with the same answer, so
        closing it stops the model only when nobody came back for a while.
        """
        ...

    async def cancel(self, *, owner: str, key: str) -> None:
        """Stop the model at once; silence is no error."""
        ...


@dataclass(frozen=True)
class Role:
    """What `core-manager` says of this core.

    `holds`: it has the address, and no newer takeover of the other core is known. `settled`: it is
    to be believed, which it is not for a moment after a freeze. `epoch`: its takeover's, if known.
    """

    holds: bool
    settled: bool = True
    epoch: int | None = None


@dataclass(frozen=True)
class CoreState:
    """One core, as the status tells."""

    core_id: int
    name: str
    status: str
    sentence: str


@dataclass(frozen=True)
class PairState:
    """What `core-manager` tells about the pair; times in seconds since 1970."""

    status: str
    active_core: int | None
    holder: str | None
    since: float | None
    reason: str
    cause: str
    epoch: int | None
    cores: tuple[CoreState, ...]
    only_answers: str = ""
    """Why nothing but answering is done now, in the asker's language; "" if more is."""


@dataclass(frozen=True)
class Switched:
    """How a wish to switch ended: the active core now, or why not, in the asker's language."""

    active_core: int | None = None
    changed: bool = False
    refusal: str = ""


class Manager(Protocol):
    """The unit `core-manager` of this core; TransientError when it does not answer."""

    async def role(self) -> Role: ...  # noqa: D102
    async def status(self, language: str) -> PairState: ...  # noqa: D102
    async def switch(self, core_id: int, *, requested_by: str, language: str) -> Switched: ...  # noqa: D102


class Languages(Protocol):
    """Which language people chose; TransientError when the store is away."""

    async def get(self, user_id: str) -> str | None: ...  # noqa: D102
    async def put(self, user_id: str, language: str) -> None: ...  # noqa: D102
