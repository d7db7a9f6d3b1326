"""Requests that two programs could read in two ways, and ten thousand damaged ones."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import aiohttp
import pytest

from heyken_glue.domain.turns import Turn
from heyken_glue.gateway import producer, server
from heyken_glue.gateway.app import Limits
from tests.support.doors import (
    PATIENCE_SECONDS,
    TOKENS,
    House,
    Plan,
    ScriptedModel,
    eventually,
    sse_events,
)
from tests.unit.gateway.conftest import OpenHouse

TOKEN = TOKENS["operator"][0].encode()
BODY = b'{"message": "smuggled"}'
START = b"POST /api/v1/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HEAD = START + b"Authorization: Bearer " + TOKEN + b"\r\n"
SECOND = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = b"Transfer-Encoding: chunked\r\n"
REFUSED = re.compile(rb"HTTP/1\.[01] 4\d\d ")
SEED = 20261121
MUTATIONS, TOGETHER = 10_000, 64


@pytest.mark.parametrize(
    "head_and_body",
    [
        b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
        CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"Content-Length: 5, 6\r\n\r\nhello",
        b"Content-Length: +5\r\n\r\nhello",
        b"Content-Length: -5\r\n\r\nhello",
        b"Content-Length: 0x5\r\n\r\nhello",
        b"Content-Length: 5_0\r\n\r\nhello",
        b"Content-Length : 5\r\n\r\nhello",
        b"Content-Length: " + b"9" * 40 + b"\r\n\r\nhello",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\nhello",
        b"Transfer-Encoding\r\n : chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"\r\nzz\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"\r\n-5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"\r\n5\r\nhello, longer than it said\r\n0\r\n\r\n",
        CHUNKED + b"\r\n" + b"f" * 40 + b"\r\nhello\r\n0\r\n\r\n",
        b"X-Folded: a\r\n Content-Length: 5\r\n\r\nhello",
    ],
)
async def test_what_could_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read(
    house: House, head_and_body: bytes
) -> None:
    received = await house.knock(HEAD + head_and_body + SECOND)
    assert REFUSED.match(received), received
    assert received.count(b"\r\nServer: heyken") == 1, f"one answer and no second one: {received!r}"
    body = json.loads(received.partition(b"\r\n\r\n")[2])
    assert body["success"] is False
    assert len(body["error"]) > 20
    assert not house.model.questions


async def test_a_chunked_body_that_breaks_off_is_no_question(open_with: OpenHouse) -> None:
    limits = Limits(message_bytes_max=65536, body_timeout_seconds=0.1)
    house = await open_with(ScriptedModel(), Plan(limits=limits))
    received = await house.knock(HEAD + CHUNKED + b"\r\n100\r\n" + BODY)
    assert received.startswith(b"HTTP/1.1 408 "), received
    assert not house.model.questions


class NeighbourlyModel(ScriptedModel):
    """Answers at once, but to one neighbour only when the others are through."""

    def __init__(self) -> None:
        super().__init__()
        self.going = asyncio.Event()

    async def stream(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        """Answer the last turn."""
        yield "one "
        if turns[-1].content == "neighbour":
            await self.going.wait()
            yield "two"


def damaged(chance: random.Random) -> bytes:
    """Return a valid request with a few things done to it that no client should do."""
    data = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data))
        to = min(len(data), at + chance.randint(1, 20))
        data = chance.choice(
            (
                data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
                data[:at] + bytes([chance.randrange(256)]) + data[at:],
                data[:at] + data[to:],
                data[:to] + data[at:],
                data[:at] + chance.choice(PARTS) + data[at:],
                data[:at],
            )
        )
        if not data:
            return b"\r\n"
    return data


PARTS = (
    b"\r\n", b"\r", b"\n", b"\0", b"\xff\xfe", b": ", b"%00", b"\r\n\r\n", CHUNKED, b"HTTP/1.1",
    b"Content-Length: 7\r\n", b"9" * 30, b"A" * 17_000, b"[" * 500, b"\\ud800", b"Bearer ",
    b"Expect: 100-continue\r\n", b"Upgrade: websocket\r\nConnection: Upgrade\r\n", b"G / HTTP/1.0",
)  # fmt: skip


@contextlib.asynccontextmanager
async def without_tls(house: House, plan: Plan) -> AsyncIterator[int]:
    """Serve the same application by the same server: much more in a second than with handshakes."""
    door = server.Door("en", plan.patience, house.doors.metrics)
    loop = asyncio.get_running_loop()
    async with server._running(house.doors.public_app(), door) as factory:
        listener = await loop.create_server(factory, "127.0.0.1", 0, backlog=server.BACKLOG)
        yield listener.sockets[0].getsockname()[1]
        listener.close()


async def exchange(port: int, data: bytes) -> bytes:
    """Send bytes and return what comes until the other side ends it."""
    received = b""
    async with asyncio.timeout(PATIENCE_SECONDS * 24):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            writer.write(data)
            while piece := await reader.read(65536):
                received += piece
        writer.transport.abort()
    return received


async def damage(port: int, chance: random.Random, count: int) -> Counter[str]:
    """Send damaged requests; return how many got each status, or were `cut` without a word."""
    places, seen = asyncio.Semaphore(TOGETHER), Counter[str]()

    async def knock(data: bytes) -> None:
        async with places:
            received = await exchange(port, data)
        status = received[9:12].decode() if received else "cut"
        seen[status] += 1
        assert not received or received.startswith(b"HTTP/"), (data, received)
        assert not status.startswith("5"), (data, received)
        assert b"Traceback" not in received, (data, received)
        assert b"aiohttp" not in received, (data, received)

    await asyncio.gather(*(knock(damaged(chance)) for _ in range(count)))
    return seen


async def test_ten_thousand_damaged_requests_harm_nobody(open_with: OpenHouse) -> None:
    chance, seen, objects = random.Random(SEED), Counter[str](), []  # noqa: S311 - no secret
    print(f"seed {SEED}")
    plan = Plan(
        limits=Limits(message_bytes_max=65536, body_timeout_seconds=0.1),
        deadlines=producer.Deadlines(first_token=600, token_gap=600, answer=600),
        patience=server.Patience(head=0.1, write=1.0, shutdown=0.1),
    )
    model = NeighbourlyModel()
    house = await open_with(model, plan)
    client = await house.client()
    neighbour = client.post(
        "/api/v1/chat",
        json={"message": "neighbour"},
        headers={"Accept": "text/event-stream"},
        timeout=aiohttp.ClientTimeout(total=None),
    )
    async with without_tls(house, plan) as port, neighbour as other:
        events = sse_events(other)
        first = [(await anext(events)).name for _ in range(2)]
        for _half in range(2):
            seen += await damage(port, chance, MUTATIONS // 2)
            gc.collect()
            objects.append(len(gc.get_objects()))
        model.going.set()
        rest = [event.name async for event in events if event.name != ":"]
    assert first + rest == ["start", "token", "token", "done"]
    assert {"200", "400", "401", "cut"} <= seen.keys(), seen
    assert objects[1] - objects[0] < MUTATIONS, "each request leaves something behind"
    await eventually(lambda: house.doors.admission.queue.running == 0)
