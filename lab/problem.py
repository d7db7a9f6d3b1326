"""What a person is told when something stands in the way: what, why, and what to do."""

from __future__ import annotations


class Problem(Exception):  # noqa: N818 - it is shown to people as a problem, not as an error class
    """A condition that stops the work and that a person can do something about.

    what: the thing that failed, in one short sentence.
    why: what was seen.
    todo: the next step for the person, as a command or a setting where there is one.
    """

    def __init__(self, what: str, *, why: str, todo: str) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.what}\n  why:  {self.why}\n  do:   {self.todo}"
