"""Listening on TLS, with a patience for slow clients that has an end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import http_exceptions, web, web_protocol
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from heyken_glue import errors, logs
from heyken_glue.gateway.metrics import Metrics, RequestSeen
from heyken_glue.gateway.middleware import (
    HEAD_BYTES_MAX,
    HEAD_TOO_LARGE,
    INTERNAL,
    error_response,
)
from heyken_glue.gateway.problems import Failure
from heyken_glue.texts import text as _

log = logs.get(__name__)
BACKLOG = 1024
# what still comes of a body that was refused is read for so long, so that the refusal is not lost
LINGER_SECONDS = 1.0
BAD_HTTP = Failure(
    400,
    "bad_http",
    _("This is no valid HTTP/1.1 request, so it was not read further. Correct what your client "
      "sends, or use another client."),
)  # fmt: skip


@dataclass(frozen=True)
class Patience:
    """Seconds granted to a client.

    The TLS handshake and a request's head (also idle) together stay below 10 s, and so does taking
    a response and acknowledging what was sent; shutting down comes on top.
    """

    handshake: float = 4.0
    head: float = 5.0
    write: float = 9.0
    shutdown: float = 5.0


@dataclass(frozen=True)
class Door:
    """What all connections of a listener have in common."""

    language: str
    patience: Patience
    metrics: Metrics


class DoorHandler(web.RequestHandler):
    """One connection; what is no HTTP gets the same shape of error as everything else."""

    __slots__ = ("_body", "_door", "_head_bytes")

    def __init__(self, manager: web.Server, *, door: Door, **options: Any) -> None:  # noqa: ANN401 - aiohttp's own
        super().__init__(manager, **options)
        self._door = door
        self._head_bytes = 0
        self._body: StreamReader | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have the kernel give up on a client that vanished without a word."""
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            patience = round(self._door.patience.write * 1000)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and stop reading a head that never ends before it fills the memory."""
        if self._head_bytes > HEAD_BYTES_MAX:
            return
        body_before = self._body is not None and not self._body.is_eof()
        super().data_received(data)
        if self._messages:
            self._body = self._messages[-1][1]
        if self._messages or body_before:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse_head()

    def _refuse_head(self) -> None:
        error = http_exceptions.LineTooLong(b"", HEAD_BYTES_MAX)
        refusal = web_protocol._ErrInfo(431, error, "")  # noqa: SLF001 - as the parser's own errors
        self._messages.append((refusal, EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the (rest of the) response, but not for ever."""
        try:
            async with asyncio.timeout(self._door.patience.write):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            if self.transport is not None:
                self.transport.abort()  # closing would wait for the reader once more
            raise ConnectionResetError("the client does not read") from None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what did not get as far as the application; the connection closes."""
        del message  # it quotes what the client sent
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun, so no other can follow")
        if status >= 500:  # noqa: PLR2004
            failure = INTERNAL
            log.error("connection_crashed", exc_info=exc)
        else:
            too_long = isinstance(exc, http_exceptions.LineTooLong)
            failure = HEAD_TOO_LARGE if too_long else BAD_HTTP
            log.info("request_closed", outcome=failure.code, status=failure.status)
        self._door.metrics.request(RequestSeen(None, "", failure.status, 0.0))
        response = error_response(failure, self._door.language)
        response.force_close()
        return response


@contextlib.asynccontextmanager
async def serving_tls(
    app: web.Application,
    *,
    addresses: Sequence[str],
    port: int,
    context: ssl.SSLContext,
    door: Door,
) -> AsyncIterator[int]:
    """Serve `app` on every address; yields the port (of interest when 0 was asked for)."""
    loop = asyncio.get_running_loop()
    patience = door.patience
    async with _running(app, door) as factory, contextlib.AsyncExitStack() as stack:
        for address in addresses:
            server = await _listen(
                functools.partial(
                    loop.create_server,
                    factory,
                    ssl=context,
                    backlog=BACKLOG,
                    ssl_handshake_timeout=patience.handshake,
                    ssl_shutdown_timeout=patience.shutdown,
                ),
                address,
                port,
            )
            stack.callback(server.close)
            port = server.sockets[0].getsockname()[1]
        yield port


async def _listen(
    open_server: Callable[[str, int], Awaitable[asyncio.Server]], address: str, port: int
) -> asyncio.Server:
    try:
        return await open_server(address, port)
    except OSError as error:
        raise errors.TransientError(
            f"The gateway cannot listen: {error.strerror or error}",
            against=f"{address}:{port}",
            hint=f"See who has the port: ss -ltnp 'sport = :{port}'",
        ) from error


@contextlib.asynccontextmanager
async def _running(app: web.Application, door: Door) -> AsyncIterator[Callable[[], DoorHandler]]:
    """Set the application up; yields the factory of its connections."""
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=door.patience.shutdown
    )
    await runner.setup()
    manager = runner.server
    if manager is None:
        raise RuntimeError("the application runner has no server after its setup")
    loop = asyncio.get_running_loop()

    def connect() -> DoorHandler:
        return DoorHandler(
            manager,
            door=door,
            loop=loop,
            access_log=None,
            keepalive_timeout=door.patience.head,
            max_line_size=HEAD_BYTES_MAX,
            max_field_size=HEAD_BYTES_MAX,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,
        )

    try:
        yield connect
    finally:
        await runner.cleanup()
