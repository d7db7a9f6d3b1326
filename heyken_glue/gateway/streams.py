"""Following an answer: as server-sent events with heartbeats and a resume point, or as a whole."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass

from aiohttp import web

from heyken_glue.gateway.answer import AHEAD_MAX, Answer
from heyken_glue.gateway.problems import Problem
from heyken_glue.runtime.moving_timeout import MovingTimeout
from heyken_glue.texts import text as _

# one write is never larger than a few KiB: TLS transports feel a slow reader only between writes
BATCH_EVENTS = 64
HEARTBEAT = b": hb\n\n"
STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


@dataclass(frozen=True)
class StreamTimes:
    """Seconds: between heartbeats, for one write, and to wait for a failure before status 200."""

    heartbeat: float
    write_timeout: float = 10.0
    status_patience: float = 0.1


async def whole(answer: Answer) -> None:
    """Wait until the answer is complete."""
    while not answer.finished:
        await answer.wait_beyond(len(answer.events))


async def refuse_if_failed_early(answer: Answer, times: StreamTimes) -> None:
    """Raise Problem if the answer fails before its first token and soon.

    The status goes out before the first event, so a failure is looked for a moment longer; a
    stream that is only slow starts with status 200.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(times.status_patience):
            await answer.wait_beyond(1)
    if answer.failure is not None and answer.tokens == 0:
        failure = answer.failure
        raise Problem.of(failure)


async def follow(
    request: web.Request, answer: Answer, times: StreamTimes, *, start_at: int = 0
) -> web.StreamResponse:
    """Send the answer's events from number `start_at` on, until its end."""
    response = web.StreamResponse(headers=STREAM_HEADERS)
    await response.prepare(request)
    with MovingTimeout() as timeout:
        reader = Reader(request, response, times, timeout)
        position, told = start_at, None
        while position < len(answer.events) or not answer.finished:
            if answer.resumed is not told:
                told = answer.resumed
                await reader.write(_resumed(answer))
            if await reader.sees(answer, position):
                batch = answer.events[position : position + BATCH_EVENTS]
                await reader.write(b"".join(event.frame for event in batch))
                position += len(batch)
            else:
                await reader.write(HEARTBEAT)
        # it became no longer than what the reader has of it already
        if position == start_at >= len(answer.events) > 0:
            await reader.write(answer.events[-1].frame)
    answer.delivered()
    return response


def _resumed(answer: Answer) -> bytes:
    """Return the event that tells how the answer went on; without a number, as no token moves."""
    return f"event: resumed\ndata: {json.dumps(answer.provenance)}\n\n".encode()


@dataclass(frozen=True)
class Reader:
    """Whoever follows an answer, and how long may be waited for what comes and for them."""

    request: web.Request
    response: web.StreamResponse
    times: StreamTimes
    timeout: MovingTimeout

    async def sees(self, answer: Answer, position: int) -> bool:
        """Wait for an event beyond `position`; False means that a heartbeat is due."""
        if position >= len(answer.events):
            until = asyncio.get_running_loop().time() + self.times.heartbeat
            with contextlib.suppress(TimeoutError):
                await self.timeout.wait(answer.wait_beyond(position), until=until)
        return position < len(answer.events)

    async def write(self, data: bytes) -> None:
        """Write, but not for ever: who does not read loses the connection, not the answer."""
        until = asyncio.get_running_loop().time() + self.times.write_timeout
        try:
            await self.timeout.wait(self.response.write(data), until=until)
        except TimeoutError:
            if self.request.transport is not None:
                self.request.transport.abort()  # closing would wait for the reader once more
            raise ConnectionResetError("the reader does not read") from None


def resume_point(last_event_id: str | None, answer: Answer) -> int:
    """Return the number of the first event to send after `last_event_id` (`<answer id>:<n>`)."""
    if last_event_id is None:
        return 0
    number = event_number(last_event_id, answer.id)
    known = len(answer.events) + (AHEAD_MAX if answer.catching_up else 0)
    if number is None or number >= known:
        raise Problem(
            400,
            "bad_resume_point",
            _("“Last-Event-ID” does not name an event of this answer. Send the id of the last "
              "event you received, or leave the header out to get all of them."),
        )  # fmt: skip
    return number + 1


def event_number(event_id: str, answer_id: str) -> int | None:
    """Return the number in an event's id; None if it is no id of an event of that answer."""
    id_, _colon, number = event_id.rpartition(":")
    valid = id_ == answer_id and number.isascii() and number.isdigit() and len(number) <= 9  # noqa: PLR2004
    return int(number) if valid else None
