"""Who is next: users in turn, each user's questions in order, one at a time in each thread."""

from __future__ import annotations

import bisect
from collections.abc import Container, Iterator
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """What can wait here; `ready` ones may be taken."""

    @property
    def user_id(self) -> str: ...  # noqa: D102 - the names say it
    @property
    def thread_id(self) -> str: ...  # noqa: D102
    @property
    def order(self) -> tuple[float, str]: ...  # noqa: D102
    @property
    def ready(self) -> bool: ...  # noqa: D102


J = TypeVar("J", bound=Waiting)


class FairQueue(Generic[J]):
    """Bounded; whoever has asked most is the first whose newest question has to go."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: dict[str, list[J]] = {}  # the first user is the next one served

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def __iter__(self) -> Iterator[J]:
        for line in self._lines.values():
            yield from line

    @property
    def is_full(self) -> bool:
        """Whether the next one admitted costs somebody's place."""
        return len(self) >= self._limit

    def admit(self, job: J) -> J | None:
        """Let a job wait; returns the one that has to go for it, which may be the same."""
        out = self._most_of(job) if self.is_full else None
        if out is job:
            return job
        if out is not None:
            self.remove(out)
        bisect.insort(self._lines.setdefault(job.user_id, []), job, key=lambda each: each.order)
        return out

    def remove(self, job: J) -> bool:
        """Take a job out; tells whether it waited."""
        line = self._lines.get(job.user_id, [])
        if job not in line:
            return False
        line.remove(job)
        if not line:
            del self._lines[job.user_id]
        return True

    def next(self, busy_threads: Container[str]) -> J | None:
        """Take out the job whose turn it is, passing over what cannot start yet."""
        for user_id, line in self._lines.items():
            for job in line:
                if job.ready and job.thread_id not in busy_threads:
                    self.remove(job)
                    if user_id in self._lines:
                        self._lines[user_id] = self._lines.pop(user_id)
                    return job
        return None

    def before(self, job: J) -> int:
        """Return how many others have their turn before a waiting job."""
        own = self._lines[job.user_id]
        place, count, is_earlier = own.index(job), 0, True
        for line in self._lines.values():
            is_earlier = is_earlier and line is not own
            count += place if line is own else min(len(line), place + is_earlier)
        return count

    def _most_of(self, job: J) -> J:
        """Return the newest job of whoever has most, unless the asker would have as many."""
        longest = max(self._lines.values(), key=len, default=[])
        mine = len(self._lines.get(job.user_id, ()))
        return longest[-1] if len(longest) > mine + 1 else job
