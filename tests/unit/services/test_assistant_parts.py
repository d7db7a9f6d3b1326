"""Small parts of the assistant by themselves: what is due, what is remembered, what is shown."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from heyken_glue.domain.chat import Message, User
from heyken_glue.domain.messages import State
from heyken_glue.runtime.spool import Spool
from heyken_glue.services import assistant_lookout
from heyken_glue.services.assistant_answers import Answers
from heyken_glue.services.assistant_draft import Draft
from heyken_glue.services.assistant_jobs import ABANDONED, DELIVERED, Ending, Job, Ledger, Recent
from heyken_glue.services.assistant_lookout import (
    AGAIN_SECONDS,
    EVERYWHERE_SECONDS,
    FULL_SECONDS,
    OVERLAP_SECONDS,
    Due,
)

from .conftest import HeldClock

BOT = User("bot", "heyken_bot")


def job(identity: str = "q") -> Job:
    question = Message(
        id=identity, room_id="r", author=User("anna", "anna"), text="why?", time=1.0, updated=1.0
    )
    return Job(question=question, language="en", received=0.0)


@pytest.fixture
def again() -> list[str]:
    return []


@pytest.fixture
def ledger(tmp_path: Path, clock: HeldClock, again: list[str]) -> Ledger:
    (tmp_path / "events").mkdir()
    spool = Spool(tmp_path / "events", "assistant", limit_bytes=1 << 20)
    return Ledger(spool, clock, host="core1", own=BOT, again=again.append)


def test_everything_is_due_now_and_then(clock: HeldClock) -> None:
    due = Due(clock)
    assert due.takes_everything()
    assert not due.takes_everything()
    clock.time += EVERYWHERE_SECONDS
    assert due.takes_everything()
    due.everywhere(after=5.0)
    clock.time += 4.0
    assert not due.takes_everything()
    clock.time += 1.0
    assert due.takes_everything()
    due.everywhere()
    assert due.takes_everything()


def test_a_room_is_due_soon_once(clock: HeldClock) -> None:
    due = Due(clock)
    due.takes_everything()
    due.again("a")
    clock.time += AGAIN_SECONDS / 2
    due.again("b")
    due.again("a")
    assert due.taken_rooms() == []
    clock.time += AGAIN_SECONDS / 2
    assert due.taken_rooms() == ["a"]
    assert due.taken_rooms() == []


def test_too_many_rooms_are_all_rooms(clock: HeldClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant_lookout, "AGAIN_MAX", 10)
    due = Due(clock)
    due.takes_everything()
    for number in range(11):
        due.again(f"room {number}")
    clock.time += AGAIN_SECONDS
    assert due.takes_everything()
    assert due.taken_rooms() == []


def test_a_settled_room_is_read_from_there_until_something_is_left_over(clock: HeldClock) -> None:
    due = Due(clock)
    due.takes_everything()
    assert due.since("a", 100.0) == 100.0
    due.settle("a", 5000.0)
    assert due.since("a", 100.0) == 5000.0 - OVERLAP_SECONDS
    assert due.since("a", 6000.0) == 6000.0, "never longer ago than is looked back"
    due.again("a")
    assert due.since("a", 100.0) == 100.0
    for forget in (due.in_full, lambda: None):
        due.settle("a", 5000.0)
        clock.time += FULL_SECONDS
        forget()
        assert due.takes_everything()
        assert due.since("a", 100.0) == 100.0


def test_a_task_that_never_began_leaves_nothing_behind(ledger: Ledger, again: list[str]) -> None:
    async def cancelled_at_once() -> None:
        nothing: Any = None
        answers = Answers(
            pen=nothing,
            feed=nothing,
            writer=nothing,
            patience=nothing,
            ledger=ledger,
            answers_max=1,
            queue_max=1,
        )
        ledger.claims.add("q")
        assert answers.admit(job())
        answers.abandon()
        await answers.close()
        assert answers.counts == (0, 0)

    asyncio.run(cancelled_at_once())
    assert ledger.claims == set()
    assert again == ["r"]
    assert "q" not in ledger.closed


def test_what_is_closed_is_closed_once(ledger: Ledger, again: list[str]) -> None:
    done = job()
    ledger.claims.add("q")
    ledger.close(done, DELIVERED)
    ledger.close(done, ABANDONED)
    assert done.state is State.DELIVERED
    assert again == []
    assert "q" in ledger.closed
    failed = job("f")
    ledger.reach(failed, State.ANSWERING)
    ledger.close(failed, Ending("failed", "why"))
    assert failed.state is State.FAILED


def test_only_the_newest_are_remembered() -> None:
    recent: Recent[int] = Recent(3)
    for number in range(5):
        recent[str(number)] = number
    assert recent["2"] == 2  # used now, so it is newer than the others
    recent["5"] = 5
    assert sorted(recent) == ["2", "4", "5"]
    assert len(recent) == 3
    del recent["2"]
    assert "2" not in recent


def test_a_draft_never_shows_less_than_before() -> None:
    draft = Draft("words of another core ▍")
    assert draft.shown == "words of another core"
    draft.add("new words")
    assert draft.shown == "words of another core"
    draft.add(" that are more of them")
    assert draft.shown == "new words that are more of them"
    draft.restart()
    assert draft.shown == draft.best == "new words that are more of them"
    draft.add("again")
    assert (draft.shown, draft.text) == ("new words that are more of them", "again")
    draft.end("the end")
    assert (draft.shown, draft.is_over) == ("the end", True)


def test_a_notice_gives_way_to_the_first_word() -> None:
    draft = Draft()
    draft.tell("the model is loading, which takes a moment")
    assert draft.shown.startswith("the model")
    draft.add("a")
    assert draft.shown == "a"
    draft.restart()
    draft.add("b")
    assert draft.shown == "b"
