"""`heyken ask` against a real gateway: answers, breaks, fallbacks, Ctrl-C."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web

from heyken_glue import cli, errors, settings
from heyken_glue.cli import client
from heyken_glue.cli.api import HEARTBEAT, Door, SilentError, SseEvent
from heyken_glue.cli.ask import Asking
from heyken_glue.domain.turns import Turn
from tests.support.authority import Authority
from tests.support.doors import PATIENCE_SECONDS, ScriptedModel
from tests.unit.cli.conftest import WriteClientFile, served

ROOT = pathlib.Path(cli.__file__).parents[2]
Capture = pytest.CaptureFixture[str]


def test_ask_prints_the_answer(
    authority: Authority, write_client_file: WriteClientFile, capsys: Capture
) -> None:
    with served(authority, ScriptedModel("Warsaw", " it is.")) as gateway:
        write_client_file(gateway.url)
        assert cli.main(["ask", "what is", "the capital?"]) == 0
    assert capsys.readouterr().out == "Warsaw it is.\n"
    assert gateway.house.model.questions == ["what is the capital?"]


def test_ask_as_json_is_one_object(
    authority: Authority, write_client_file: WriteClientFile, capsys: Capture
) -> None:
    with served(authority, ScriptedModel("Warsaw")) as gateway:
        write_client_file(gateway.url)
        assert cli.main(["ask", "--json", "where?"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["success"], result["response"], result["core"]) == (True, "Warsaw", 1)
    assert result["restarts"] == 0


def test_ask_reads_standard_input(
    authority: Authority, write_client_file: WriteClientFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("dokąd?\n".encode())))
    with served(authority, ScriptedModel()) as gateway:
        write_client_file(gateway.url)
        assert cli.main(["ask", "-"]) == 0
    assert gateway.house.model.questions == ["dokąd?\n"]


def test_ask_resumes_a_stream_that_breaks(
    authority: Authority, write_client_file: WriteClientFile, capsys: Capture
) -> None:
    go_on = asyncio.Event()
    cuts: list[int] = []

    async def cut_before(request: web.Request, _response: web.StreamResponse) -> None:
        """Break the first stream as soon as the answer has two tokens."""
        if request.path.endswith("/chat") and not cuts:
            cuts.append(1)
            asyncio.get_running_loop().call_later(0.05, _abort, request)

    def _abort(request: web.Request) -> None:
        assert request.transport is not None
        request.transport.abort()
        go_on.set()

    with served(
        authority, ScriptedModel("one ", "two ", go_on, "three"), sign=cut_before
    ) as gateway:
        write_client_file(gateway.url)
        assert cli.main(["ask", "count"]) == 0
        assert gateway.house.model.questions == ["count"], "resumed, not asked again"
    assert cuts
    assert capsys.readouterr().out == "one two three\n"


def test_silence_again_and_again_costs_connections_and_no_answer(
    authority: Authority,
    write_client_file: WriteClientFile,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    go_on, left = asyncio.Event(), [20]
    take = Asking._take

    def fall_silent(asking: Asking, event: SseEvent) -> None:
        """Give each stream up after a heartbeat, as when the next ones come too late."""
        take(asking, event)
        if event is HEARTBEAT and left[0]:
            left[0] -= 1
            if not left[0]:
                gateway.loop.call_soon_threadsafe(go_on.set)
            raise SilentError("silence")

    monkeypatch.setattr(Asking, "_take", fall_silent)
    with served(authority, ScriptedModel("one ", go_on, "two")) as gateway:
        write_client_file(gateway.url)
        assert cli.main(["ask", "count"]) == 0
        assert gateway.house.model.questions == ["count"]
    assert not left[0]
    assert capsys.readouterr().out == "one two\n"


@pytest.mark.parametrize(("rounds", "code"), [(4, 0), (5, 1)])
def test_an_answer_that_has_begun_is_looked_for_longer_than_a_new_one(
    authority: Authority,
    write_client_file: WriteClientFile,
    monkeypatch: pytest.MonkeyPatch,
    rounds: int,
    code: int,
) -> None:
    tries = [0]
    follow, resume = Asking._follow, Asking._resume

    async def cut(asking: Asking, events: AsyncIterator[SseEvent]) -> None:
        """Break the first stream behind its first token."""
        async for event in events:
            asking._take(event)
            if event.name == "token" and not tries[0]:
                raise SilentError("silence")
        await follow(asking, events)

    async def nobody(asking: Asking, door: Door) -> None:
        tries[0] += 1
        if tries[0] <= 1 + 4 * rounds:
            raise SilentError("nobody")
        await resume(asking, door)

    monkeypatch.setattr(Asking, "_follow", cut)
    monkeypatch.setattr(Asking, "_resume", nobody)
    with served(authority, ScriptedModel("one ", "two")) as gateway:
        write_client_file(gateway.url)
        assert cli.main(["ask", "count"]) == code


def test_the_client_suspects_after_three_of_the_gateways_heartbeats() -> None:
    heartbeat = settings.Gateway().heartbeat_seconds
    assert pytest.approx(3 * heartbeat) == client.SILENCE_SECONDS


def test_ask_begins_again_when_the_answer_is_lost(
    authority: Authority, write_client_file: WriteClientFile, capsys: Capture
) -> None:
    cuts: list[int] = []

    async def forget(request: web.Request, _response: web.StreamResponse) -> None:
        """Break the first stream and forget its answer, as a core does that dies."""
        if request.path.endswith("/chat") and not cuts:
            cuts.append(1)
            asyncio.get_running_loop().call_later(0.05, _die, request)

    with served(authority, ScriptedModel("one ", "two"), sign=forget) as gateway:
        gateway.house.model.script = ("one ", asyncio.Event())

        def _die(request: web.Request) -> None:
            assert request.transport is not None
            gateway.house.store._answers.clear()
            gateway.house.model.script = ("one ", "two")
            request.transport.abort()

        write_client_file(gateway.url)
        assert cli.main(["ask", "count"]) == 0
    told = capsys.readouterr()
    assert told.out == "one \none two\n"
    assert "from the beginning" in told.err


def test_ask_falls_back_to_a_core_when_the_vip_is_silent(
    authority: Authority, write_client_file: WriteClientFile, silent_url: str, capsys: Capture
) -> None:
    with served(authority, ScriptedModel("here")) as gateway:
        write_client_file(silent_url, cores={"core1": silent_url, "core2": gateway.url})
        assert cli.main(["ask", "where?"]) == 0
    assert capsys.readouterr().out == "here\n"


def test_ask_says_when_nobody_answers(
    write_client_file: WriteClientFile, silent_url: str, capsys: Capture
) -> None:
    write_client_file(silent_url)
    assert cli.main(["ask", "where?"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert silent_url in told.err
    assert "make start" in told.err


def test_an_error_in_the_middle_ends_with_its_text_and_exit_1(
    authority: Authority, write_client_file: WriteClientFile, capsys: Capture
) -> None:
    with served(authority, ScriptedModel("one", errors.PermanentError("cut"))) as gateway:
        write_client_file(gateway.url)
        assert cli.main(["ask", "--language", "pl", "gdzie?"]) == 1
    told = capsys.readouterr()
    assert told.out == "one\n"
    assert "Model na rdzeniu 1 nie może odpowiedzieć" in told.err


class Recovering(ScriptedModel):
    """Fails at the first question, before any text."""

    async def stream(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        if not self.conversations:
            self.conversations.append(tuple(turns))
            raise errors.TransientError("its model is missing")
        async for piece in super().stream(turns):
            yield piece


def test_ask_asks_again_where_the_model_failed_before_any_text(
    authority: Authority, write_client_file: WriteClientFile, capsys: Capture
) -> None:
    with served(authority, Recovering("Warsaw")) as gateway:
        write_client_file(gateway.url)
        assert cli.main(["ask", "where?"]) == 0
        assert gateway.house.model.questions == ["where?", "where?"]
    told = capsys.readouterr()
    assert (told.out, told.err) == ("Warsaw\n", "")


def test_ctrl_c_in_ask_ends_with_130_and_no_traceback(
    authority: Authority, write_client_file: WriteClientFile
) -> None:
    with served(authority, ScriptedModel("one", asyncio.Event())) as gateway:
        write_client_file(gateway.url)
        process = subprocess.Popen(
            [
                "/usr/bin/env",  # a background job of a shell, and its children, ignore Ctrl-C
                "--default-signal=INT",
                sys.executable,
                "-m",
                "heyken_glue",
                "ask",
                "wait",
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.read(3) == "one"
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=4 * PATIENCE_SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in err
