"""`heyken ask`: one question, its answer as it comes, through breaks of the connection."""

from __future__ import annotations

import asyncio
import secrets
import sys
from typing import Any

from heyken_glue.cli.api import (
    Api,
    BusyError,
    Door,
    NobodyError,
    RefusedError,
    SilentError,
    SseEvent,
)
from heyken_glue.cli.client import ClientFile
from heyken_glue.cli.output import EXIT_OK, EXIT_REFUSED, EXIT_USAGE, CliProblem, Console
from heyken_glue.domain import delivered
from heyken_glue.texts import text as _

CHAT = "/api/v1/chat"
# the answer is not known there (any more), or not as far as we had it
CANNOT_RESUME = frozenset({400, 404})
# a stream that begins with one of these was turned away as a 503 is: asked again, it may go well
TURNED_AWAY = frozenset({"model_unavailable", "draining", "cancelled"})
AGAIN_SECONDS = 1.0
# how often all doors are tried for an answer that has begun, without a sign of life in between
ROUNDS_MAX = 5


def read_question(words: list[str]) -> str:
    """Return the question: the words, or stdin for `-`."""
    question = " ".join(words) if words != ["-"] else ""
    if words == ["-"] and sys.stdin is not None:  # it was closed: nothing was asked
        try:
            question = sys.stdin.buffer.read().decode("utf-8")
        except UnicodeDecodeError:
            raise CliProblem(
                _("What came on standard input is not UTF-8 text."),
                _("Give the question as text."),
                exit_code=EXIT_USAGE,
            ) from None
    if not question.strip():
        raise CliProblem(
            _("The question is empty."),
            _('Write it behind the command: heyken ask "what is the capital of Poland?"'),
            exit_code=EXIT_USAGE,
        )
    return question


def ask(console: Console, client_file: ClientFile, question: str) -> int:
    """Ask and print; returns the exit code."""
    return asyncio.run(_ask(console, client_file, question))


async def _ask(console: Console, client_file: ClientFile, question: str) -> int:
    async with Api(client_file, language=console.language) as api:
        asking = Asking(api, console, question)
        await asking.run()
    return asking.conclude()


class Asking:
    """One question on its way: what was received so far, and where to go on."""

    def __init__(self, api: Api, console: Console, question: str) -> None:
        self._api = api
        self._console = console
        self._question = question
        # asked again under the same key, the question gets the same answer
        self._key = secrets.token_hex(16)
        self._heard = 0  # events and heartbeats
        self._resumed: dict[str, Any] = {}
        self._last_id: str | None = None
        self._start: dict[str, Any] = {}
        self._pieces: list[str] = []
        self._done: dict[str, Any] = {}
        self._restarts = 0

    async def run(self) -> None:
        """Ask wherever somebody answers; an answer that has begun is not given up soon.

        Whoever has read a part of it has seen the deployment alive: that nobody answers in time
        means then that an address moves or that a machine is busy.
        """
        given_up = 0
        while True:
            before = self._heard
            try:
                await self._api.at_some_door(self.attempt)
            except NobodyError:
                given_up = 1 if self._heard > before else given_up + 1
                if not self._start or given_up >= ROUNDS_MAX:
                    raise
            else:
                return

    async def attempt(self, door: Door) -> None:
        """Ask, and go on where the stream breaks; SilentError when it never gave a sign of life.

        A busy machine may fall silent again and again: as long as heartbeats come in between, that
        costs a connection each time, and never the answer.
        """
        while True:
            before = self._heard
            try:
                return await self._once(door)
            except SilentError:
                if self._heard == before:
                    raise

    async def _once(self, door: Door) -> None:
        if self._last_id is not None:
            try:
                await self._resume(door)
            except RefusedError as error:
                if error.status not in CANNOT_RESUME:
                    raise
                self._forget()
            else:
                return
        body = {"message": self._question, "stream": True}
        headers = {"Accept": "text/event-stream", "Idempotency-Key": self._key}
        async with self._api.stream(door, "POST", CHAT, json=body, headers=headers) as events:
            await self._follow(events)

    async def _resume(self, door: Door) -> None:
        path = f"{CHAT}/{self._start['id']}/events"
        headers = {"Last-Event-ID": self._last_id}
        # the core that goes on may know fewer tokens than we have
        if told := delivered.encoded(self._pieces):
            headers[delivered.HEADER] = told
        async with self._api.stream(door, "GET", path, headers=headers) as events:
            await self._follow(events)

    async def _follow(self, events: Any) -> None:  # noqa: ANN401 - an iterator of SseEvent
        async for event in events:
            self._take(event)
        if not self._done:
            raise SilentError("the stream ended before the answer did")

    def _take(self, event: SseEvent) -> None:
        self._heard += 1
        self._last_id = event.id or self._last_id
        if event.name == "start":
            self._start = dict(event.data)
        elif event.name == "token":
            self._pieces.append(str(event.data["text"]))
            if not self._console.as_json:
                self._console.piece(self._pieces[-1])
        elif event.name == "resumed":
            self._resumed = dict(event.data)
        elif event.name == "done":
            self._done = dict(event.data)
        elif event.name == "error":
            if not self._pieces and event.data.get("code") in TURNED_AWAY:
                self._last_id, self._start = None, {}
                raise BusyError(event.data, retry_after=AGAIN_SECONDS)
            self._end_line()
            raise CliProblem(str(event.data.get("error", "")), exit_code=EXIT_REFUSED)

    def _forget(self) -> None:
        """Begin again: whoever was answering is gone, and its answer with it."""
        if self._pieces:
            self._end_line()
            self._console.note(
                _("The core that was answering is gone; another one answers from the beginning.")
            )
        self._restarts += 1
        self._last_id, self._start, self._pieces = None, {}, []

    def _end_line(self) -> None:
        if self._pieces and not self._console.as_json:
            self._console.say("")

    def conclude(self) -> int:
        """Finish the output after the last event."""
        if self._console.as_json:
            response = "".join(self._pieces)
            whole = {**self._start, **self._resumed, **self._done}
            result = {"success": True, "response": response, **whole}
            self._console.json({**result, "restarts": self._restarts})
        else:
            self._console.say("")
        return EXIT_OK
