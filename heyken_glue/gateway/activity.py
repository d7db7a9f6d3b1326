"""What the local model is asked right now and what came of it, for the health unit.

Only requests that are with the model of this core count: not answers that wait their turn, nor
those that the other core makes. A client that leaves says nothing about the model.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from heyken_glue import errors


class Request:
    """One request to the model."""

    def __init__(self, activity: Activity, clock: Callable[[], float]) -> None:
        self._activity, self._clock = activity, clock
        self._heard = clock()
        self.spoke = False

    def piece(self) -> None:
        """Note that a piece of text came."""
        self.spoke, self._heard = True, self._clock()
        self._activity.pieces += 1

    def silent_seconds(self) -> float:
        """Return the time since the last piece, or since the beginning."""
        return self._clock() - self._heard


class Activity:
    """Counts, since the start of the process; `running` is the number of requests now."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.running = self.pieces = self.answered = self.failed = self.silent = 0

    @contextlib.contextmanager
    def request(self, *, first_piece_seconds: float, gap_seconds: float) -> Iterator[Request]:
        """Count a request for as long as the context lasts.

        It failed when the model broke off. Given up after a silence of at least so many seconds
        it was silent: that was the gateway's own deadline, not a client who left. A model that
        reads a long question on a slow machine is silent, too, so this proves nothing.
        """
        request = Request(self, self._clock)
        self.running += 1
        try:
            yield request
        except errors.TransientError:
            self.failed += 1
            raise
        except errors.PermanentError:
            raise  # refused for what was asked: the model is well
        except BaseException:
            patience = gap_seconds if request.spoke else first_piece_seconds
            self.silent += request.silent_seconds() >= patience
            raise
        else:
            self.answered += 1
        finally:
            self.running -= 1

    def report(self) -> dict[str, int]:
        """Return what `/load` tells under `model`."""
        return {
            "running": self.running,
            "pieces": self.pieces,
            "answered": self.answered,
            "failed": self.failed,
            "silent": self.silent,
        }
