"""HTTP between our own parts: TLS with our CA, Unix sockets, one retry policy, JSON both ways."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from heyken_glue import errors, logs

T = TypeVar("T")
SOCKET_MODE = 0o660
SHUTDOWN_SECONDS = 1.0
CONNECTIONS_MAX = 16
TOO_MANY, REQUEST_TIMEOUT, FIRST_ERROR, FIRST_SERVER_ERROR = 429, 408, 400, 500


@dataclass(frozen=True)
class RetryPolicy:
    """Capped exponential back-off with full jitter; `attempts` counts the first try too."""

    attempts: int = 3
    base_seconds: float = 0.1
    cap_seconds: float = 2.0

    def delay(self, attempt: int, *, roll: float) -> float:
        """Seconds to wait after try number `attempt` (from 1); `roll` lies in 0..1."""
        ceiling = self.cap_seconds
        with contextlib.suppress(OverflowError):
            ceiling = min(ceiling, self.base_seconds * 2.0 ** (attempt - 1))
        return ceiling * roll


async def retry(
    call: Callable[[], Awaitable[T]],
    *,
    policy: RetryPolicy,
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    roll: Callable[[], float] = random.random,
) -> T:
    """Call until it works; only TransientError is worth another try, and it may name the delay."""
    for attempt in range(1, policy.attempts):
        try:
            return await call()
        except errors.TransientError as error:
            wait = policy.delay(attempt, roll=roll())
            if error.retry_after is not None:
                wait = min(max(wait, error.retry_after), policy.cap_seconds)
            await pause(wait)
    return await call()


def client_tls(*, ca_file: Path, certificate_file: Path, key_file: Path) -> ssl.SSLContext:
    """Trust our CA only, and show this host's certificate."""
    return _tls(ssl.Purpose.SERVER_AUTH, ca_file, certificate_file, key_file)


def server_tls(
    *,
    ca_file: Path,
    certificate_file: Path,
    key_file: Path,
    clients: ssl.VerifyMode = ssl.CERT_OPTIONAL,
) -> ssl.SSLContext:
    """Serve with this host's certificate; a client may (or must) show one of our CA."""
    context = _tls(ssl.Purpose.CLIENT_AUTH, ca_file, certificate_file, key_file)
    context.verify_mode = clients
    return context


def _tls(purpose: ssl.Purpose, ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(purpose, cafile=str(ca))
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise errors.ConfigError(
            f"Cannot load the certificate or its key: {error}",
            against=f"{ca}, {certificate}, {key}",
            hint="Deploy role pki again; the key reaches a unit as credential tls_key",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def session(
    *,
    tls: ssl.SSLContext | None = None,
    total_seconds: float,
    connect_seconds: float | None = None,
    connections_max: int = CONNECTIONS_MAX,
) -> aiohttp.ClientSession:
    """Open a keep-alive client; a request ends after `total_seconds` unless it says otherwise.

    Requests beyond `connections_max` wait without a word; 0 is for callers who limit themselves.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls if tls is not None else True, limit=connections_max),
        timeout=_timeout(total_seconds, connect_seconds),
        auto_decompress=False,
    )


def unix_session(path: Path, *, total_seconds: float) -> aiohttp.ClientSession:
    """Open a client to a unit of this host; its addresses are plain paths."""
    return aiohttp.ClientSession(
        base_url="http://unit/",
        connector=aiohttp.UnixConnector(path=str(path)),
        timeout=_timeout(total_seconds, None),
    )


def _timeout(total: float, connect: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=total, sock_connect=connect if connect is not None else total
    )


async def request_json(
    client: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    body: object = None,
    timeout_seconds: float | None = None,
) -> dict[str, Any]:
    """Return the JSON object of a 2xx answer; anything else is a transient or permanent error."""
    options: dict[str, Any] = {} if body is None else {"json": body}
    if timeout_seconds is not None:
        options["timeout"] = _timeout(timeout_seconds, None)
    try:
        async with client.request(method, url, **options) as answer:
            text = await answer.text(errors="replace")
            content = _parse(answer, text)
    except aiohttp.ClientSSLError as error:
        raise errors.PermanentError(
            f"{method} found no trust: {error}",
            against=url,
            hint="Both sides need certificates of this deployment's CA",
        ) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise errors.TransientError(f"no answer: {_why(error)}", against=url) from error
    return content


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or "no connection"
    return str(error) or type(error).__name__


def _parse(answer: aiohttp.ClientResponse, text: str) -> dict[str, Any]:
    against = str(answer.url)
    content: object = None
    with contextlib.suppress(ValueError):
        content = json.loads(text)
    if answer.status >= FIRST_ERROR:
        raise refusal(answer, content if isinstance(content, dict) else {})
    if not isinstance(content, dict):
        raise errors.PermanentError(
            f"{answer.method} was answered with something that is no JSON object", against=against
        )
    return content


def refusal(answer: aiohttp.ClientResponse, content: Mapping[str, Any]) -> errors.HeykenError:
    """Return the error that an answer of 400 and more stands for."""
    reason = str(content.get("error") or answer.reason)
    tried = f"{answer.method} was answered {answer.status}: {reason}"
    if answer.status in (REQUEST_TIMEOUT, TOO_MANY) or answer.status >= FIRST_SERVER_ERROR:
        delay = answer.headers.get("Retry-After", "")
        return errors.TransientError(
            tried, against=str(answer.url), retry_after=float(delay) if delay.isdigit() else None
        )
    return errors.PermanentError(tried, against=str(answer.url), status=answer.status)


@web.middleware
async def json_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer every failure with `{"success": false, "error": …}` and the right status."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return web.json_response({"success": False, "error": error.reason}, status=error.status)
    except errors.HeykenError as error:
        return web.json_response({"success": False, "error": str(error)}, status=503)
    except Exception as error:  # noqa: BLE001 - the top of a request: logged, one answer lost
        logs.get(__name__).error("request_failed", path=request.path, exc_info=error)
        return web.json_response({"success": False, "error": "internal error"}, status=500)


async def read_json(request: web.Request) -> dict[str, Any]:
    """Return the JSON object a client sent, or refuse with 400."""
    try:
        content = await request.json()
    except ValueError as error:
        raise web.HTTPBadRequest(reason="the body is no JSON") from error
    if not isinstance(content, dict):
        raise web.HTTPBadRequest(reason="the body is no JSON object")
    return content


@contextlib.asynccontextmanager
async def unix_server(path: Path, routes: web.RouteTableDef) -> AsyncIterator[None]:
    """Serve `routes` on a socket that owner and group may use, for as long as the block lasts."""
    application = web.Application(middlewares=[json_errors])
    application.add_routes(routes)
    async with unix_application(path, application):
        yield


@contextlib.asynccontextmanager
async def unix_application(path: Path, application: web.Application) -> AsyncIterator[None]:
    """Serve an application that brings its own middlewares in the same way."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    listener = _listener(path)
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
        _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _listener(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # the mode has to be right from the first moment on, so the mask is narrowed around bind
        former = os.umask(0o777 & ~SOCKET_MODE)
        try:
            listener.bind(str(path))
        finally:
            os.umask(former)
    except OSError as error:
        listener.close()
        raise errors.ConfigError(f"Cannot listen: {error.strerror}", against=str(path)) from error
    return listener
