"""Listening on TLS, with a patience for slow clients that has an end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from heyken_glue import errors, logs
from heyken_glue.gateway.middleware import INTERNAL, error_response
from heyken_glue.gateway.problems import Failure
from heyken_glue.texts import text as _

log = logs.get(__name__)
BACKLOG = 1024
BAD_HTTP = Failure(
    400,
    "bad_http",
    _("This is no valid HTTP/1.1 request, so it was not read further. Correct what your client "
      "sends, or use another client."),
)  # fmt: skip


@dataclass(frozen=True)
class Patience:
    """Seconds granted to a client: TLS handshake, a request's head (also idle), shutting down."""

    handshake: float = 10.0
    head: float = 10.0
    shutdown: float = 5.0


class DoorHandler(web.RequestHandler):
    """One connection; what is no HTTP gets the same shape of error as everything else."""

    __slots__ = ("_language",)

    def __init__(self, manager: web.Server, *, language: str, **options: Any) -> None:  # noqa: ANN401 - aiohttp's own
        super().__init__(manager, **options)
        self._language = language

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
        malformed = status < 500  # noqa: PLR2004
        if malformed:
            log.info("request_closed", outcome=BAD_HTTP.code, status=BAD_HTTP.status)
        else:
            log.error("connection_crashed", exc_info=exc)
        response = error_response(BAD_HTTP if malformed else INTERNAL, self._language)
        response.force_close()
        return response


@contextlib.asynccontextmanager
async def serving_tls(
    app: web.Application,
    *,
    addresses: Sequence[str],
    port: int,
    context: ssl.SSLContext,
    language: str,
    patience: Patience,
) -> AsyncIterator[int]:
    """Serve `app` on every address; yields the port (of interest when 0 was asked for)."""
    loop = asyncio.get_running_loop()
    async with _running(app, patience, language) as factory, contextlib.AsyncExitStack() as stack:
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
async def _running(
    app: web.Application, patience: Patience, language: str
) -> AsyncIterator[Callable[[], DoorHandler]]:
    """Set the application up; yields the factory of its connections."""
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=patience.shutdown
    )
    await runner.setup()
    manager = runner.server
    if manager is None:
        raise RuntimeError("the application runner has no server after its setup")
    loop = asyncio.get_running_loop()

    def connect() -> DoorHandler:
        return DoorHandler(
            manager,
            language=language,
            loop=loop,
            access_log=None,
            keepalive_timeout=patience.head,
            lingering_time=1.0,
            auto_decompress=False,
        )

    try:
        yield connect
    finally:
        await runner.cleanup()
