"""The server put together: routes, the websocket, health, start and end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from lab.standins.rocketchat import first_start, page
from lab.standins.rocketchat.realtime.ddp import Ddp
from lab.standins.rocketchat.realtime.sockets import FRAME_MAX, Connection
from lab.standins.rocketchat.rest import files
from lab.standins.rocketchat.rest.api import MODES_PATH, STAND_IN, RestApi, client_address
from lab.standins.rocketchat.workspace import Config, Workspace

BODY_MAX = 4 * 1024 * 1024


class Server:
    """A workspace behind its routes."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._rest = RestApi(workspace)

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=BODY_MAX)
        router = app.router
        router.add_route("*", "/api/v1/{path:.+}", self._rest.v1)
        router.add_get("/api/info", self._rest.info)
        router.add_get(MODES_PATH, self._rest.modes)
        router.add_post(MODES_PATH, self._rest.modes)
        router.add_get("/standin/info", self.info)
        for path in ("/livez", "/readyz", "/health"):
            router.add_get(path, self.health)
        router.add_get("/websocket", self.websocket)
        router.add_get("/file-upload/{file_id}/{name}", self.download)
        page.add_routes(app)
        app.on_shutdown.append(self._shut_down)
        return app

    async def health(self, request: web.Request) -> web.Response:
        """Answer that the server lives; ready means that the store answers too."""
        self._workspace.store.one("SELECT 1")
        status = "ready" if request.path == "/readyz" else "ok"
        return web.json_response({"status": status}, headers=STAND_IN)

    async def info(self, _request: web.Request) -> web.Response:
        """The stand-in's own: tell what it is, so that nobody takes it for the product."""
        body = {
            "standin": True,
            "product": "Rocket.Chat",
            "speaks": self._workspace.modes.version,
            "notice": "A stand-in that speaks Rocket.Chat's documented interface.",
        }
        return web.json_response(body, headers=STAND_IN)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Serve an uploaded file."""
        return await files.download(self._workspace, request)

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Serve a realtime connection until it ends."""
        if self._workspace.modes.refuse_sockets or self._workspace.closing.is_set():
            return web.Response(status=503, headers=STAND_IN)
        socket = web.WebSocketResponse(max_msg_size=FRAME_MAX, compress=False)
        if not socket.can_prepare(request).ok:
            return web.Response(status=400, text="This address speaks WebSocket only.\n")
        await socket.prepare(request)
        config = self._workspace.config
        connection = Connection(
            socket,
            request.transport,
            address=client_address(request, config.forwarded_count),
            muted=lambda: self._workspace.modes.mute_sockets,
        )
        self._workspace.sockets.add(connection)
        try:
            await connection.run(
                Ddp(self._workspace, connection),
                ping_seconds=config.ping_seconds,
                pong_seconds=config.pong_seconds,
            )
        finally:
            self._workspace.sockets.remove(connection)
        return socket

    async def _shut_down(self, _app: web.Application) -> None:
        self._workspace.closing.set()
        await self._workspace.sockets.close_all()


@dataclass
class Running:
    """A server that serves; `port` is where."""

    workspace: Workspace
    port: int
    runner: web.AppRunner

    async def stop(self) -> None:
        """End the server; what was answered is kept."""
        await self.runner.cleanup()
        self.workspace.close()


async def start(config: Config, *, clock: Callable[[], float] = time.time) -> Running:
    """Start a server; port 0 takes a free one. Raises OSError if the port is taken."""
    workspace = Workspace(config, clock=clock)
    try:
        first_start.prepare(workspace)
        runner = web.AppRunner(Server(workspace).app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, config.host, config.port)
        await site.start()
    except BaseException:
        workspace.close()
        raise
    port: int = runner.addresses[0][1]
    return Running(workspace, port, runner)


async def serve(config: Config, *, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    running = await start(config)
    try:
        await stop.wait()
    finally:
        await running.stop()
