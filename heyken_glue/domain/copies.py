"""What both cores know of an answer: the question, and the run of each core that made it."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heyken_glue.domain.turns import Role, Turn

ID_LENGTH = 24


class RunState(enum.StrEnum):
    """Where a run stands: in the making (or its core died), given up in order, or over."""

    RUNNING = "running"
    LEFT = "left"
    ANSWERED = "answered"
    FAILED = "failed"


@dataclass(frozen=True)
class Question:
    """Who asked what, of which model; `turns` are what the model was given."""

    owner: str
    asker: str
    language: str
    turns: tuple[Turn, ...]
    digest: str
    model: str
    started: float

    def to_json(self) -> str:
        """Return the record that `question_from` reads."""
        turns = [[turn.role.value, turn.content] for turn in self.turns]
        return json.dumps({**self.__dict__, "turns": turns}, ensure_ascii=False)


def question_from(text: str) -> Question | None:
    """Read a record; None when it is not one."""
    try:
        fields = json.loads(text)
        turns = tuple(Turn(Role(role), str(content)) for role, content in fields["turns"])
        names = ("owner", "asker", "language", "digest", "model")
        return Question(
            turns=turns,
            started=float(fields["started"]),
            **{name: str(fields[name]) for name in names},
        )
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, order=True)
class RunName:
    """One core's go at an answer; who takes over counts on, so that the latest wins."""

    generation: int
    core: int

    def __str__(self) -> str:
        return f"{self.generation}.{self.core}"


def run_name_from(text: str) -> RunName | None:
    """Read what `str` of a run's name wrote; None for anything else."""
    generation, _dot, core = text.partition(".")
    if not (generation.isascii() and generation.isdigit() and core.isascii() and core.isdigit()):
        return None
    return RunName(int(generation), int(core))


@dataclass(frozen=True)
class Run:
    """What one core made: `state`, the error's or the end's fields in `end`, the tokens' texts."""

    name: RunName
    state: RunState
    end: Mapping[str, Any]
    texts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.texts)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to go on with."""
        return self.state in (RunState.ANSWERED, RunState.FAILED)


@dataclass(frozen=True)
class Copy:
    """An answer as one store has it, with its latest run."""

    question: Question
    run: Run


def best(copies: Iterable[Copy | None]) -> Copy | None:
    """Return the copy to go by: the latest run; of that the finished one; else the longer text."""
    found = [copy for copy in copies if copy is not None]
    if not found:
        return None
    return max(found, key=lambda copy: (copy.run.name, copy.run.is_over, len(copy.run.texts)))


def latest(names: Iterable[str]) -> RunName | None:
    """Return the latest run among names in a store."""
    runs = [run for run in map(run_name_from, names) if run is not None]
    return max(runs, default=None)


def answer_id(owner: str, key: str) -> str:
    """Return the id of the answer to what `owner` asks under `key`: the same on every core."""
    return hashlib.sha256(f"{owner}\0{key}".encode()).hexdigest()[:ID_LENGTH]


def digest_of(turns: Sequence[Turn]) -> str:
    """Return what tells one question from another."""
    content = json.dumps([[turn.role.value, turn.content] for turn in turns])
    return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class Portion:
    """What goes to a store next: the tokens after the first `base`, and how the run stands.

    With base 0 the store forgets what it had of the run and gets the question, too.
    """

    answer_id: str
    run: RunName
    question: Question
    base: int
    texts: tuple[str, ...]
    state: RunState
    end: Mapping[str, Any]

    @property
    def reach(self) -> int:
        """How many tokens the store has with this portion."""
        return self.base + len(self.texts)
