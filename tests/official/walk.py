"""Walks through the REST interface as clients do, and keeps each request with its answer."""

from __future__ import annotations

import re
from typing import Any

import aiohttp

from tests.official import typings
from tests.official.validators import Request
from tests.support.rocketchat import StandIn

GENERAL = "GENERAL"


class Recorder:
    """Calls by the patterns of the official typings and remembers what was said."""

    def __init__(self, chat: StandIn) -> None:
        self.chat = chat
        self.answers: list[typings.Sample] = []
        self.requests: list[tuple[str, Request]] = []  # with who made it

    async def get(
        self, user: str, pattern: str, query: dict[str, Any] | None = None, **places: str
    ) -> Any:
        """Read; `places` fill the `:names` of the pattern."""
        return await self._call(user, "GET", pattern, query, places)

    async def post(
        self, user: str, pattern: str, body: dict[str, Any] | None = None, **places: str
    ) -> Any:
        """Write."""
        return await self._call(user, "POST", pattern, body, places)

    async def upload(self, user: str, room_id: str, name: str, content: bytes) -> str:
        """Send a file and return its id."""
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name)
        url, headers = f"{self.chat.url}/api/v1/rooms.media/{room_id}", self.chat.headers(user)
        async with self.chat.session.post(url, data=form, headers=headers) as response:
            body = await response.json()
        assert response.status == 200, body
        self.answers.append(typings.answer("POST", "/v1/rooms.media/:rid", body))
        return str(body["file"]["_id"])

    async def _call(
        self,
        user: str,
        method: str,
        pattern: str,
        values: dict[str, Any] | None,
        places: dict[str, str],
    ) -> Any:
        path = re.sub(r":(\w+)", lambda found: places[found[1]], pattern)
        status, body = await self.chat.call(user, method, path.removeprefix("/v1/"), values)
        assert status == 200, f"{path}: {status} {body}"
        if values is not None:
            self.requests.append((user, Request(method, pattern, values)))
        self.answers.append(typings.answer(method, pattern, body))
        return body


async def everything(to: Recorder) -> None:
    """Walk the whole way."""
    await identity(to)
    await workspace(to)
    await messages(to)
    await rooms(to)
    await files(to)


async def identity(to: Recorder) -> None:
    """Logging in, tokens, users."""
    password = to.chat.passwords["user"]
    await to.post("user", "/v1/login", {"username": "user", "password": password})
    await to.get("user", "/v1/me")
    await to.post("user", "/v1/users.generatePersonalAccessToken", {"tokenName": "walk"})
    person = {
        "name": "Ada",
        "username": "ada",
        "email": "ada@example.com",
        "password": "analytical",
    }
    await to.post("admin", "/v1/users.create", {**person, "roles": ["user"], "verified": True})
    await to.get("admin", "/v1/users.info", {"username": "ada"})
    await to.get("admin", "/v1/users.list", {"count": 3, "offset": 0, "sort": '{"username":1}'})
    await to.post("admin", "/v1/roles.addUserToRole", {"roleId": "bot", "username": "ada"})


async def workspace(to: Recorder) -> None:
    """Settings and what the server says of itself."""
    await to.get("admin", "/v1/settings/:_id", _id="Site_Name")
    await to.post("admin", "/v1/settings/:_id", {"value": "A lab"}, _id="Site_Name")
    await to.get("user", "/v1/settings.public", {"_id": "Message_MaxAllowedSize,Site_Name"})


