"""The other core's model, asked through its gateway over mutual TLS: one hop and no further."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import aiohttp

from heyken_glue import errors
from heyken_glue.domain.turns import Turn
from heyken_glue.gateway.problems import QUESTION_TOO_LONG
from heyken_glue.runtime import http

PATH = "/peer/chat"
HOPS_HEADER = "Heyken-Hops"
ONE_HOP = "1"
CONNECT_SECONDS = 0.5
_OK = 200
_ERROR_BODY_SECONDS = 1.0


class PeerModel:
    """A `ChatModel`; the session (with this host's certificate) belongs to the caller.

    `silence_seconds` is how long the other gateway may send nothing, not even a heartbeat.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, *, name: str, silence_seconds: float
    ) -> None:
        self._session, self._url, self.name = session, url.rstrip("/") + PATH, name
        self._silence_seconds = silence_seconds

    async def stream(self, turns: Sequence[Turn]) -> AsyncGenerator[str]:
        """Answer piece by piece; closing the iterator stops the model over there.

        Errors: TransientError when the other gateway is away, silent, busy or breaks off;
        PermanentError when it refuses us.
        """
        try:
            answer = await self._ask(turns)
            try:
                async with aclosing(self._lines(answer)) as lines:
                    async for line in lines:
                        yield line
            finally:
                answer.close()
        except TimeoutError as error:
            raise errors.TransientError("The other gateway is silent", against=self._url) from error
        except (aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError) as error:
            raise errors.PermanentError(
                f"No trust between the gateways: {error}",
                against=self._url,
                hint="Both cores need certificates of this deployment's CA",
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise errors.TransientError(
                f"The other gateway failed: {reason}", against=self._url
            ) from error

    async def _ask(self, turns: Sequence[Turn]) -> aiohttp.ClientResponse:
        body = {"messages": [{"role": turn.role.value, "content": turn.content} for turn in turns]}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        async with asyncio.timeout(self._silence_seconds):
            answer = await self._session.post(
                self._url, json=body, headers={HOPS_HEADER: ONE_HOP}, timeout=timeout
            )
        if answer.status == _OK:
            return answer
        try:
            async with asyncio.timeout(_ERROR_BODY_SECONDS):
                said = _object(await answer.read())
            self._raise_if_too_long(said)
            raise http.refusal(answer, said)
        finally:
            answer.close()

    async def _lines(self, answer: aiohttp.ClientResponse) -> AsyncGenerator[str]:
        while True:
            async with asyncio.timeout(self._silence_seconds):
                raw = await answer.content.readline()
            if not raw:
                raise errors.TransientError("The other gateway broke off", against=self._url)
            line = _object(raw) if raw.strip() else {}  # an empty line is a heartbeat
            if "error" in line:
                self._raise_if_too_long(line)
                raise errors.TransientError(
                    f"The other core failed: {line['error']}", against=self._url
                )
            if line.get("done") is True:
                return
            if piece := line.get("piece"):
                yield str(piece)

    def _raise_if_too_long(self, said: Mapping[str, Any]) -> None:
        """Raise TooLongError if that is what the other gateway said."""
        if said.get("code") == QUESTION_TOO_LONG.code:
            raise errors.TooLongError(
                "The question exceeds the other core's context", against=self._url
            )


def _object(raw: bytes) -> dict[str, Any]:
    parsed = json.loads(raw)
    if not isinstance(parsed, dict):
        raise ValueError("the other gateway sent no object")  # noqa: TRY004 - as json's own
    return parsed
