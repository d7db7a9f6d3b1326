"""A scripted HTTP server in Rocket.Chat's place: it answers what a test prepared."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from heyken_glue.adapters.rocketchat.client import Conduct
from heyken_glue.domain.chat import Message

TOKEN = "geheim-geheim"
NOT_THERE = (400, {"success": False})
BAD_GATEWAY = (502, "<html>no</html>")
Answer = tuple[int, Any]
Reply = Answer | Callable[[web.Request, dict[str, Any]], Any]


class Script:
    """Answers each endpoint with its next prepared answer, the last of them again and again."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.headers: dict[str, str] = {}
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.requests: list[web.Request] = []
        self.waits: list[float] = []

    def on(self, endpoint: str, *replies: Reply) -> None:
        self.replies[endpoint] = list(replies)

    def calls(self, endpoint: str) -> list[dict[str, Any]]:
        return [what for name, what in self.seen if name == endpoint]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        endpoint = request.path.removeprefix("/api/v1/")
        body = await request.json() if request.method == "POST" else dict(request.query)
        self.seen.append((endpoint, body))
        self.requests.append(request)
        prepared = self.replies.get(endpoint, [(404, {"success": False})])
        reply = prepared.pop(0) if len(prepared) > 1 else prepared[0]
        if callable(reply):
            reply = await reply(request, body)
        if isinstance(reply, web.StreamResponse):
            return reply
        status, content = reply
        text = content if isinstance(content, str) else json.dumps(content)
        return web.Response(status=status, text=text, headers=self.headers)

    async def pause(self, seconds: float) -> None:
        self.waits.append(seconds)


@asynccontextmanager
async def served(script: Script) -> AsyncIterator[str]:
    """Serve a script and yield its address."""
    application = web.Application(client_max_size=2**24)
    application.router.add_route("*", "/{path:.*}", script.answer)
    server = TestServer(application)
    await server.start_server(shutdown_timeout=0.1)
    yield str(server.make_url("/")).rstrip("/")
    await server.close()


def conduct(script: Script, **changes: Any) -> Conduct:
    """Wait for nothing, and let the script remember for how long it would have been."""
    return Conduct(pause=script.pause, roll=lambda: 1.0, **{"timeout_seconds": 5.0, **changes})


def message(number: int, **changes: object) -> dict[str, object]:
    """Return the message that was written `number` seconds after ten o'clock, as REST shows it."""
    moment = f"2026-11-20T10:{number // 60:02}:{number % 60:02}.000Z"
    author = {"_id": "u1", "username": "ala"}
    written = {"_id": f"m{number}", "rid": "GENERAL", "msg": f"text {number}", "u": author}
    return {**written, "ts": moment, "_updatedAt": moment, **changes}


def ids(messages: tuple[Message, ...]) -> list[str]:
    """Return the ids, in order."""
    return [entry.id for entry in messages]
