"""Events keep their shape, messages go only forward."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heyken_glue.domain import messages
from heyken_glue.domain.events import Event, Outcome
from heyken_glue.domain.messages import State

TEXT = st.text(min_size=1, max_size=20)


@given(TEXT, TEXT, st.sampled_from(Outcome), st.dictionaries(TEXT, st.integers() | TEXT))
def test_an_event_survives_its_line(
    name: str, cause: str, outcome: Outcome, payload: dict[str, int | str]
) -> None:
    event = Event(
        id=name,
        time=1.5,
        host="core1",
        actor="health",
        kind="test",
        subject=name,
        cause=cause,
        outcome=outcome,
        payload=payload,
    )
    line = event.to_line()
    assert "\n" not in line
    assert Event.from_line(line) == event


@pytest.mark.parametrize("name", ["id", "host", "actor", "kind", "subject"])
def test_an_event_without_a_name_is_refused(name: str) -> None:
    event = Event(id="1", time=0.0, host="h", actor="a", kind="k", subject="s", cause="")
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(event, **{name: ""})  # type: ignore[arg-type]


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"outcome": "odd"}'])
def test_a_line_that_is_no_event_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Event.from_line(line)


def test_a_message_reaches_its_reader_step_by_step() -> None:
    state = State.RECEIVED
    for following in (State.ACCEPTED, State.ANSWERING, State.ANSWERED, State.DELIVERED):
        state = messages.step(state, following)
    assert messages.is_final(state)


@given(st.sampled_from(State), st.sampled_from(State))
def test_a_message_never_goes_back(current: State, following: State) -> None:
    order = list(State)
    if following in messages.NEXT[current]:
        assert order.index(following) > order.index(current)
        assert messages.step(current, following) is following
    else:
        with pytest.raises(messages.IllegalStepError):
            messages.step(current, following)


@given(st.sampled_from(State))
def test_everything_unfinished_may_fail(state: State) -> None:
    assert messages.is_final(state) or State.FAILED in messages.NEXT[state]
