"""The way from the core manager to the assistant."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from heyken_glue.domain.status import Chat
from heyken_glue.runtime import http
from heyken_glue.services.core_manager_chat import ChatLink


async def test_a_text_for_a_room_goes_to_the_assistant(tmp_path: Path) -> None:
    table, seen = web.RouteTableDef(), []

    @table.post("/send")
    async def send(request: web.Request) -> web.Response:
        seen.append(await request.json())
        return web.json_response({"success": False, "error": "no such room"}, status=404)

    @table.get("/connection")
    async def connection(_request: web.Request) -> web.Response:
        return web.json_response({"connected": True, "reason": ""})

    link = ChatLink(tmp_path / "run" / "http.sock", configured=True)
    wish = {"room_id": "GENERAL", "text": "hello", "more": 1}
    assert (await link.send(wish, language="pl")).status == 503
    silent = await link.look()
    assert silent is not None
    assert not silent.connected
    async with http.unix_server(tmp_path / "run" / "http.sock", table):
        assert (await link.send(wish, language="pl")).status == 404
        assert await link.look() == Chat(connected=True)
    assert seen == [{"room_id": "GENERAL", "text": "hello"}]
