"""The deployment's API as the command line uses it: the VIP first, then each core by itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

import aiohttp

from heyken_glue import errors
from heyken_glue.cli.client import ClientFile
from heyken_glue.cli.output import EXIT_REFUSED, CliProblem
from heyken_glue.runtime import hedge, http
from heyken_glue.texts import text as _

T = TypeVar("T")
CONNECT_TIMEOUT_SECONDS = 0.25
# until a gateway has looked for an answer everywhere, and found that nobody else makes it
ACCEPT_SECONDS = 0.5
# shorter than connecting may take: whoever asked a host that was just lost is not the last to know
HEDGE_SECONDS = 0.2
POLICY = http.RetryPolicy(attempts=4, base_seconds=0.1, cap_seconds=2.0)
FAREWELL_SECONDS = 0.1
BUSY = frozenset({429, 503})


class SilentError(errors.TransientError):
    """Nobody answered, or the answer broke off."""


class NobodyError(CliProblem):
    """No door answered."""


class BusyError(errors.TransientError):
    """The service asked to come back later; `body` is what it said."""

    def __init__(self, body: Mapping[str, Any], *, retry_after: float | None) -> None:
        super().__init__(str(body.get("error", "busy")), retry_after=retry_after)


class RefusedError(errors.PermanentError):
    """The service said no; the text is the service's own, in our language."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(str(body.get("error") or f"HTTP {status}"), status=status)
        self.body = body


@dataclass(frozen=True)
class Door:
    """An address to knock at; the VIP's name is `vip`."""

    name: str
    url: str


@dataclass(frozen=True)
class SseEvent:
    """One event of a stream; a heartbeat has no name."""

    id: str
    name: str
    data: Mapping[str, Any]


HEARTBEAT = SseEvent("", "", {})


class Api:
    """A session with one deployment; use it as a context."""

    def __init__(
        self,
        client_file: ClientFile,
        *,
        language: str,
        policy: http.RetryPolicy = POLICY,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
    ) -> None:
        self.doors = (
            Door("vip", client_file.url),
            *(Door(name, url) for name, url in client_file.cores.items()),
        )
        self._policy = policy
        self._connect_timeout_seconds = connect_timeout_seconds
        self._gave_up = False
        self._silence_seconds = client_file.stream_silence_seconds
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=_trust(client_file)),
            headers={"Authorization": f"Bearer {client_file.token}", "Accept-Language": language},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._session.close()
        if self._gave_up:  # those sockets close while the loop still turns
            await asyncio.sleep(FAREWELL_SECONDS)

    async def at_some_door(self, call: Callable[[Door], Awaitable[T]]) -> tuple[Door, T]:
        """Return what `call` gives at the first door that is not silent, and that door."""
        for door in self.doors:
            with contextlib.suppress(SilentError):
                return door, await self._patiently(call, door)
        raise NobodyError(
            _("Nobody answers at {urls}.", urls=", ".join(door.url for door in self.doors)),
            _("Check that the deployment runs (`make start` where it was deployed from) and that "
              "this machine reaches its network."),
            exit_code=EXIT_REFUSED,
        )  # fmt: skip

    async def _patiently(self, call: Callable[[Door], Awaitable[T]], door: Door) -> T:
        async def once() -> T:
            return await call(door)

        return await http.retry(once, policy=self._policy)

    async def call_json(
        self,
        door: Door,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        timeout_seconds: float,
    ) -> dict[str, Any]:
        """Return the JSON object of a good answer; a GET that stays silent is asked once more."""
        timeout = aiohttp.ClientTimeout(
            total=timeout_seconds, sock_connect=self._connect_timeout_seconds
        )

        asked = 0

        async def once() -> dict[str, Any]:
            nonlocal asked
            asked += 1
            self._gave_up = self._gave_up or asked > 1
            async with self._request(door, method, path, json=body, timeout=timeout) as response:
                return await _object_of(response)

        if method != "GET":
            return await once()
        return await hedge.hedged(once, after_seconds=HEDGE_SECONDS)

    @contextlib.asynccontextmanager
    async def stream(
        self,
        door: Door,
        method: str,
        path: str,
        **options: Any,  # noqa: ANN401 - aiohttp's own
    ) -> AsyncIterator[AsyncIterator[SseEvent]]:
        """Open a stream of events; SilentError when it breaks or falls silent."""
        timeout = aiohttp.ClientTimeout(
            total=None,
            sock_connect=self._connect_timeout_seconds,
            sock_read=max(ACCEPT_SECONDS, self._silence_seconds),
        )
        async with self._request(door, method, path, timeout=timeout, **options) as response:
            yield _events_of(response, self._silence_seconds)

    @contextlib.asynccontextmanager
    async def _request(
        self,
        door: Door,
        method: str,
        path: str,
        **options: Any,  # noqa: ANN401 - aiohttp's own
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; every way to fail becomes one of our errors."""
        try:
            async with self._session.request(method, door.url + path, **options) as response:
                with _aborting(response):
                    await _refuse(response)
                    yield response
        except aiohttp.ClientConnectorCertificateError as error:
            raise CliProblem(
                _("{url} shows a certificate that is not of this deployment: {error}.",
                  url=door.url, error=error.certificate_error),
                _("Take the current client file and CA certificate; if they are current, somebody "
                  "else answers at this address."),
                exit_code=EXIT_REFUSED,
            ) from None  # fmt: skip
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SilentError(f"{method} {path}", against=door.url) from error


@contextlib.contextmanager
def _aborting(response: aiohttp.ClientResponse) -> Iterator[None]:
    """Cut the connection when we leave early: a polite TLS farewell would outlive the command."""
    try:
        yield
    except BaseException:
        if response.connection is not None and response.connection.transport is not None:
            cast("asyncio.WriteTransport", response.connection.transport).abort()
        raise


def _trust(client_file: ClientFile) -> ssl.SSLContext:
    """Trust the deployment's CA and no other."""
    try:
        return ssl.create_default_context(cafile=str(client_file.ca_file))
    except (OSError, ssl.SSLError) as error:
        raise errors.ConfigError(
            f"Cannot load the CA certificate: {error}",
            against=str(client_file.ca_file),
            hint="Take the current one from where the deployment was made",
        ) from error


async def _refuse(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:  # noqa: PLR2004
        return
    body: object = None
    with contextlib.suppress(ValueError):
        body = json.loads(await response.read())
    said = body if isinstance(body, dict) else {}
    if response.status in BUSY:
        delay = response.headers.get("Retry-After", "")
        raise BusyError(said, retry_after=float(delay) if delay.isdigit() else None)
    raise RefusedError(response.status, said)


async def _object_of(response: aiohttp.ClientResponse) -> dict[str, Any]:
    try:
        body = json.loads(await response.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RefusedError(response.status, {"error": f"no JSON object from {response.url}"})
    return body


async def _events_of(
    response: aiohttp.ClientResponse, silence_seconds: float
) -> AsyncIterator[SseEvent]:
    """Parse the stream's events and heartbeats; TimeoutError when it falls silent."""
    fields: dict[str, str] = {}
    while raw := await _line(response, silence_seconds):
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        name, _colon, value = line.partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
        elif not line and "data" in fields:
            data = json.loads(fields["data"])
            yield SseEvent(fields.get("id", ""), fields.get("event", "message"), data)
            fields = {}
        elif line:
            yield HEARTBEAT


async def _line(response: aiohttp.ClientResponse, silence_seconds: float) -> bytes:
    async with asyncio.timeout(silence_seconds):
        return await response.content.readline()
