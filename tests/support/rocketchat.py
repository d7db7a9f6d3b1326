"""The Rocket.Chat stand-in in process, with people and rooms, for tests of whatever talks to it.

    async with standin() as chat:                      # modes as keywords: standin(version="9.0.0")
        chat.url, chat.ws_url                          # http://127.0.0.1:<port>, ws://…/websocket
        chat.ids["heyken_bot"], chat.tokens["user"]    # users: admin, heyken_bot, user
        chat.passwords["user"]
        chat.rooms["general"]                          # GENERAL, heyken-system, heyken-logs,
                                                       # heyken-sandbox (private); ids by name
        message = await chat.post("user", "general", "@heyken_bot hello")
        reply = await chat.post("user", "general", "and?", thread_id=message["_id"])
        room_id = await chat.direct("user", "heyken_bot")
        await chat.messages("general")                 # documents, the oldest first
        status, body = await chat.call("user", "POST", "chat.update", {"roomId": …})
        await chat.api("user", "chat.react", messageId=…, emoji=":eyes:")  # POST, must succeed
        await chat.set_modes(restricted_workspace=True, delay_seconds=0.2)
        await chat.drop_sockets()                      # cuts every websocket
        await chat.restart()                           # same address, same data, sockets cut
        await chat.stop(); await chat.start()          # away in between
        async with chat.socket("heyken_bot") as socket:  # a raw websocket, connected and logged in
            await socket.sub("stream-room-messages", "__my_messages__", False)
            await socket.method("stream-notify-room", …); await socket.send(msg="ping", id="1")
            frames = await socket.flush()              # what came so far; order is kept

The rate limiter is off unless asked for (`rate_limit="settings"`). `settings={"<SettingId>": "…"}`
sets settings as OVERWRITE_SETTING_… would. A room is named by its name or its id. All modes are
described in lab/standins/rocketchat/modes.py. `chat.workspace` is the server's inside, for looking.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from lab.standins.rocketchat import app
from lab.standins.rocketchat.kept.messages import Window
from lab.standins.rocketchat.kept.people import User
from lab.standins.rocketchat.kept.places import Kind, Room
from lab.standins.rocketchat.modes import Modes
from lab.standins.rocketchat.rules import joining
from lab.standins.rocketchat.workspace import Config, Workspace

PATIENCE_SECONDS = 10.0
BOT = "heyken_bot"
PEOPLE = {"admin": ("admin",), BOT: ("user", "bot"), "user": ("user",)}
CHANNELS = ("heyken-system", "heyken-logs")
GROUP = "heyken-sandbox"
TOKENS_SECRET = "secret-of-the-tests"


class Socket:
    """A websocket that speaks DDP; frames are plain dictionaries."""

    def __init__(self, raw: aiohttp.ClientWebSocketResponse) -> None:
        self.raw = raw
        self._numbers = itertools.count(1)

    async def send(self, **frame: Any) -> None:
        """Send one frame."""
        await self.raw.send_json(frame)

    async def receive(self) -> dict[str, Any]:
        """Return the next frame; fails if the connection ends or nothing comes."""
        message = await self.raw.receive(timeout=PATIENCE_SECONDS)
        assert message.type is aiohttp.WSMsgType.TEXT, f"no frame but {message}"
        frame: dict[str, Any] = json.loads(message.data)
        return frame

    async def until(self, msg: str) -> dict[str, Any]:
        """Return the next frame of a kind and pass over the others."""
        while True:
            frame = await self.receive()
            if frame.get("msg") == msg:
                return frame

    async def method(self, name: str, *parameters: Any) -> dict[str, Any]:
        """Call a method and return the frame of its result."""
        call_id = str(next(self._numbers))
        await self.send(msg="method", method=name, id=call_id, params=list(parameters))
        while True:
            frame = await self.until("result")
            if frame["id"] == call_id:
                return frame

    async def sub(self, name: str, *parameters: Any) -> dict[str, Any]:
        """Subscribe and return `ready` or `nosub`; the subscription's id is `name event`."""
        sub_id = " ".join(str(part) for part in (name, *parameters[:1]))
        await self.send(msg="sub", id=sub_id, name=name, params=list(parameters))
        while True:
            frame = await self.receive()
            if frame.get("subs") == [sub_id] or frame.get("id") == sub_id:
                return frame

    async def flush(self) -> list[dict[str, Any]]:
        """Return every frame that the server sent before it saw this call."""
        await self.send(msg="ping", id="flush")
        frames = []
        while (frame := await self.receive()) != {"msg": "pong", "id": "flush"}:
            frames.append(frame)
        return frames

    async def events(self) -> list[tuple[str, Any]]:
        """Return (event name, arguments) of what was told so far."""
        frames = [frame for frame in await self.flush() if frame.get("msg") == "changed"]
        return [(frame["fields"]["eventName"], frame["fields"]["args"]) for frame in frames]

    async def ended(self) -> bool:
        """Read until the connection ends; fails if it goes on."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                message = await self.raw.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return self.raw.closed or message.type is aiohttp.WSMsgType.ERROR


@dataclass
class StandIn:
    """A running stand-in and the hands to use it."""

    config: Config
    session: aiohttp.ClientSession
    clock: Callable[[], float]
    running: app.Running
    ids: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    rooms: dict[str, str] = field(default_factory=dict)

    @property
    def workspace(self) -> Workspace:
        """The server's inside."""
        return self.running.workspace

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.running.port}"

    @property
    def ws_url(self) -> str:
        """Where its websocket is."""
        return f"ws://127.0.0.1:{self.running.port}/websocket"

    def headers(self, username: str | None) -> dict[str, str]:
        """Return the headers that log a user in."""
        if username is None:
            return {}
        return {"X-User-Id": self.ids[username], "X-Auth-Token": self.tokens[username]}

    async def call(
        self,
        username: str | None,
        method: str,
        name: str,
        values: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Call the REST interface as a user; values are the query of a GET, else the JSON."""
        sent: dict[str, Any] = (
            {"params": values or {}} if method == "GET" else {"json": values or {}}
        )
        more = self.headers(username) | dict(headers or {})
        url = f"{self.url}/api/v1/{name}"
        async with self.session.request(method, url, headers=more, **sent) as response:
            return response.status, await response.json()

    async def api(self, username: str, name: str, /, **values: object) -> dict[str, Any]:
        """POST as a user, which must succeed."""
        status, body = await self.call(username, "POST", name, values)
        assert status == 200, f"{name}: {status} {body}"
        return body

    async def get(self, username: str, name: str, /, **values: Any) -> dict[str, Any]:
        """GET as a user, which must succeed."""
        status, body = await self.call(username, "GET", name, values)
        assert status == 200, f"{name}: {status} {body}"
        return body

    async def post(
        self,
        username: str,
        room: str,
        text: str,
        *,
        thread_id: str | None = None,
        message_id: str | None = None,
    ) -> dict[str, Any]:
        """Send a message as a user and return it."""
        message = {"rid": self.rooms.get(room, room), "msg": text}
        message |= {"tmid": thread_id} if thread_id else {}
        message |= {"_id": message_id} if message_id else {}
        body = await self.api(username, "chat.sendMessage", message=message)
        return dict(body["message"])

    @contextlib.asynccontextmanager
    async def socket(self, username: str | None = None) -> AsyncIterator[Socket]:
        """Open a websocket; with a name it is connected and logged in."""
        async with self.session.ws_connect(self.ws_url) as raw:
            socket = Socket(raw)
            if username is not None:
                await socket.send(msg="connect", version="1", support=["1"])
                await socket.until("connected")
                result = await socket.method("login", {"resume": self.tokens[username]})
                assert "error" not in result, result
                await socket.flush()
            yield socket

    async def direct(self, username: str, other: str) -> str:
        """Return the id of the direct room between two users."""
        return str((await self.api(username, "im.create", username=other))["room"]["_id"])

    async def messages(self, room: str) -> list[dict[str, Any]]:
        """Return all messages of a room that are not system messages, the oldest first."""
        room_id = self.rooms.get(room, room)
        page = self.workspace.messages.page(room_id, Window(count=0, ascending=True))
        return [message for message in page.items if "t" not in message]

    async def set_modes(self, **modes: object) -> None:
        """Change modes, in the way an admin does."""
        body, headers = modes, self.headers("admin")
        async with self.session.post(f"{self.url}/standin/modes", json=body, headers=headers) as it:
            assert it.status == 200, await it.text()

    async def drop_sockets(self) -> None:
        """Cut every websocket now."""
        self.workspace.sockets.drop_all()

    async def stop(self) -> None:
        """Take the server away; its data stay."""
        await self.running.stop()

    async def start(self) -> None:
        """Bring it back at the same address, with the modes it had."""
        config = Config(
            **{
                **vars(self.config),
                "port": self.running.port,
                "modes": self.running.workspace.modes,
            }
        )
        self.running = await app.start(config, clock=self.clock)

    async def restart(self) -> None:
        """Stop and start."""
        await self.stop()
        await self.start()


@contextlib.asynccontextmanager
async def standin(
    *,
    settings: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.time,
    ping_seconds: float = 17.5,
    pong_seconds: float = 15.0,
    forwarded_count: int = 0,
    **modes: object,
) -> AsyncIterator[StandIn]:
    """Serve a stand-in on a free loopback port for as long as the context lasts."""
    overwrite = {f"OVERWRITE_SETTING_{name}": value for name, value in (settings or {}).items()}
    with tempfile.TemporaryDirectory(prefix="standin-") as folder:
        config = Config(
            data=Path(folder),
            environment={"ADMIN_PASS": "password of admin"} | overwrite,
            modes=Modes().changed({"rate_limit": "off"} | modes),
            host="127.0.0.1",
            port=0,
            forwarded_count=forwarded_count,
            tokens_secret=TOKENS_SECRET,
            ping_seconds=ping_seconds,
            pong_seconds=pong_seconds,
            password_cost=2,
        )
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            running = await app.start(config, clock=clock)
            chat = StandIn(config, session, clock, running)
            try:
                _populate(chat)
                yield chat
            finally:
                await chat.running.stop()


def _populate(chat: StandIn) -> None:
    """Make the people and rooms that a deployment has."""
    workspace = chat.workspace
    with workspace.store.transaction():
        for name, roles in PEOPLE.items():
            chat.passwords[name] = f"password of {name}"
            user = workspace.accounts.named(name)
            if user is None:
                person = User(id="", username=name, name=name.title(), roles=roles)
                user = workspace.accounts.add(person, chat.passwords[name])
                joining.join_defaults(workspace, user)
            chat.ids[name] = user.id
            chat.tokens[name] = workspace.accounts.issue(user)
        people = [user for user in workspace.accounts if user.username in PEOPLE]
        chat.rooms["general"] = "GENERAL"
        admin = {"_id": chat.ids["admin"], "username": "admin"}
        for name in (*CHANNELS, GROUP):
            kind = Kind.GROUP if name == GROUP else Kind.CHANNEL
            room = workspace.rooms.add(Room(id="", kind=kind, name=name, creator=admin))
            chat.rooms[name] = room.id
            for user in people:
                roles = ("owner",) if user.username == "admin" else ()
                joining.add(workspace, room, user, roles=roles, quiet=True)
