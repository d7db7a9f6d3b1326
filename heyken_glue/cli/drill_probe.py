"""What a drill measures: small requests and streamed answers, until all is well again.

It runs beside the playbook and talks with it through files in one directory: it writes `ready` once
it has seen how things are, the playbook makes `mended` when the fault is over or `stop` to give up.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import pathlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from heyken_glue import errors
from heyken_glue.cli.api import Api, SseEvent
from heyken_glue.cli.ask import Asking
from heyken_glue.cli.client import ClientFile
from heyken_glue.cli.output import EXIT_OK, CliProblem, Console
from heyken_glue.domain.drills import Measures

INTERVAL_SECONDS = 0.05
CONNECT_SECONDS = 0.25
PATIENCE_SECONDS = 1.0
CALM_SECONDS = 3.0
WHOLE_SECONDS = 120.0
LIFE_SECONDS = 400.0
LOOK_SECONDS = 0.2
STATUS_SECONDS = LOCK_SECONDS = 2.0
QUESTION = "Write a long story about a lighthouse keeper and the sea."
Span = tuple[float, float]


@dataclass
class Requests:
    """Small requests to the VIP, begun at a fixed pace whatever became of the last; open loop."""

    url: str
    attempts: list[tuple[float, bool]] = field(default_factory=list)

    async def go_on(self, session: aiohttp.ClientSession) -> None:
        """Send them until cancelled; those under way are then decided."""
        due, running = time.monotonic(), set[asyncio.Task[None]]()
        try:
            while True:
                task = asyncio.ensure_future(self._one(session))
                running.add(task)
                task.add_done_callback(running.discard)
                due = max(due + INTERVAL_SECONDS, time.monotonic() - PATIENCE_SECONDS)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        finally:
            await asyncio.gather(*running, return_exceptions=True)

    async def _one(self, session: aiohttp.ClientSession) -> None:
        begun, good = time.monotonic(), False
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with session.get(f"{self.url}/readyz") as answer:
                good = answer.status == 200  # noqa: PLR2004
        self.attempts.append((begun, good))

    def gap(self, since: float, until: float) -> float:
        """Return the longest time in which none was answered, in seconds; 0 if none failed."""
        longest, good, failed = 0.0, since, False
        for begun, answered in sorted(one for one in self.attempts if since <= one[0] <= until):
            if answered and failed:
                longest = max(longest, begun - good)
            failed = not answered
            good = begun if answered else good
        return max(longest, until - good) if failed else longest

    def late(self, since: float) -> float:
        """Return the longest time between two of them: nothing shorter can be seen."""
        begins = sorted(begun for begun, _ in self.attempts if begun >= since)
        return max((b - a for a, b in itertools.pairwise(begins)), default=0.0)

    def count(self, since: float) -> tuple[int, int]:
        """Return how many there were, and how many of them failed."""
        tried = [good for begun, good in self.attempts if begun >= since]
        return len(tried), tried.count(False)


@dataclass
class Text:
    """What one person saw of one answer: when text came, and whether it is whole."""

    waits: list[Span] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0
    resumed: bool = False
    ended: bool = False
    over: bool = False


class Watched(Asking):
    """A question as `heyken ask` asks it, with an eye on what came when."""

    def __init__(self, api: Api) -> None:
        super().__init__(api, Console("en", as_json=True), QUESTION)
        self.text = Text()
        self._last, self._number = time.monotonic(), -1

    def _take(self, event: SseEvent) -> None:
        if event.name == "token":
            now = time.monotonic()
            self.text.waits.append((self._last, now))
            self._last = now
            self._compare(event)
        self.text.resumed = self.text.resumed or event.name == "resumed"
        super()._take(event)
        if event.name == "done":
            self.text.ended = True
            whole = int(event.data.get("text_length", 0))
            seen = len("".join(self._pieces))
            self.text.lost = max(self.text.lost, whole - seen)
            self.text.doubled = max(self.text.doubled, seen - whole)

    def _compare(self, event: SseEvent) -> None:
        """Events are numbered: one that comes twice, or not at all, is seen at once."""
        number = int(event.id.rpartition(":")[2] or -1)
        if number <= self._number:
            self.text.doubled += len(str(event.data["text"]))
        elif number > self._number + 1 and self._number >= 0:
            self.text.lost += number - self._number - 1
        self._number = max(number, self._number)

    def _forget(self) -> None:
        """Count what a person reads twice when the answer begins anew."""
        self.text.doubled += len("".join(self._pieces))
        self._number = -1
        super()._forget()

    def still_waiting(self, now: float) -> None:
        """Take note of a wait that came to no end."""
        self.text.waits.append((self._last, now))


@dataclass
class Answers:
    """Questions asked one after the other, so that one is being answered at any time."""

    texts: list[Text] = field(default_factory=list)
    last: Watched | None = None

    async def go_on(self, api: Api) -> None:
        """Ask until cancelled."""
        while True:
            self.last = Watched(api)
            self.texts.append(self.last.text)
            try:
                await self.last.run()
            except (CliProblem, errors.HeykenError):
                self.last.still_waiting(time.monotonic())
                await asyncio.sleep(LOOK_SECONDS)
            self.last.text.over = True

    def gap(self, since: float, until: float) -> float:
        """Return the longest wait for text that ended within that time, in seconds."""
        waits = [wait for text in self.texts for wait in text.waits]
        return max((end - start for start, end in waits if since <= end <= until), default=0.0)

    @property
    def has_text(self) -> bool:
        """Whether the answer being made has shown something."""
        return bool(self.texts and self.texts[-1].waits)


class Probe:
    """One drill's measuring."""

    def __init__(self, client_file: ClientFile, directory: pathlib.Path, drill_id: str) -> None:
        self._client_file, self._directory, self._drill_id = client_file, directory, drill_id
        self._requests, self._answers = Requests(client_file.url), Answers()
        self._began = self._ready = 0.0
        self._whole_ms: float | None = None

    async def run(self) -> dict[str, Any]:
        """Measure until the pair is whole after the fault; returns the measures."""
        async with Api(self._client_file, language="en") as api, self._session() as session:
            self._began = time.monotonic()
            tasks = (
                asyncio.ensure_future(self._requests.go_on(session)),
                asyncio.ensure_future(self._answers.go_on(api)),
                asyncio.ensure_future(self._heed_the_lock(api)),
            )
            try:
                async with asyncio.timeout(LIFE_SECONDS):
                    await self._watch(api)
            finally:
                over, last = time.monotonic(), self._answers.last
                if last is not None and not last.text.over:
                    last.still_waiting(over)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        return dataclasses.asdict(self._measures(over))

    def _session(self) -> aiohttp.ClientSession:
        """Return a session that makes a new connection for each request, as a new client does."""
        trust = ssl.create_default_context(cafile=str(self._client_file.ca_file))
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust, force_close=True, limit=0),
            timeout=aiohttp.ClientTimeout(total=PATIENCE_SECONDS, sock_connect=CONNECT_SECONDS),
        )

    async def _watch(self, api: Api) -> None:
        await self._until(lambda: time.monotonic() - self._began > CALM_SECONDS)
        await self._until(lambda: self._answers.has_text)
        self._ready = time.monotonic()
        (self._directory / "ready").touch()
        await self._until((self._directory / "mended").exists)
        mended, met = time.monotonic(), self._answers.texts[-1]
        while time.monotonic() - mended < WHOLE_SECONDS and not self._stopped():
            if await self._is_whole(api):
                self._whole_ms = _ms(time.monotonic() - mended)
                # the answer that the fault met is heard to its end
                await self._until(lambda: met.over)
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition() and not self._stopped():  # noqa: ASYNC110 - files have no event
            await asyncio.sleep(INTERVAL_SECONDS)

    def _stopped(self) -> bool:
        return (self._directory / "stop").exists()

    async def _heed_the_lock(self, api: Api) -> None:
        """End when somebody else has ended the drill: the playbook may be gone."""
        while True:
            await asyncio.sleep(LOCK_SECONDS)
            with contextlib.suppress(errors.HeykenError, CliProblem):
                body = await api.call_json(
                    api.doors[0], "GET", "/drills", timeout_seconds=STATUS_SECONDS
                )
                if (body.get("running") or {}).get("id") != self._drill_id:
                    (self._directory / "stop").touch()

    async def _is_whole(self, api: Api) -> bool:
        with contextlib.suppress(errors.HeykenError, CliProblem):
            status = await api.call_json(
                api.doors[0], "GET", "/status", timeout_seconds=STATUS_SECONDS
            )
            return status.get("whole") is True
        return False

    def _measures(self, over: float) -> Measures:
        since, texts = self._ready or over, self._answers.texts
        reach, text = self._requests.gap(since, over), self._answers.gap(since, over)
        calm = self._requests.gap(self._began, since), self._answers.gap(self._began, since)
        tried, failed = self._requests.count(since)
        done = [one for one in texts if one.over]
        return Measures(
            rto_ms=_ms(max(reach, text)),
            reach_ms=_ms(reach),
            text_ms=_ms(text),
            calm_ms=_ms(max(calm)),
            late_ms=_ms(self._requests.late(since)),
            whole_ms=self._whole_ms,
            requests=tried,
            requests_failed=failed,
            answers=len(done),
            answers_lost=sum(not one.ended for one in done),
            answers_resumed=sum(one.resumed for one in texts),
            characters_lost=sum(one.lost for one in texts),
            characters_doubled=sum(one.doubled for one in texts),
        )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def run(console: Console, client_file: ClientFile, directory: pathlib.Path, drill_id: str) -> int:
    """Measure, and print the measures as JSON."""
    console.json(asyncio.run(Probe(client_file, directory, drill_id).run()))
    return EXIT_OK
