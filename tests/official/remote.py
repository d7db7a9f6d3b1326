"""Official clients at work in processes of their own, ordered about line by line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 30.0
LINE_BYTES = 16 * 1024 * 1024
PROGRAMS = Path(__file__).parent / "programs"


class RaisedError(Exception):
    """The client raised; `kind` is the name of what it raised."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind, self.text = kind, text


class Remote:
    """One client. Its events are kept in the order of their coming until they are asked for."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.heard: list[dict[str, Any]] = []  # all events, asked for or not

    async def call(self, call: str, *args: Any, **kwargs: Any) -> Any:
        """Give an order and return its result; RaisedError is what the client raised."""
        order = json.dumps({"call": call, "args": args, "kwargs": kwargs})
        assert self._process.stdin is not None
        self._process.stdin.write(order.encode() + b"\n")
        await self._process.stdin.drain()
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await self._answers.get()
        if "raised" in answer:
            raise RaisedError(answer["raised"], answer["text"])
        return answer["result"]

    async def event(self, name: str) -> list[Any]:
        """Return the arguments of the next event of this name; others before it are passed by."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                event = await self._events.get()
                if event["event"] == name:
                    return list(event["args"])

    def left(self) -> list[dict[str, Any]]:
        """Return the events that came and were not asked for."""
        return [self._events.get_nowait() for _ in range(self._events.qsize())]

    async def listen(self) -> None:
        """Sort what the client says, and let pytest show it if the test fails."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            sys.stdout.write(f"client: {line.decode(errors='replace')}")
            said = json.loads(line)
            if "event" in said:
                self.heard.append(said)
                self._events.put_nowait(said)
            else:
                self._answers.put_nowait(said)
        self._answers.put_nowait({"raised": "exit", "text": "the client's process ended"})


@contextlib.asynccontextmanager
async def remote(command: Sequence[str | Path], home: Path) -> AsyncIterator[Remote]:
    """Run a client for as long as the context lasts."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=home,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    client = Remote(process)
    listening = asyncio.create_task(client.listen())
    try:
        yield client
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await listening
