"""One REST call to Rocket.Chat, and the one place where calls are repeated."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp

from heyken_glue import errors
from heyken_glue.adapters.rocketchat import refusals
from heyken_glue.adapters.rocketchat.models import Login, mapping
from heyken_glue.runtime import http

T = TypeVar("T")
MAX_ANSWER_BYTES = 16 * 2**20
_CONNECT_SECONDS = 3.0


def _always() -> None:
    """Permit every write."""


@dataclass(frozen=True)
class Conduct:
    """How patient calls are; `pause`, `roll` and `now` are there for tests to hold still.

    `permit` is asked right before each write, repeated ones too; what it raises ends that try.
    """

    timeout_seconds: float = 10.0
    policy: http.RetryPolicy = field(default_factory=http.RetryPolicy)
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    roll: Callable[[], float] = random.random
    now: Callable[[], float] = time.time
    permit: Callable[[], None] = _always


class _TooLongError(Exception):
    """Brings an error past the retries: it names a delay that is the caller's to wait."""

    def __init__(self, told: errors.TransientError) -> None:
        super().__init__()
        self.told = told


class Rest:
    """Calls one server as one user; the session (with its TLS) belongs to the caller."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, login: Login, conduct: Conduct
    ) -> None:
        self._session, self._url, self._conduct = session, url.rstrip("/"), conduct
        self._headers = {
            "X-User-Id": login.user_id,
            "X-Auth-Token": login.token,
            "Content-Type": "application/json",
            # sessions of this package do not unpack bodies
            "Accept-Encoding": "identity",
        }

    async def read(self, endpoint: str, **params: str) -> Mapping[str, Any]:
        """Read, more than once if need be; `endpoint` starts with /api."""
        return await self.repeat(lambda: self.get(endpoint, **params))

    async def get(self, endpoint: str, **params: str) -> Mapping[str, Any]:
        """Read once."""
        return await self._call("GET", endpoint, params=params)

    async def post(self, endpoint: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write once, if that is permitted."""
        self._conduct.permit()
        return await self._call("POST", endpoint, data=json.dumps(body).encode())

    async def repeat(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until it works or it is no use; only for what may be done twice.

        A delay that the server names is waited for here if the policy is that patient; else the
        error goes to the caller at once, who knows what else there is to do meanwhile.
        """

        async def attempt() -> T:
            try:
                return await call()
            except errors.TransientError as error:
                if (error.retry_after or 0.0) > conduct.policy.cap_seconds:
                    raise _TooLongError(error) from error
                raise

        conduct = self._conduct
        try:
            return await http.retry(
                attempt, policy=conduct.policy, pause=conduct.pause, roll=conduct.roll
            )
        except _TooLongError as error:
            raise error.told from None

    async def _call(
        self,
        method: str,
        endpoint: str,
        *,
        params: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Mapping[str, Any]:
        url, total = self._url + endpoint, self._conduct.timeout_seconds
        timeout = aiohttp.ClientTimeout(total=total, sock_connect=min(total, _CONNECT_SECONDS))
        try:
            async with self._session.request(
                method,
                url,
                headers=self._headers,
                timeout=timeout,
                # a redirect would carry the token to wherever it points
                allow_redirects=False,
                params=params,
                data=data,
            ) as answer:
                raw = await _body(answer, url)
        except aiohttp.ClientSSLError as error:
            raise errors.PermanentError(f"{method} found no trust: {error}", against=url) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise errors.TransientError(f"No answer: {http_reason(error)}", against=url) from error
        return self._judge(answer, _parsed(raw), tried=f"{method} {endpoint}", against=url)

    def _judge(
        self, answer: aiohttp.ClientResponse, content: object, *, tried: str, against: str
    ) -> Mapping[str, Any]:
        said = mapping(content)
        if answer.status >= refusals.FIRST_REDIRECT or said.get("success") is False:
            raise refusals.error_of(
                answer.status,
                answer.headers,
                said,
                tried=tried,
                against=against,
                now=self._conduct.now(),
            )
        if content is not said:
            # a proxy's page, or an answer that broke off without anybody noticing
            raise errors.TransientError(f"{tried}: the answer is no JSON object", against=against)
        return said


async def _body(answer: aiohttp.ClientResponse, url: str) -> bytes:
    raw = bytearray()
    async for piece in answer.content.iter_any():
        raw += piece
        if len(raw) > MAX_ANSWER_BYTES:
            raise errors.PermanentError("The answer is too large to be one", against=url)
    return bytes(raw)


def _parsed(raw: bytes) -> object:
    try:
        return json.loads(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def http_reason(error: Exception) -> str:
    """Say in few words why nothing came back."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or "no connection"
    return str(error) or type(error).__name__
