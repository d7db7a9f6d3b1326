"""Looking for an answer that is not in this core's memory: in the stores, and at its maker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from heyken_glue import errors
from heyken_glue.domain.copies import Copy, RunState, best
from heyken_glue.gateway.copies import Copies
from heyken_glue.gateway.handover import Following, PeerAnswers

Asking = asyncio.Task[Following | None]


@dataclass(frozen=True)
class Found:
    """What is known of an answer, and its stream if another core still makes it."""

    copy: Copy
    following: Following | None


@dataclass(frozen=True)
class Search:
    """The stores, and the other cores' gateways by core number."""

    copies: Copies
    peers: Mapping[int, PeerAnswers]

    async def find(self, id_: str, owner: str) -> Found | None:
        """Return what is known of an answer of `owner`; TransientError when nobody can tell.

        A reader waits, and a lost core is silent: its store and its gateway are asked at the same
        time, the gateway as soon as the own store tells that there is something to ask for.
        """
        async with self.copies.reading(id_) as reading:
            early = self._maker(await reading.own(), owner)
            with _unless_taken(asyncio.create_task(self._follow(id_, early))) as asking:
                copy = await reading.best()
                if copy is None or copy.question.owner != owner:
                    return None
                maker = self._maker(copy, owner)
                following = await (asking() if maker == early else self._follow(id_, maker))
        if maker is not None and following is None:
            copy = await self.latest(id_, copy)  # it wrote while it was looked for: perhaps the end
        return Found(copy, following)

    async def latest(self, id_: str, copy: Copy) -> Copy:
        """Return what is known by now; what was known before is still true."""
        with contextlib.suppress(errors.TransientError):
            return best((copy, await self.copies.read(id_))) or copy
        return copy

    def _maker(self, copy: Copy | None, owner: str) -> int | None:
        """Return the other core that makes the answer, if it still lives."""
        if copy is None or copy.question.owner != owner or copy.run.state is not RunState.RUNNING:
            return None
        core = copy.run.name.core
        return core if core in self.peers else None

    async def _follow(self, id_: str, maker: int | None) -> Following | None:
        return None if maker is None else await self.peers[maker].follow(id_)


@contextlib.contextmanager
def _unless_taken(asking: Asking) -> Iterator[Callable[[], Asking]]:
    """Close the stream that was asked for, unless it was taken; whenever it opens."""
    taken = False

    def take() -> Asking:
        nonlocal taken
        taken = True
        return asking

    try:
        yield take
    finally:
        if not taken:
            asking.cancel()
            asking.add_done_callback(_close)


def _close(asking: Asking) -> None:
    if not asking.cancelled() and asking.exception() is None and (opened := asking.result()):
        opened.close()
