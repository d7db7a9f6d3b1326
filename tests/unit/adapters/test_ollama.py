"""A scripted server shows what Ollama may do; the client tells an answer from a broken one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from heyken_glue import errors
from heyken_glue.adapters.ollama.client import OllamaClient
from heyken_glue.adapters.ollama.models import ChatMessage, Timeouts
from heyken_glue.runtime import http

QUESTION = [ChatMessage("user", "hello")]
PATIENT = Timeouts(first_token=5.0, gap=5.0)


class Script:
    """What the server does next, and what it saw."""

    def __init__(self) -> None:
        self.lines: list[object] = []
        self.status = 200
        self.error = "model 'x' not found"
        self.hold = False
        self.seen: list[dict[str, object]] = []
        self.gone = asyncio.Event()
        self.parameters = ["stop x", "seed 1"]

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(await request.json())
        if self.status != 200:
            return web.json_response({"error": self.error}, status=self.status)
        answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await answer.prepare(request)
        for line in self.lines:
            text = line if isinstance(line, str) else json.dumps(line) + "\n"
            await answer.write(text.encode())
        if self.hold:
            try:
                await asyncio.Event().wait()
            finally:
                self.gone.set()
        return answer

    async def generate(self, request: web.Request) -> web.Response:
        self.seen.append(await request.json())
        return web.json_response({"done": True, "response": "2"}, status=self.status)

    async def show(self, request: web.Request) -> web.Response:
        self.seen.append(await request.json())
        self.parameters.reverse()  # as Ollama does: another order each time
        told = {"template": "t", "system": "s", "parameters": "\n".join(self.parameters)}
        return web.json_response({**told, "license": "long"})

    async def tags(self, _request: web.Request) -> web.Response:
        return web.json_response({"models": [{"name": "m:latest", "digest": "ab", "size": 1}]})

    async def ps(self, _request: web.Request) -> web.Response:
        models = [{"name": "m", "digest": "ab", "size": 9, "size_vram": 0}]
        return web.json_response({"models": models})

    async def version(self, _request: web.Request) -> web.Response:
        return web.json_response({"version": "0.24.0"})


def _token(text: str, *, done: bool = False) -> dict[str, object]:
    return {"message": {"role": "assistant", "content": text}, "done": done}


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def client(script: Script) -> AsyncIterator[OllamaClient]:
    application = web.Application()
    application.add_routes(
        [
            web.post("/api/chat", script.chat),
            web.post("/api/generate", script.generate),
            web.post("/api/show", script.show),
            web.get("/api/tags", script.tags),
            web.get("/api/ps", script.ps),
            web.get("/api/version", script.version),
        ]
    )
    server = TestServer(application)
    await server.start_server(shutdown_timeout=0.1)
    async with http.session(total_seconds=5) as session:
        yield OllamaClient(session, str(server.make_url("/")))
    await server.close()


async def _answer(client: OllamaClient, timeouts: Timeouts = PATIENT) -> list[str]:
    return [piece async for piece in client.chat("m", QUESTION, timeouts=timeouts)]


async def test_what_is_there(client: OllamaClient) -> None:
    (stored,) = await client.stored_models()
    (loaded,) = await client.loaded_models()
    assert (stored.name, stored.digest) == ("m:latest", "ab")
    assert (loaded.size_bytes, loaded.vram_bytes) == (9, 0)
    assert await client.version() == "0.24.0"


async def test_an_answer_comes_in_pieces(client: OllamaClient, script: Script) -> None:
    script.lines = [_token("Wit"), _token("aj"), _token("", done=True)]
    assert await _answer(client) == ["Wit", "aj"]
    assert script.seen[0]["think"] is False
    assert script.seen[0]["messages"] == [{"role": "user", "content": "hello"}]


async def test_an_answer_without_its_last_line_is_an_error(
    client: OllamaClient, script: Script
) -> None:
    script.lines = [_token("Wit")]
    with pytest.raises(errors.TransientError, match="broke off"):
        await _answer(client)


async def test_an_error_line_is_an_error(client: OllamaClient, script: Script) -> None:
    script.lines = [_token("Wit"), {"error": "runner died"}]
    with pytest.raises(errors.TransientError, match="runner died"):
        await _answer(client)


async def test_half_a_line_is_an_error(client: OllamaClient, script: Script) -> None:
    script.lines = ['{"message": {"con']
    with pytest.raises(errors.TransientError, match="within a line"):
        await _answer(client)


async def test_an_unknown_model_is_permanent(client: OllamaClient, script: Script) -> None:
    script.status = 404
    with pytest.raises(errors.PermanentError, match="not found"):
        await _answer(client)


@pytest.mark.parametrize(
    ("error", "too_long"),
    [("the input length exceeds the context length", True), ("invalid options", False)],
)
async def test_what_exceeds_the_context_is_told_from_other_nonsense(
    client: OllamaClient, script: Script, error: str, *, too_long: bool
) -> None:
    script.status, script.error = 400, error
    with pytest.raises(errors.PermanentError) as raised:
        _ = [_ async for _ in client.chat("m", QUESTION, timeouts=PATIENT, truncate=False)]
    assert isinstance(raised.value, errors.TooLongError) is too_long
    assert raised.value.status == 400
    assert script.seen[0]["truncate"] is False


async def test_a_busy_server_is_transient(client: OllamaClient, script: Script) -> None:
    script.status = 503
    with pytest.raises(errors.TransientError):
        await _answer(client)


async def test_silence_before_the_first_token_ends(client: OllamaClient, script: Script) -> None:
    script.hold = True
    with pytest.raises(errors.TransientError, match="silent"):
        await _answer(client, Timeouts(first_token=0.05, gap=5.0))


async def test_silence_between_tokens_ends(client: OllamaClient, script: Script) -> None:
    script.lines, script.hold = [_token("Wit")], True
    with pytest.raises(errors.TransientError, match="silent"):
        await _answer(client, Timeouts(first_token=5.0, gap=0.05))
    await asyncio.wait_for(script.gone.wait(), 5)


async def test_closing_the_iterator_stops_the_model(client: OllamaClient, script: Script) -> None:
    script.lines, script.hold = [_token("Wit")], True
    pieces = client.chat("m", QUESTION, timeouts=PATIENT)
    assert await anext(pieces) == "Wit"
    await pieces.aclose()
    await asyncio.wait_for(script.gone.wait(), 5)


async def test_a_probe_asks_for_one_token_without_load_options(
    client: OllamaClient, script: Script
) -> None:
    await client.generate_one_token("m", timeout_seconds=5)
    assert script.seen[0]["options"] == {"num_predict": 1}


async def test_loading_gives_no_prompt_and_keeps_the_model(
    client: OllamaClient, script: Script
) -> None:
    await client.load("m", timeout_seconds=5)
    assert script.seen == [{"model": "m", "stream": False, "keep_alive": -1}]


async def test_the_texts_a_model_was_made_with(client: OllamaClient) -> None:
    told = await client.recipe("m")
    assert told == {"template": "t", "system": "s", "parameters": "seed 1\nstop x"}
    assert await client.recipe("m") == told


async def test_a_failing_probe_is_transient(client: OllamaClient, script: Script) -> None:
    script.status = 500
    with pytest.raises(errors.TransientError):
        await client.generate_one_token("m", timeout_seconds=5)
