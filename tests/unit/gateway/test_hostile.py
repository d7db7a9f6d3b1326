"""Clients that are slow, endless, half gone or rude: cut off, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from typing import Any

import pytest
from aiohttp import web

from heyken_glue.gateway import server
from heyken_glue.gateway.app import Limits
from heyken_glue.gateway.middleware import HEAD_BYTES_MAX
from heyken_glue.services import gateway
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

ASK = {"message": "What is the capital of Poland?"}
STREAM = {"Accept": "text/event-stream"}
HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
AUTHORIZED = b"Authorization: Bearer " + TOKENS["operator"][0].encode() + b"\r\n"
QUESTION = (
    b"POST /api/v1/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    + AUTHORIZED
)
HASTY = server.Patience(handshake=0.3, head=0.3, write=0.3, shutdown=0.2)


async def connect(house: House) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection of bare bytes."""
    return await asyncio.open_connection("127.0.0.1", house.port, ssl=house.tls())


async def until_cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Return what comes until the other side is gone."""
    received = b""
    async with asyncio.timeout(PATIENCE_SECONDS):
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while piece := await reader.read(100_000):
                received += piece
        writer.close()
    return received


def body_of(received: bytes) -> dict[str, Any]:
    """Return the JSON body of one response."""
    parsed: dict[str, Any] = json.loads(received.partition(b"\r\n\r\n")[2])
    return parsed


LARGE_HEADS = [
    HEALTHZ + b"X-Large: " + b"x" * 17_000 + b"\r\n\r\n",
    HEALTHZ + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 1000) for n in range(17)) + b"\r\n",
    b"GET /healthz?" + b"x" * 17_000 + b" HTTP/1.1\r\n\r\n",
    HEALTHZ + b"Cookie: " + b"x" * 17_000,
]


@pytest.mark.parametrize("head", LARGE_HEADS)
@pytest.mark.parametrize("language", ["en", "pl"])
async def test_a_head_over_16_kib_gets_431_and_a_text(
    open_with: OpenHouse, head: bytes, language: str
) -> None:
    house = await open_with(ScriptedModel(), Plan(language=language))
    received = await house.knock(head)
    assert received.split(b" ")[1] == b"431", received
    assert body_of(received)["code"] == "head_too_large"
    assert len(body_of(received)["error"]) > 40
    assert b"aiohttp" not in received


async def test_a_head_just_below_the_limit_gets_through(house: House) -> None:
    filling = b"".join(b"X-%d: %s\r\n" % (n, b"x" * 1000) for n in range(15))
    received = await house.knock(HEALTHZ + b"Connection: close\r\n" + filling + b"\r\n")
    assert received.startswith(b"HTTP/1.1 200 "), received


async def test_a_head_that_never_ends_is_not_collected(house: House) -> None:
    """Each field is small, so that the parser's own limit on one does not stop it."""
    reader, writer = await connect(house)
    writer.write(HEALTHZ)
    sent = 0
    with contextlib.suppress(ConnectionError):
        for number in range(100):
            line = b"X-%d: %s\r\n" % (number, b"x" * 1000)
            writer.write(line)
            await writer.drain()
            sent += len(line)
            await asyncio.sleep(0)
            if reader.at_eof():
                break
    received = await until_cut(reader, writer)
    assert received.split(b" ")[1] == b"431", received
    assert body_of(received)["code"] == "head_too_large"


async def test_a_large_body_in_pieces_is_not_taken_for_a_head(house: House) -> None:
    question = {"message": "x" * 60_000}
    content = json.dumps(question).encode()
    reader, writer = await connect(house)
    writer.write(QUESTION + b"Content-Length: %d\r\n\r\n" % len(content))
    for start in range(0, len(content), 7000):
        writer.write(content[start : start + 7000])
        await writer.drain()
        await asyncio.sleep(0)
    writer.write(HEALTHZ + b"Connection: close\r\n\r\n")
    received = await until_cut(reader, writer)
    assert received.count(b"HTTP/1.1 200 OK") == 2, received[:300]
    assert house.model.questions == [question["message"]]


async def test_the_rest_of_a_refused_body_is_not_taken_for_a_head(house: House) -> None:
    content = b"x" * 100_000
    head = QUESTION.replace(b"Bearer token", b"Bearer wrong")
    reader, writer = await connect(house)
    writer.write(head + b"Content-Length: %d\r\n\r\n" % len(content))
    first = await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE_SECONDS)
    assert b" 401 " in first
    for start in range(0, len(content), 10_000):
        writer.write(content[start : start + 10_000])
        await writer.drain()
    writer.write(HEALTHZ + b"Connection: close\r\n\r\n")
    received = await until_cut(reader, writer)
    assert received.startswith(b"HTTP/1.1 200 "), received


async def test_a_head_that_comes_drop_by_drop_is_cut(open_with: OpenHouse) -> None:
    house = await open_with(ScriptedModel(), Plan(patience=HASTY))
    reader, writer = await connect(house)

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            for byte in HEALTHZ * 100:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.01)

    dripping = asyncio.create_task(drip())
    assert await until_cut(reader, writer) == b""
    dripping.cancel()


