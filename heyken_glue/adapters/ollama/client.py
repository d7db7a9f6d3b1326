"""Ollama's HTTP interface, as much of it as we use (docs.ollama.com/api).

Errors: TransientError when Ollama does not answer, is busy or breaks off; PermanentError when it
refuses (no such model, nonsense in the request), TooLongError when a prompt exceeds the context.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import aiohttp

from heyken_glue import errors
from heyken_glue.adapters.ollama.models import ChatMessage, LoadedModel, StoredModel, Timeouts
from heyken_glue.runtime import http
from heyken_glue.runtime.moving_timeout import MovingTimeout

_OK, _BAD_REQUEST = 200, 400
_ERROR_BODY_SECONDS = 2.0
# what all its wordings have in common (errorInputTooLong of its runners, in 0.24)
_TOO_LONG = "context length"
_NO_TOTAL = aiohttp.ClientTimeout(total=None)


class OllamaClient:
    """Talks to one Ollama; the session belongs to the caller."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url.rstrip("/")

    async def version(self, *, timeout_seconds: float = 2.0) -> str:
        """Return the version, the cheapest proof that the server answers."""
        return str((await self._get("/api/version", timeout_seconds)).get("version", ""))

    async def stored_models(self, *, timeout_seconds: float = 2.0) -> tuple[StoredModel, ...]:
        """Return what is on disk."""
        content = await self._get("/api/tags", timeout_seconds)
        return tuple(
            StoredModel(name=_text(entry, "name"), digest=_text(entry, "digest"))
            for entry in _entries(content)
        )

    async def loaded_models(self, *, timeout_seconds: float = 2.0) -> tuple[LoadedModel, ...]:
        """Return what is in memory."""
        content = await self._get("/api/ps", timeout_seconds)
        return tuple(
            LoadedModel(
                name=_text(entry, "name"),
                digest=_text(entry, "digest"),
                size_bytes=int(entry.get("size", 0)),
                vram_bytes=int(entry.get("size_vram", 0)),
            )
            for entry in _entries(content)
        )

    async def load(self, model: str, *, timeout_seconds: float) -> None:
        """Have the model in memory; returns once it is, at once if it was.

        Without a prompt nothing is generated, and no conversation loses its place in the cache.
        Ollama gives up loading when we hang up, so `timeout_seconds` has to be enough for a load.
        """
        await self._generate({"model": model, "stream": False, "keep_alive": -1}, timeout_seconds)

    async def recipe(self, model: str, *, timeout_seconds: float = 2.0) -> dict[str, str]:
        """Return the texts that a model was made with: its template, system text, parameters.

        Ollama tells the parameters in another order each time; here they are sorted.
        """
        answer = await http.request_json(
            self._session,
            "POST",
            f"{self._url}/api/show",
            body={"model": model},
            timeout_seconds=timeout_seconds,
        )
        texts = {key: str(answer.get(key) or "") for key in ("template", "system", "parameters")}
        return {**texts, "parameters": "\n".join(sorted(texts["parameters"].splitlines()))}

    async def generate_one_token(self, model: str, *, timeout_seconds: float) -> None:
        """Let the model produce one token; returns only if it did.

        No load-time option is set, so that Ollama uses the runner that production uses.
        """
        body = {
            "model": model,
            "prompt": "1",
            "stream": False,
            "raw": True,
            "keep_alive": -1,
            "options": {"num_predict": 1},
        }
        await self._generate(body, timeout_seconds)

    async def chat(
        self,
        model: str,
        messages: Sequence[ChatMessage],
        *,
        timeouts: Timeouts,
        options: Mapping[str, object] | None = None,
        truncate: bool = True,
    ) -> AsyncGenerator[str, None]:
        """Yield pieces of the answer as they come; closing the iterator stops the model.

        What exceeds the context is cut off without a word, unless `truncate` is false: then
        it is refused with TooLongError. Ends normally only after `done: true`; an `error` line, a
        break and silence are errors.
        """
        body = {
            "model": model,
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "stream": True,
            "think": False,
            "keep_alive": -1,
            "truncate": truncate,
            **({"options": dict(options)} if options else {}),
        }
        done = False
        async with aclosing(self._lines("/api/chat", body, timeouts)) as lines:
            async for line in lines:
                piece = _text(line.get("message") or {}, "content", default="")
                if piece:
                    yield piece
                done = done or line.get("done") is True
        if done:
            return
        raise errors.TransientError("The answer broke off before its end", against=self._url)

    async def _generate(self, body: Mapping[str, object], timeout_seconds: float) -> None:
        answer = await http.request_json(
            self._session,
            "POST",
            f"{self._url}/api/generate",
            body=dict(body),
            timeout_seconds=timeout_seconds,
        )
        if answer.get("done") is not True:
            raise errors.TransientError("The model ended without an answer", against=self._url)

    async def _get(self, path: str, timeout_seconds: float) -> dict[str, Any]:
        return await http.request_json(
            self._session, "GET", self._url + path, timeout_seconds=timeout_seconds
        )

    async def _lines(
        self, path: str, body: object, timeouts: Timeouts
    ) -> AsyncGenerator[dict[str, Any], None]:
        url, loop = self._url + path, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeouts.first_token) as limit:
                first_by = limit.when()
                # the time of a whole answer is the caller's matter; here only silence counts
                answer = await self._session.post(url, json=body, timeout=_NO_TOTAL)
            try:
                await _refuse_errors(answer)
                by = first_by
                with MovingTimeout() as timeout:
                    while raw := await timeout.wait(answer.content.readline(), until=by):
                        yield _decode(raw, url)
                        by = loop.time() + timeouts.gap
            finally:
                answer.close()
        except TimeoutError as error:
            raise errors.TransientError("The model went silent", against=url) from error
        except (aiohttp.ClientError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise errors.TransientError(
                f"The model server failed: {reason}", against=url
            ) from error


async def _refuse_errors(answer: aiohttp.ClientResponse) -> None:
    if answer.status == _OK:
        return
    async with asyncio.timeout(_ERROR_BODY_SECONDS):
        text = await answer.text(errors="replace")
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    said = content if isinstance(content, dict) else {}
    if answer.status == _BAD_REQUEST and _TOO_LONG in str(said.get("error")):
        raise errors.TooLongError(
            "The prompt exceeds the model's context", against=str(answer.url), status=answer.status
        )
    raise http.refusal(answer, said)


def _decode(raw: bytes, url: str) -> dict[str, Any]:
    try:
        line = json.loads(raw)
    except ValueError as error:
        raise errors.TransientError("The answer broke off within a line", against=url) from error
    if not isinstance(line, dict):
        raise errors.PermanentError("The answer holds something that is no object", against=url)
    if "error" in line:
        raise errors.TransientError(f"The model failed: {line['error']}", against=url)
    return line


def _entries(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = content.get("models")
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise errors.PermanentError("Ollama's list of models has an unknown shape")
    return entries


def _text(entry: Mapping[str, Any], key: str, *, default: str | None = None) -> str:
    value = entry.get(key, default)
    if not isinstance(value, str):
        raise errors.PermanentError(f"Ollama's answer has no text {key!r}")
    return value
