"""Our own clients, asking all the time: small questions and the status, a few a second.

It is a process of its own (`python -m bench.clients FILE`, the client file), so that what the bench
does meanwhile delays nobody. For each request that ended it writes a line of JSON, a `Request`; it
ends when its standard input does. Requests do not wait for each other. Each is tried as the command
line tries it: the address first, again after a break or a refusal, then each core by itself.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from heyken_glue import errors
from heyken_glue.cli import client, environment
from heyken_glue.cli.api import Api, Door
from heyken_glue.cli.ask import Asking
from heyken_glue.cli.client import ClientFile
from heyken_glue.cli.output import CliProblem, Console

CHAT_EVERY_SECONDS, STATUS_EVERY_SECONDS = 1.0, 0.5
# a machine that is slow is not asked more and more: the token's limits are not what is measured
AT_ONCE_MAX = 4
STATUS_SECONDS, END_SECONDS = 5.0, 90.0
QUESTIONS = ("What is the capital of Poland?", "What is the capital of Italy?")
STATES = frozenset({"online", "degraded", "offline"})


@dataclass(frozen=True)
class Request:
    """One request: `begun` in seconds since 1970; `told` is the answer or why there was none.

    An answer is wrong if it is another one than before anything was broken, unless its core was
    lost in the middle and the model went on with it, which may end in other words.
    """

    kind: str
    begun: float
    took: float
    succeeded: bool
    wrong: bool
    told: str


@dataclass(frozen=True)
class Kept(Console):
    """Keeps what a command says for programs."""

    told: dict[str, Any] = field(default_factory=dict)

    def json(self, value: object) -> None:
        """Keep it instead of writing it."""
        if isinstance(value, dict):
            self.told.update(value)

    def note(self, text: object) -> None:
        """Leave out what is said beside the result."""


class Clients:
    """The clients' process; `requests` grows while it runs."""

    def __init__(self, client_file: Path) -> None:
        self.requests: list[Request] = []
        self._command = [sys.executable, "-m", "bench.clients", str(client_file)]
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ask nothing more, and wait for what is on its way."""
        assert self._process is not None  # noqa: S101 - it was started
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.close()
        self._reader.join(END_SECONDS)
        self._process.kill()
        self._process.wait()

    def between(self, begin: float, end: float) -> list[Request]:
        """Return the requests that began between two times."""
        return [one for one in tuple(self.requests) if begin <= one.begun < end]

    def online_after(self, moment: float) -> float | None:
        """Return when a status that was asked for after `moment` first said online."""
        good = (
            one.begun + one.took
            for one in tuple(self.requests)
            if one.kind == "status" and one.begun >= moment and one.told == "online"
        )
        return min(good, default=None)

    def _read(self) -> None:
        assert self._process is not None  # noqa: S101 - it was started
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        for line in self._process.stdout:
            self.requests.append(Request(**json.loads(line)))


Told = tuple[bool, str]  # whether it is wrong, and what was told
Call = Callable[[], Awaitable[Told]]


async def _ask(client_file: ClientFile, question: str, expected: str | None) -> Told:
    console = Kept("en", as_json=True)
    async with Api(client_file, language="en") as api:
        asking = Asking(api, console, question)
        await api.at_some_door(asking.attempt)
    asking.conclude()
    answer = str(console.told.get("response", ""))
    as_before = expected is None or answer == expected
    return not as_before and console.told.get("resumed") != "continued", answer


async def _status(client_file: ClientFile) -> Told:
    async def call(door: Door) -> dict[str, Any]:
        return await api.call_json(door, "GET", "/status", timeout_seconds=STATUS_SECONDS)

    async with Api(client_file, language="en") as api:
        _door, told = await api.at_some_door(call)
    state = str(told.get("status"))
    return state not in STATES, state


async def _note(kind: str, call: Call) -> None:
    begun, wrong = time.time(), False
    try:
        wrong, told = await call()
        succeeded = True
    except (errors.HeykenError, CliProblem, TimeoutError) as error:
        succeeded, told = False, f"{type(error).__name__}: {error}"
    request = Request(kind, begun, time.time() - begun, succeeded, wrong, told)
    sys.stdout.write(json.dumps(dataclasses.asdict(request)) + "\n")
    sys.stdout.flush()


async def _keep_asking(kind: str, every: float, calls: Sequence[Call]) -> None:
    running: set[asyncio.Task[None]] = set()
    due = time.monotonic()
    for call in itertools.cycle(calls):
        if _ended.is_set():
            break
        if len(running) < AT_ONCE_MAX:
            task = asyncio.ensure_future(_note(kind, call))
            running.add(task)
            task.add_done_callback(running.discard)
        due += every
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    await asyncio.gather(*running)


_ended = threading.Event()


async def _all(client_file: ClientFile) -> None:
    expected = {question: (await _ask(client_file, question, None))[1] for question in QUESTIONS}
    questions = [partial(_ask, client_file, *pair) for pair in expected.items()]
    await asyncio.gather(
        _keep_asking("chat", CHAT_EVERY_SECONDS, questions),
        _keep_asking("status", STATUS_EVERY_SECONDS, [partial(_status, client_file)]),
    )


def main() -> None:
    """Ask until standard input ends."""

    def wait() -> None:
        sys.stdin.read()
        _ended.set()

    threading.Thread(target=wait, daemon=True).start()
    asyncio.run(_all(client.load({environment.CLIENT_FILE: sys.argv[1]})))


if __name__ == "__main__":
    main()