async def test_a_body_that_comes_drop_by_drop_gets_408(open_with: OpenHouse) -> None:
    limits = Limits(message_bytes_max=65536, body_timeout_seconds=0.2)
    house = await open_with(ScriptedModel(), Plan(limits=limits))
    reader, writer = await connect(house)
    writer.write(QUESTION + b"Content-Length: 60000\r\n\r\n")

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)

    dripping = asyncio.create_task(drip())
    received = await until_cut(reader, writer)
    dripping.cancel()
    assert b" 408 " in received.splitlines()[0]
    assert body_of(received)["code"] == "body_too_slow"
    assert not house.model.questions


async def test_a_connection_without_a_handshake_is_cut(open_with: OpenHouse) -> None:
    house = await open_with(ScriptedModel(), Plan(patience=HASTY))
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, _context: None)  # asyncio reports each such client
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    assert await until_cut(reader, writer) == b""


@pytest.mark.parametrize("kernel_helps", [True, False])
async def test_a_client_that_asks_and_asks_and_never_reads_is_cut(
    open_with: OpenHouse, monkeypatch: pytest.MonkeyPatch, *, kernel_helps: bool
) -> None:
    if not kernel_helps:
        usual = web.RequestHandler.connection_made
        monkeypatch.setattr(server.DoorHandler, "connection_made", usual)
    house = await open_with(ScriptedModel("x" * 400_000), Plan(patience=HASTY))
    content = json.dumps(ASK).encode()
    request = QUESTION + b"Content-Length: %d\r\n\r\n" % len(content) + content
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", house.port))
    # the reader's own buffer is small, so what is not read stays on the server's side
    reader, writer = await asyncio.open_connection(
        sock=connection, ssl=house.tls(), server_hostname="127.0.0.1", limit=1024
    )
    with contextlib.suppress(ConnectionError):
        for _ in range(40):
            writer.write(request)
        await eventually(lambda: bool(house.model.questions))
        transport: Any = writer.transport
        transport.pause_reading()
        await asyncio.sleep(3 * HASTY.write)
        asked = len(house.model.questions)
        await asyncio.sleep(2 * HASTY.write)
        assert len(house.model.questions) == asked, "it is not served any more"
        transport.resume_reading()
    received = await until_cut(reader, writer)
    assert len(received) < 40 * 400_000


async def test_a_half_closed_connection_is_over_and_its_answer_too(open_with: OpenHouse) -> None:
    store = Plan().store
    plan = Plan(store=type(store)(concurrent_max=8, keep_seconds=600, abandon_seconds=0.01))
    house = await open_with(ScriptedModel("one", asyncio.Event()), plan)
    content = json.dumps(ASK).encode()
    raw = socket.create_connection(("127.0.0.1", house.port))
    loop = asyncio.get_running_loop()
    with house.tls().wrap_socket(
        raw, server_hostname="127.0.0.1", do_handshake_on_connect=False
    ) as secure:
        await loop.run_in_executor(None, secure.do_handshake)
        request = QUESTION + b"Accept: text/event-stream\r\n"
        secure.sendall(request + b"Content-Length: %d\r\n\r\n" % len(content) + content)
        await eventually(lambda: bool(house.model.questions))
        socket.socket.shutdown(secure, socket.SHUT_WR)
        await asyncio.wait_for(house.model.closed.wait(), PATIENCE_SECONDS)


async def test_the_kernel_gives_up_on_a_client_that_vanished(
    open_with: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience: list[int] = []
    made = server.DoorHandler.connection_made

    def look(self: server.DoorHandler, transport: asyncio.BaseTransport) -> None:
        made(self, transport)
        connection = transport.get_extra_info("socket")
        option = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        patience.append(connection.getsockopt(*option))

    monkeypatch.setattr(server.DoorHandler, "connection_made", look)
    house = await open_with(ScriptedModel(), Plan(patience=server.Patience()))
    await house.knock(HEALTHZ + b"Connection: close\r\n\r\n")
    assert patience == [9000]


async def test_the_patience_with_slow_clients_ends_below_10_seconds() -> None:
    patience, limits = server.Patience(), Limits(message_bytes_max=1)
    assert patience.handshake + patience.head < 10
    assert patience.write < 10
    ending = server.LINGER_SECONDS + gateway.FAREWELL_SECONDS / 2  # as the unit shuts TLS down
    assert patience.head + ending < 10
    assert limits.body_timeout_seconds + ending < 10


async def test_neighbours_streams_do_not_notice_any_of_it(open_with: OpenHouse) -> None:
    going = asyncio.Event()
    house = await open_with(ScriptedModel("one ", going, "two"), Plan(patience=HASTY))
    client = await house.client()
    rude = [*LARGE_HEADS, b"\0\0\r\n\r\n", QUESTION + b"Content-Length: 50\r\n\r\n{"]
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as response:
        stream = sse_events(response)
        first = [(await anext(stream)).name for _ in range(2)]
        visits = [connect(house) for _ in rude]
        for (reader, writer), data in zip(await asyncio.gather(*visits), rude, strict=True):
            writer.write(data)
            await writer.drain()
            if len(data) < HEAD_BYTES_MAX:
                writer.transport.abort()
            else:
                await until_cut(reader, writer)
        going.set()
        rest = [event.name async for event in stream if event.name != ":"]
    assert first + rest == ["start", "token", "token", "done"]
    await eventually(lambda: house.doors.admission.queue.running == 0)
