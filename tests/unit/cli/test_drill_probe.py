"""What a drill measures: gaps, waits, what was lost or came twice; and whole runs of the prober."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
from typing import Any, cast

import pytest

from heyken_glue.cli import client, drill_probe
from heyken_glue.cli.api import Api, SseEvent
from heyken_glue.cli.drill_probe import Answers, Probe, Requests, Text, Watched
from heyken_glue.domain.drills import Measures
from heyken_glue.gateway.ports import UnitReply
from tests.support.authority import Authority
from tests.support.doors import ScriptedModel
from tests.unit.cli.conftest import STATUS, WriteClientFile, served


def _requests(*attempts: tuple[float, bool]) -> Requests:
    return Requests("https://192.0.2.10:5000", list(attempts))


@pytest.mark.parametrize(
    ("attempts", "gap"),
    [
        ([(1.0, True), (2.0, True)], 0.0),
        ([(1.0, True), (1.5, False), (2.5, True)], 1.5),
        ([(2.5, True), (1.5, False), (1.0, True)], 1.5),
        ([(1.0, True), (1.5, False), (2.5, True), (4.0, False), (4.5, True)], 2.0),
        ([(1.0, False), (3.0, True)], 3.0),
        ([(1.0, True), (2.0, False)], 9.0),
        ([(11.0, False)], 0.0),
    ],
    ids=[
        "none failed",
        "one",
        "out of order",
        "the longer",
        "from the start",
        "to the end",
        "after",
    ],
)
def test_the_longest_time_without_an_answer(attempts: list[tuple[float, bool]], gap: float) -> None:
    assert _requests(*attempts).gap(0.0, 10.0) == gap


def test_what_cannot_be_seen_is_told() -> None:
    requests = _requests((1.0, True), (1.1, False), (3.0, True))
    assert requests.late(0.0) == pytest.approx(1.9)
    assert requests.count(1.05) == (2, 1)


def test_the_longest_wait_for_text() -> None:
    answers = Answers([Text(waits=[(0.0, 1.0), (1.0, 4.0)]), Text(waits=[(4.0, 9.0)])])
    assert answers.gap(0.5, 10.0) == 5.0
    assert answers.gap(0.5, 8.0) == 3.0, "what ended later is not of this time"


def _watched() -> Watched:
    return Watched(cast("Api", None))


def _take(watched: Watched, *events: tuple[str, str, dict[str, Any]]) -> Text:
    for name, event_id, data in events:
        watched._take(SseEvent(event_id, name, data))
    return watched.text


START = ("start", "a:0", {"id": "a", "core": 1, "model": "m"})
ONE, TWO = ("token", "a:1", {"text": "one "}), ("token", "a:2", {"text": "two"})
DONE = ("done", "a:3", {"text_length": 7})


def test_a_whole_answer_lost_and_doubled_nothing() -> None:
    text = _take(_watched(), START, ONE, TWO, DONE)
    assert (text.lost, text.doubled, text.ended, text.resumed) == (0, 0, True, False)


def test_an_answer_that_another_core_goes_on_with_is_whole() -> None:
    text = _take(_watched(), START, ONE, ("resumed", "", {"resumed": "continued"}), TWO, DONE)
    assert (text.lost, text.doubled, text.resumed) == (0, 0, True)


def test_a_missing_piece_is_lost() -> None:
    assert _take(_watched(), START, ONE, DONE).lost == 3
    later = ("token", "a:3", {"text": "three"})
    assert _take(_watched(), START, ONE, later).lost >= 1


def test_a_piece_that_comes_twice_is_doubled() -> None:
    assert _take(_watched(), START, ONE, ONE).doubled == 4
    assert _take(_watched(), START, ONE, ONE, TWO, DONE).doubled == 4


def test_an_answer_that_begins_anew_is_doubled_as_far_as_it_was() -> None:
    watched = _watched()
    _take(watched, START, ONE)
    watched._forget()
    text = _take(watched, START, ONE, TWO, DONE)
    assert (text.lost, text.doubled) == (0, 4)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drill_probe, "CALM_SECONDS", 0.0)


async def _run(tmp_path: pathlib.Path, *, marks: tuple[str, ...] = ("mended",)) -> dict[str, Any]:
    probe = Probe(client.load(os.environ), tmp_path, "d1")
    running = asyncio.ensure_future(probe.run())
    try:
        async with asyncio.timeout(60):
            while not (tmp_path / "ready").exists():  # noqa: ASYNC110 - files have no event
                await asyncio.sleep(0.01)
            for mark in marks:
                (tmp_path / mark).touch()
            return await running
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_a_run_against_a_gateway_that_stays(
    authority: Authority, write_client_file: WriteClientFile, tmp_path: pathlib.Path
) -> None:
    with served(authority, ScriptedModel("once ", "upon ", "a time")) as gateway:
        told = {**STATUS, "whole": True}
        gateway.house.core_manager.replies["GET", "/status"] = UnitReply(200, told)
        gateway.house.health.replies["GET", "/verdict"] = UnitReply(200, {"capable": True})
        write_client_file(gateway.url)
        measures = Measures.parse(await _run(tmp_path))
    assert measures.whole_ms is not None
    assert (measures.requests_failed, measures.reach_ms, measures.rpo) == (0, 0.0, 0)
    assert measures.requests >= 1
    assert measures.answers >= 1


async def test_a_pair_that_does_not_become_whole_is_told(
    authority: Authority,
    write_client_file: WriteClientFile,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drill_probe, "WHOLE_SECONDS", 0.5)
    with served(authority, ScriptedModel("once")) as gateway:
        told = {**STATUS, "whole": False}
        gateway.house.core_manager.replies["GET", "/status"] = UnitReply(200, told)
        write_client_file(gateway.url)
        measures = Measures.parse(await _run(tmp_path))
    assert measures.whole_ms is None


async def test_it_ends_when_the_drill_is_given_up(
    authority: Authority, write_client_file: WriteClientFile, tmp_path: pathlib.Path
) -> None:
    with served(authority, ScriptedModel("once")) as gateway:
        write_client_file(gateway.url)
        assert Measures.parse(await _run(tmp_path, marks=("stop",))).whole_ms is None


@pytest.mark.parametrize("running", [None, {"id": "d2"}])
async def test_it_ends_when_somebody_else_ended_the_drill(
    authority: Authority,
    write_client_file: WriteClientFile,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    running: dict[str, str] | None,
) -> None:
    monkeypatch.setattr(drill_probe, "LOCK_SECONDS", 0.1)
    with served(authority, ScriptedModel("once")) as gateway:
        told = UnitReply(200, {"running": running})
        gateway.house.core_manager.replies["GET", "/drills"] = told
        write_client_file(gateway.url)
        assert Measures.parse(await _run(tmp_path, marks=())).whole_ms is None
