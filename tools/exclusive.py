"""One at a time: what changes a lab keeps everybody else from it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from lab.problem import Problem
from lab.settings import Lab


@contextmanager
def only_one(lab: Lab) -> Iterator[None]:
    """Hold the lock of a lab whose state directory exists.

    Raises Problem at once if somebody else holds it. It ends with the process, however that ends.
    """
    with (lab.state / "deploy.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Problem(
                f"another deployment of {lab.name} is at work",
                why=f"it holds {lab.state / 'deploy.lock'}",
                todo="wait until it has ended",
            ) from error
        yield
