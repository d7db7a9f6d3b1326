"""Which messages still need an answer, from messages alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heyken_glue.domain.chat import Message, User
from heyken_glue.domain.conversation import (
    HISTORY_BYTES,
    MARK,
    TURN_CHARACTERS,
    TURNS_MAX,
    Call,
    Gaps,
    Known,
    call_of,
    conversation,
    gaps,
    is_unfinished,
    reply_id,
    without_mark,
)
from heyken_glue.domain.turns import Role, Turn

BOT = User("bot", "heyken_bot")
ANNA, JAN = User("anna", "anna"), User("jan", "jan")
CHANNEL = Known(own_id=BOT.id, direct=False)
DIRECT = Known(own_id=BOT.id, direct=True)


def message(identity: str, text: str = "text", *, time: float = 100.0, **more: Any) -> Message:
    fields = {"room_id": "room", "author": ANNA, "updated": time, **more}
    return Message(id=identity, text=text, time=time, **fields)


def asked(identity: str, *, time: float = 100.0, **more: Any) -> Message:
    return message(identity, "@heyken_bot why?", time=time, mentions=frozenset({BOT.id}), **more)


def reply(
    question: str, text: str = "so", *, thread: str | None = None, time: float = 101.0
) -> Message:
    return message(reply_id(question), text, time=time, author=BOT, thread_id=thread or question)


def ids(found: Gaps) -> list[str]:
    return [question.id for question in found.questions]


def test_reply_ids_look_like_the_servers_own_and_differ() -> None:
    found = {reply_id(f"q{n}", part) for n in range(500) for part in range(4)}
    assert len(found) == 2000
    assert all(len(i) == 17 and i.isascii() and i.isalnum() for i in found)
    assert reply_id("question") == "80y18yv0Bd9vmPyVH", "another version would answer again"


def test_a_mention_without_reply_is_owed_an_answer() -> None:
    assert ids(gaps([asked("q")], CHANNEL)) == ["q"]


def test_a_finished_reply_settles_it() -> None:
    assert gaps([asked("q"), reply("q")], CHANNEL) == Gaps()


def test_a_reply_with_the_mark_is_gone_on_with_unless_it_runs_here() -> None:
    seen = [asked("q"), reply("q", "half" + MARK)]
    assert ids(gaps(seen, CHANNEL)) == ["q"]
    assert gaps(seen, dataclasses.replace(CHANNEL, running={"q"})) == Gaps()


def test_the_server_may_trim_what_the_mark_starts_with() -> None:
    assert is_unfinished(MARK.strip())
    assert ids(gaps([asked("q"), reply("q", MARK.strip())], CHANNEL)) == ["q"]


def test_what_is_closed_here_is_not_taken_up_again_but_a_mark_is() -> None:
    closed = dataclasses.replace(CHANNEL, closed={"q"})
    assert gaps([asked("q")], closed) == Gaps()
    assert ids(gaps([asked("q"), reply("q", "late" + MARK)], closed)) == ["q"]


def test_a_removed_reply_is_not_written_again() -> None:
    removed = dataclasses.replace(reply("q", ""), system_type="rm")
    assert gaps([asked("q"), removed], CHANNEL) == Gaps()


def test_too_old_is_too_old_but_a_begun_reply_is_ended() -> None:
    late = dataclasses.replace(CHANNEL, since=100.5)
    assert gaps([asked("q")], late) == Gaps()
    assert ids(gaps([asked("q"), reply("q", "half" + MARK)], late)) == ["q"]


def test_questions_come_oldest_first_and_once() -> None:
    seen = [asked("c", time=3), asked("a", time=1), asked("b", time=2), asked("a", time=1)]
    assert ids(gaps(seen, CHANNEL)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "change",
    [
        {"author": BOT},
        {"system_type": "uj"},
        {"from_integration": True},
        {"encrypted": True},
        {"mentions": frozenset({"jan"})},
        {"mentions": frozenset({"all"})},
        {"mentions": frozenset()},
    ],
    ids=str,
)
def test_what_is_no_question_in_a_channel(change: dict[str, Any]) -> None:
    odd = dataclasses.replace(asked("q"), **change)
    assert call_of(odd, own_id=BOT.id, direct=False) is Call.NONE
    assert gaps([odd], CHANNEL) == Gaps()


def test_everything_a_person_says_directly_is_a_question() -> None:
    assert ids(gaps([message("q")], DIRECT)) == ["q"]
    assert gaps([message("q", author=BOT)], DIRECT) == Gaps()


def test_an_edited_question_is_one_question() -> None:
    edited = dataclasses.replace(asked("q"), edited=True, updated=500.0)
    assert ids(gaps([edited], CHANNEL)) == ["q"]
    assert gaps([edited, reply("q")], CHANNEL) == Gaps()


def test_a_question_edited_to_mention_nobody_keeps_its_begun_reply() -> None:
    seen = [message("q"), reply("q", "half" + MARK)]
    assert ids(gaps(seen, CHANNEL)) == ["q"]


def test_a_follow_up_needs_an_earlier_reply_in_its_thread() -> None:
    follow = message("f", time=105, thread_id="q")
    assert ids(gaps([asked("q"), reply("q"), follow], CHANNEL)) == ["f"]


def test_what_people_wrote_before_the_assistant_was_called_is_no_follow_up() -> None:
    before = message("b", time=100.5, thread_id="q")
    known = dataclasses.replace(CHANNEL, first_replies={"q": 101.0})
    assert gaps([message("q"), before, reply("other", thread="q")], known) == Gaps()


def test_a_thread_that_is_not_known_has_to_be_read_first() -> None:
    follow = message("f", time=105, thread_id="old")
    found = gaps([follow], CHANNEL)
    assert ids(found) == []
    assert found.threads == {"old"}
    ours = dataclasses.replace(CHANNEL, first_replies={"old": 7.0})
    theirs = dataclasses.replace(CHANNEL, first_replies={"old": None})
    assert ids(gaps([follow], ours)) == ["f"]
    assert gaps([follow], theirs) == Gaps()


def test_a_reply_seen_later_than_the_thread_was_read_still_counts() -> None:
    seen = [reply("x", thread="t", time=104), message("f", time=105, thread_id="t")]
    theirs = dataclasses.replace(CHANNEL, first_replies={"t": None})
    assert ids(gaps(seen, theirs)) == ["f"]


def test_a_follow_up_that_mentions_somebody_else_is_theirs() -> None:
    follow = message("f", time=105, thread_id="q", mentions=frozenset({"jan"}))
    assert gaps([asked("q"), reply("q"), follow], CHANNEL) == Gaps()


def test_an_unfinished_reply_without_its_question_makes_the_thread_be_read() -> None:
    found = gaps([reply("q", "half" + MARK)], CHANNEL)
    assert found.threads == {"q"}
    assert found.strays == ()


def test_an_unfinished_reply_to_a_deleted_question_is_a_stray() -> None:
    stray = reply("gone", "half" + MARK, thread="t")
    read = dataclasses.replace(CHANNEL, first_replies={"t": 101.0}, complete={"t"})
    assert gaps([message("t"), stray], read).strays == (stray,)


def test_a_reply_is_no_stray_as_long_as_its_question_may_be_out_of_sight() -> None:
    known = dataclasses.replace(CHANNEL, first_replies={"t": 101.0})
    seen = [reply("old", "half" + MARK, thread="t")]
    found = gaps(seen, known)
    assert found.strays == ()
    assert found.threads == {"t"}
    assert gaps(seen, dataclasses.replace(known, running={"old"})) == Gaps()


def test_a_later_part_of_a_reply_is_no_stray() -> None:
    part = message(reply_id("q", 3), "more" + MARK, time=102, author=BOT, thread_id="q")
    seen = [asked("q"), reply("q", "half" + MARK), part]
    assert gaps(seen, CHANNEL).strays == ()


SEEN = (
    asked("a", time=1),
    reply("a", time=2),
    asked("b", time=3),
    reply("b", "x" + MARK),
    asked("c", time=5),
    message("f", time=200, thread_id="a"),
)


@given(st.permutations(SEEN), st.lists(st.sampled_from(SEEN)))
def test_any_order_and_any_repetition_gives_the_same(
    seen: list[Message], again: list[Message]
) -> None:
    assert ids(gaps([*seen, *again], CHANNEL)) == ["b", "c", "f"]


def test_a_finished_text_never_ends_with_the_mark() -> None:
    for text in ("so" + MARK, "so" + MARK + "\n", "so ▍▍ ▍", "so"):
        assert without_mark(text) == "so"
    assert not is_unfinished(without_mark(MARK))


def test_the_model_is_told_what_was_said_in_the_thread() -> None:
    thread = [
        asked("q", time=1),
        message("f", "and @heyken_bot why not?", time=2, thread_id="q"),
        reply("q", "because", time=3),
        message("n", "now", time=5, thread_id="q", author=JAN),
        message("later", time=9, thread_id="q"),
    ]
    assert conversation(thread, thread[3], own=BOT) == (
        Turn(Role.USER, "why?"),
        Turn(Role.ASSISTANT, "because"),
        Turn(Role.USER, "and why not?"),
        Turn(Role.USER, "now"),
    )


def test_commands_placeholders_and_system_messages_are_not_told() -> None:
    thread = [
        asked("q", time=1),
        reply("q", "waiting" + MARK, time=2),
        message("s", "status", time=3, thread_id="q"),
        reply("s", "all is well", thread="q", time=4),
        message("j", "anna", time=5, thread_id="q", system_type="uj"),
        message("e", "xxxx", time=5, thread_id="q", encrypted=True),
        message("n", "now", time=6, thread_id="q"),
    ]
    assert conversation(thread, thread[-1], own=BOT) == (
        Turn(Role.USER, "why?"),
        Turn(Role.USER, "now"),
    )


def test_an_announcement_that_is_asked_about_is_told() -> None:
    thread = [message("a", "core2 is active", time=1, author=BOT), asked("q", thread_id="a")]
    assert conversation(thread, thread[1], own=BOT) == (
        Turn(Role.USER, "> core2 is active"),
        Turn(Role.USER, "why?"),
    )


def test_all_parts_of_a_reply_are_told_in_their_order() -> None:
    parts = [
        message(reply_id("q", n), f"part {n}", time=9 - n, author=BOT, thread_id="q")
        for n in range(3)
    ]
    turns = conversation([asked("q", time=1), *parts], message("n", time=20), own=BOT)
    assert turns[1] == Turn(Role.ASSISTANT, "part 0\npart 1\npart 2")


def test_a_long_thread_loses_its_oldest_turns_and_never_the_question() -> None:
    long = "ą" * TURN_CHARACTERS
    thread = [message(str(n), f"{n}{long}", time=n, thread_id="0") for n in range(9)]
    turns = conversation(thread, message("n", "now", time=9), own=BOT)
    assert [turn.content[0] for turn in turns] == ["6", "7", "8", "n"]
    assert sum(turn.size_bytes for turn in turns) <= HISTORY_BYTES
    huge = "x" * (2 * HISTORY_BYTES)
    assert conversation(thread, message("n", huge, time=9), own=BOT) == (Turn(Role.USER, huge),)


def test_many_short_turns_are_no_more_than_the_gateway_takes() -> None:
    thread = [message(f"{n:04}", "hm", time=n, thread_id="0") for n in range(1000)]
    turns = conversation(thread, message("n", "now", time=1001), own=BOT)
    assert len(turns) == TURNS_MAX + 1
