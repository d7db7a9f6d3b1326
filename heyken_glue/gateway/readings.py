"""Asking several stores for one answer at once, and not waiting for the silent ones for long."""

from __future__ import annotations

import asyncio

from heyken_glue import errors, logs
from heyken_glue.domain.copies import Copy, best
from heyken_glue.gateway.ports import CopyStore

log = logs.get(__name__)


class Reading:
    """What the stores say of one answer; the one that is asked first is the own one.

    trusted: at least one of the stores is not known to be down, so if none says anything, nobody
    knows whether there is such an answer.
    """

    def __init__(self, answer_id: str, *, trusted: bool) -> None:
        self._id, self._trusted = answer_id, trusted
        self._asked: dict[CopyStore, asyncio.Task[Copy | None]] = {}

    def ask(self, store: CopyStore, patience_seconds: float) -> None:
        """Ask one more store."""
        self._asked[store] = asyncio.create_task(read_soon(store, self._id, patience_seconds))

    async def own(self) -> Copy | None:
        """Return what the own store says; None also when it says nothing."""
        for task in self._tasks[:1]:
            await asyncio.wait([task])
            return _said(task)
        return None

    async def best(self) -> Copy | None:
        """Return the latest run that any store knows, of that the longer text.

        Raises TransientError when no store said anything and one is not known to be down.
        """
        if not self._tasks:
            return None
        await asyncio.wait(self._tasks)
        if self._trusted and all(task.exception() for task in self._tasks):
            raise errors.TransientError("No store of answers in flight could be read")
        return best(_said(task) for task in self._tasks)

    def close(self) -> set[CopyStore]:
        """Ask no longer; return the stores that failed or kept silent."""
        for task in self._tasks:
            task.cancel()
        return {
            store
            for store, task in self._asked.items()
            if task.done() and not task.cancelled() and task.exception() is not None
        }

    @property
    def _tasks(self) -> list[asyncio.Task[Copy | None]]:
        return list(self._asked.values())


def _said(task: asyncio.Task[Copy | None]) -> Copy | None:
    return task.result() if task.exception() is None else None


async def read_soon(store: CopyStore, answer_id: str, patience_seconds: float) -> Copy | None:
    """Return what a store knows; TransientError also when it takes too long: a reader waits."""
    try:
        async with asyncio.timeout(patience_seconds):
            return await store.read(answer_id)
    except (errors.HeykenError, TimeoutError) as error:
        reason = str(error) or "it took too long"
        log.warning("copy_unreadable", store=store.name, reason=reason)
        raise errors.TransientError(reason, against=store.name) from error