async def messages(to: Recorder) -> None:
    """Everything that happens to messages."""
    message = {"rid": GENERAL, "msg": "@heyken_bot see #general", "_id": "A1b2C3d4E5f6G7h8J"}
    sent = (await to.post("user", "/v1/chat.sendMessage", {"message": message}))["message"]
    reply = {"rid": GENERAL, "msg": "https://example.com", "tmid": sent["_id"]}
    await to.post("heyken_bot", "/v1/chat.sendMessage", {"message": reply})
    await to.post("user", "/v1/chat.postMessage", {"channel": "#general", "text": "by name"})
    doomed = (await to.chat.post("user", "general", "doomed"))["_id"]
    change = {"roomId": GENERAL, "msgId": sent["_id"], "text": "@heyken_bot changed"}
    await to.post("user", "/v1/chat.update", change)
    await to.post("user", "/v1/chat.react", {"messageId": sent["_id"], "emoji": ":eyes:"})
    await to.post("user", "/v1/chat.delete", {"roomId": GENERAL, "msgId": doomed})
    await to.get("user", "/v1/chat.getMessage", {"msgId": sent["_id"]})
    await to.get("user", "/v1/chat.getThreadMessages", {"tmid": sent["_id"]})
    since = {"roomId": GENERAL, "lastUpdate": "2026-01-01T00:00:00.000Z"}
    await to.get("user", "/v1/chat.syncMessages", since)
    paged = {"roomId": GENERAL, "next": "0", "type": "UPDATED", "count": 2}
    await to.get("user", "/v1/chat.syncMessages", paged)


async def rooms(to: Recorder) -> None:
    """Everything that happens to rooms."""
    made = await to.post("admin", "/v1/channels.create", {"name": "lounge", "members": ["user"]})
    lounge, ada = made["channel"]["_id"], await _id_of(to, "ada")
    await to.post("admin", "/v1/channels.invite", {"roomId": lounge, "userId": ada})
    await to.post("heyken_bot", "/v1/channels.join", {"roomId": lounge})
    await to.post("admin", "/v1/channels.setReadOnly", {"roomId": lounge, "readOnly": True})
    await to.get("user", "/v1/channels.info", {"roomId": lounge})
    await to.get("user", "/v1/channels.list", {"count": 2})
    await to.get("user", "/v1/channels.members", {"roomId": lounge})
    await to.get("user", "/v1/channels.messages", {"roomId": GENERAL, "offset": 0, "count": 3})
    await to.get("user", "/v1/channels.history", {"roomId": GENERAL, "count": 3})
    made = await to.post("admin", "/v1/groups.create", {"name": "cellar", "members": ["user"]})
    cellar = made["group"]["_id"]
    await to.post("admin", "/v1/groups.invite", {"roomId": cellar, "userId": ada})
    await to.get("user", "/v1/groups.info", {"roomId": cellar})
    await to.get("user", "/v1/groups.messages", {"roomId": cellar})
    made = await to.post("user", "/v1/im.create", {"username": "heyken_bot"})
    await to.post("user", "/v1/dm.create", {"username": "heyken_bot"})
    await to.chat.post("heyken_bot", made["room"]["_id"], "hello")
    await to.get("user", "/v1/im.messages", {"roomId": made["room"]["_id"]})
    await to.get("user", "/v1/rooms.get", {"updatedSince": "2026-01-01T00:00:00.000Z"})
    await to.get("user", "/v1/rooms.info", {"roomId": lounge})
    await to.get("user", "/v1/subscriptions.get", {"updatedSince": "2026-01-01T00:00:00.000Z"})
    await to.post("user", "/v1/subscriptions.read", {"rid": made["room"]["_id"]})


async def files(to: Recorder) -> None:
    """A file comes in two steps."""
    for name, content in (("notes.txt", b"some notes"), ("dot.gif", b"GIF89a\1\0\1\0\0\0\0;")):
        file_id = await to.upload("user", GENERAL, name, content)
        body = {"msg": "see there", "fileName": name}
        pattern = "/v1/rooms.mediaConfirm/:rid/:fileId"
        await to.post("user", pattern, body, rid=GENERAL, fileId=file_id)


async def _id_of(to: Recorder, username: str) -> str:
    found = await to.chat.get("admin", "users.info", username=username)
    return str(found["user"]["_id"])
