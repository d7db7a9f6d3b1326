"""Asking the gateway of this core: a conversation in, an event stream out, over its Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import aiohttp

from heyken_glue.domain.turns import Turn
from heyken_glue.services.assistant_ports import AnswerFailedError

PATH = "/api/v1/chat"
CANCEL_PATH = f"{PATH}/cancel"
TOO_LARGE = "too_large"
_OK, _TOO_LARGE, _TOO_MANY, _FIRST_SERVER_ERROR = 200, 413, 429, 500
# the gateway sends heartbeats many times within this, and its status within a tenth of a second
SILENCE_SECONDS = 5.0
ACCEPT_SECONDS = 10.0
_FINAL_CODES = frozenset({"answer_too_long", "question_too_long"})
_NO_TOTAL = aiohttp.ClientTimeout(total=None, sock_connect=2.0)


class GatewayModel:
    """The gateway as a model; the session (on its socket) belongs to the caller."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def stream(
        self, turns: Sequence[Turn], *, asker: str, owner: str, language: str, key: str
    ) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece; AnswerFailedError for anything but a whole answer."""
        body = {
            "messages": [{"role": turn.role.value, "content": turn.content} for turn in turns],
            "asker": asker,
            "owner": owner,
            "language": language,
        }
        try:
            answer = await self._ask(body, key)
            try:
                async with contextlib.aclosing(_pieces(answer)) as pieces:
                    async for piece in pieces:
                        yield piece
            finally:
                answer.close()
        except TimeoutError as error:
            raise AnswerFailedError("the gateway went silent", code="silent") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = f"the gateway broke off: {type(error).__name__}"
            raise AnswerFailedError(reason, code="cut") from error

    async def cancel(self, *, owner: str, key: str) -> None:
        """Have an answer stopped at once; if nobody hears it, it ends when nobody reads it."""
        body = {"owner": owner, "key": key}
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._session.post(CANCEL_PATH, json=body) as answer:
                await answer.read()

    async def _ask(self, body: object, key: str) -> aiohttp.ClientResponse:
        data = json.dumps(body, ensure_ascii=False).encode(errors="replace")
        headers = {
            "Accept": "text/event-stream",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        async with asyncio.timeout(ACCEPT_SECONDS):
            answer = await self._session.post(PATH, data=data, headers=headers, timeout=_NO_TOTAL)
            if answer.status == _OK:
                return answer
            try:
                raise _refusal(answer, await answer.read())
            finally:
                answer.release()


def _refusal(answer: aiohttp.ClientResponse, raw: bytes) -> AnswerFailedError:
    content: Any = None
    with contextlib.suppress(ValueError):
        content = json.loads(raw)
    said = content if isinstance(content, dict) else {}
    delay, status = answer.headers.get("Retry-After", ""), answer.status
    code = TOO_LARGE if status == _TOO_LARGE else str(said.get("code") or f"http-{status}")
    return AnswerFailedError(
        f"the gateway answered {status}",
        code=code,
        sentence=str(said.get("error") or ""),
        retry_after=float(delay) if delay.isdigit() else None,
        is_final=status != _TOO_MANY and status < _FIRST_SERVER_ERROR,
    )


async def _pieces(answer: aiohttp.ClientResponse) -> AsyncGenerator[str, None]:
    """Yield the texts of `token` events until `done`."""
    event = ""
    while raw := await _line(answer):
        name, _, value = raw.decode(errors="replace").rstrip("\r\n").partition(":")
        if name == "event":
            event = value.strip()
        elif name == "data" and event == "token":
            yield str(_fields(value).get("text", ""))
        elif name == "data" and event == "error":
            raise _failure(_fields(value))
        elif name == "data" and event == "done":
            return
    raise AnswerFailedError("the answer broke off before its end", code="cut")


async def _line(answer: aiohttp.ClientResponse) -> bytes:
    async with asyncio.timeout(SILENCE_SECONDS):
        return await answer.content.readline()


def _fields(value: str) -> dict[str, Any]:
    fields = json.loads(value)
    if not isinstance(fields, dict):
        raise ValueError("an event of the gateway holds no object")  # noqa: TRY004 - as json's own
    return fields


def _failure(fields: dict[str, Any]) -> AnswerFailedError:
    code = str(fields.get("code") or "error")
    return AnswerFailedError(
        f"the answer failed: {code}",
        code=code,
        sentence=str(fields.get("error") or ""),
        is_final=code in _FINAL_CODES,
    )
