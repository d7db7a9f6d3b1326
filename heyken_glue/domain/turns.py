"""A conversation as a model is given it, and as much of it as the model can hold."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass


class Role(enum.StrEnum):
    """Who speaks."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True)
class Turn:
    """One message of a conversation."""

    role: Role
    content: str

    @property
    def size_bytes(self) -> int:
        """Length in UTF-8: the one measure that every model shares, before its tokens."""
        return len(self.content.encode("utf-8", errors="replace"))


def newest_within(turns: Sequence[Turn], bytes_max: int) -> tuple[Turn, ...]:
    """Return what fits: instructions and the last turn always, then the newest turns before it.

    Older turns go whole, never in part. What remains does not begin with an answer whose question
    was left out, because a model takes such an opening for its own words.
    """
    instructions = tuple(turn for turn in turns if turn.role is Role.SYSTEM)
    talk = [turn for turn in turns if turn.role is not Role.SYSTEM]
    room = bytes_max - sum(turn.size_bytes for turn in instructions)
    kept: list[Turn] = []
    for turn in reversed(talk):
        room -= turn.size_bytes
        if kept and room < 0:
            break
        kept.append(turn)
    while len(kept) > 1 and kept[-1].role is Role.ASSISTANT:
        kept.pop()
    return (*instructions, *reversed(kept))


def newer_half(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Leave the older half out of what precedes the last turn; instructions stay.

    Nothing begins with an answer. Returns what was given when nothing may go.
    """
    talk = [turn for turn in turns if turn.role is not Role.SYSTEM]
    kept = talk[len(talk) // 2 :]
    while len(kept) > 1 and kept[0].role is Role.ASSISTANT:
        kept = kept[1:]
    return (*(turn for turn in turns if turn.role is Role.SYSTEM), *kept)
