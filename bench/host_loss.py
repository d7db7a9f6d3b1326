"""T6, T7: the holder is killed, as Heyken's own client sees it: slowest request, broken stream."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bench.figures import Figure, tell
from bench.pair import Pair, until
from bench.staging import scripted
from heyken_glue import errors
from heyken_glue.cli import ask, client, environment, status
from heyken_glue.cli.api import Api, Door, SilentError
from heyken_glue.cli.client import ClientFile
from heyken_glue.cli.output import CliProblem
from lab.cables import cables, unplug
from lab.faults import Host

QUESTION, LONG = "Count to 5 every 10 ms", "Count to 400 every 50 ms"
STATUS_EVERY_SECONDS, ASK_EVERY_SECONDS = 0.1, 0.1
BEFORE_SECONDS, ADVERT_SECONDS, AFTER_SECONDS = 1.0, 0.01, 2.5
REQUEST_LIMIT_MS, BREAK_LIMIT_MS = 800, 600
STATUS, ASKED = "status", "question"


@dataclass(frozen=True)
class Call:
    """One request of a client of its own: when it began, how long it took (s), what went wrong."""

    kind: str
    begun: float
    took: float
    problem: str = ""


@dataclass
class Silence:
    """A console that nobody looks at."""

    language: str = "en"
    as_json: bool = False
    pretty: bool = False
    text: list[str] = field(default_factory=list)

    def piece(self, text: str) -> None:
        """Keep a piece of the answer."""
        self.text.append(text)

    def say(self, *_text: object) -> None:
        """Say nothing."""

    note = say


@dataclass(frozen=True)
class Loss:
    """One kill: all calls around it, and how long (s) a reader took to learn that it broke."""

    killed: float
    calls: list[Call]
    learnt: float

    def calls_before(self) -> list[Call]:
        """Return the calls that were over before the kill."""
        return [call for call in self.calls if call.begun + call.took < self.killed]


def measure(pair: Pair, repeats: int) -> list[Figure]:
    """Kill the holder `repeats` times, while people ask."""
    file = client.load({**os.environ, environment.CLIENT_FILE: str(pair.lab.client_file)})
    with scripted(pair):
        losses = [_lose(pair, file) for _ in range(repeats)]
    return [*(_slowest(kind, losses) for kind in (STATUS, ASKED)), _broken(losses, file)]


def _lose(pair: Pair, file: ClientFile) -> Loss:
    pair.wait_whole()
    holder = pair.holder()
    loss = asyncio.run(_watch(pair.cores[holder], file))
    pair.cores[holder].start()
    until(lambda: pair.holder() != holder, "the other core holds the address", 30)
    tell(f"{holder} lost, seen after {loss.learnt * 1000:.0f} ms; {_told(loss)}")
    return loss


def _told(loss: Loss) -> str:
    """Return the slowest of each kind, and what went wrong."""
    told = []
    for kind in (STATUS, ASKED):
        one = max((call for call in loss.calls if call.kind == kind), key=lambda call: call.took)
        told.append(f"{kind} {one.took * 1000:.0f} ms from {(one.begun - loss.killed) * 1000:+.0f}")
    return ", ".join(
        [*told, *(f"{call.kind}: {call.problem}" for call in loss.calls if call.problem)]
    )


async def _watch(core: Host, file: ClientFile) -> Loss:
    """Ask all the time, kill the core meanwhile, and return what became of it."""
    calls: list[asyncio.Task[Call]] = []
    streaming, pulled = asyncio.Event(), cables(core)
    reading = asyncio.create_task(_read(file, streaming))
    await streaming.wait()
    asking = [
        asyncio.create_task(_again_and_again(calls, _status, file, STATUS_EVERY_SECONDS)),
        asyncio.create_task(_again_and_again(calls, _question, file, ASK_EVERY_SECONDS)),
    ]
    await asyncio.sleep(BEFORE_SECONDS + random.uniform(0, ADVERT_SECONDS))  # noqa: S311
    killed = time.monotonic()
    await asyncio.to_thread(unplug, core, pulled)
    await asyncio.sleep(AFTER_SECONDS)
    for task in asking:
        task.cancel()
    return Loss(killed, list(await asyncio.gather(*calls)), await reading - killed)


async def _again_and_again(
    calls: list[asyncio.Task[Call]],
    call: Callable[[ClientFile], Awaitable[Call]],
    file: ClientFile,
    seconds: float,
) -> None:
    """Begin a call every so many seconds, whatever became of the last one."""
    due = time.monotonic()
    while True:
        calls.append(asyncio.ensure_future(call(file)))
        due += seconds
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def _status(file: ClientFile) -> Call:
    """Do what `heyken status` does."""
    return await _timed(STATUS, status.fetch(_console(), file))


async def _question(file: ClientFile) -> Call:
    """Do what `heyken ask` does."""
    return await _timed(ASKED, _ask(file))


async def _ask(file: ClientFile) -> None:
    console = _console()
    async with Api(file, language="en") as api:
        await api.at_some_door(ask.Asking(api, console, QUESTION).attempt)
    if "".join(console.text) != "1 2 3 4 5 ":
        raise errors.PermanentError(f"wrong answer {''.join(console.text)!r}")


async def _timed(kind: str, call: Awaitable[object]) -> Call:
    begun, problem = time.monotonic(), ""
    try:
        await call
    except (CliProblem, errors.HeykenError) as error:
        problem = str(error) or type(error).__name__
    return Call(kind, begun, time.monotonic() - begun, problem)


async def _read(file: ClientFile, streaming: asyncio.Event) -> float:
    """Read a long answer; return when the reader learnt that its stream broke."""
    body = {"message": LONG, "stream": True}
    async with Api(file, language="en") as api:
        vip: Door = api.doors[0]
        try:
            async with api.stream(vip, "POST", ask.CHAT, json=body) as events:
                async for _event in events:
                    streaming.set()
        except SilentError:
            return time.monotonic()
    raise errors.PermanentError("the answer ended before its core was killed")


def _console() -> Any:  # noqa: ANN401 - as much of a console as is used here
    return Silence()


def _slowest(kind: str, losses: list[Loss]) -> Figure:
    calls = [call for loss in losses for call in loss.calls if call.kind == kind]
    calm = [call for loss in losses for call in loss.calls_before() if call.kind == kind]
    worst = [max(c.took for c in loss.calls if c.kind == kind) * 1000 for loss in losses]
    failed = sum(bool(call.problem) for call in calls)
    usual = statistics.median(call.took for call in calm) * 1000
    return Figure(
        name=f"T6 slowest {kind} in a host loss",
        value=f"median {statistics.median(worst):.0f} ms, max {max(worst):.0f} ms in "
        f"{len(losses)} kills; {failed} failed of {len(calls)}",
        reference=f"{usual:.0f} ms undisturbed",
        ratio=max(worst) / usual,
        target=f"≤ {REQUEST_LIMIT_MS} ms, 0 failed",
        reached=not failed and max(worst) <= REQUEST_LIMIT_MS,
    )


def _broken(losses: list[Loss], file: ClientFile) -> Figure:
    learnt = [loss.learnt * 1000 for loss in losses]
    silence = file.stream_silence_seconds * 1000
    return Figure(
        name="T7 reader learns that its stream broke",
        value=f"median {statistics.median(learnt):.0f} ms, max {max(learnt):.0f} ms in "
        f"{len(losses)} kills",
        reference=f"{silence:.0f} ms without a byte, heartbeats each 100 ms",
        ratio=max(learnt) / silence,
        target=f"≤ {BREAK_LIMIT_MS} ms",
        reached=max(learnt) <= BREAK_LIMIT_MS,
    )
