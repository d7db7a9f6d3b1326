"""One websocket to Rocket.Chat, from the handshake to its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from heyken_glue.adapters.rocketchat import frames, models, refusals
from heyken_glue.adapters.rocketchat.frames import Frame
from heyken_glue.adapters.rocketchat.models import Login
from heyken_glue.adapters.rocketchat.oddities import Oddities
from heyken_glue.adapters.rocketchat.rest import http_reason

MAX_FRAME_BYTES = 2**20
_FIRST_SERVER_ERROR = 500


@dataclass(frozen=True)
class Timing:
    """All in seconds.

    `connect`, `answer`, `send`, `farewell`: how long the socket, an answer while logging in, a
    frame of ours and the goodbye may take. After `silence` we ask for a sign of life, after as
    much again it is the end. `rejected` lies between two tries where the server refuses us. A
    connection that held for `settled` is no flapping one.
    """

    connect: float = 10.0
    answer: float = 10.0
    send: float = 2.0
    silence: float = 7.0
    farewell: float = 0.5
    rejected: float = 60.0
    settled: float = 30.0


class LostError(Exception):
    """This connection is of no use any more; `retry_after` in seconds if the server named it."""

    def __init__(self, reason: str, *, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class RejectedError(Exception):
    """The server refuses us; the next connection will fare no better by itself."""


@contextlib.asynccontextmanager
async def opened(
    session: aiohttp.ClientSession, url: str, *, timing: Timing, oddities: Oddities
) -> AsyncIterator[Connection]:
    """Connect to the server at `url` (http or https) and hang up at the end; LostError."""
    address = f"ws{url.rstrip('/').removeprefix('http')}/websocket"
    try:
        async with asyncio.timeout(timing.connect):
            socket = await session.ws_connect(
                address,
                max_msg_size=MAX_FRAME_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_receive=None, ws_close=timing.farewell),
            )
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise LostError(f"cannot connect: {_why(error)}") from error
    try:
        yield Connection(socket, timing=timing, oddities=oddities)
    finally:
        # a server that goes on talking may not hold us up
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timing.farewell):
                await socket.close()


class Connection:
    """Reads and writes frames; every failure is a LostError."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, *, timing: Timing, oddities: Oddities
    ) -> None:
        self._socket, self._timing, self._oddities = socket, timing, oddities

    async def log_in(self, who: Login, hear: Callable[[Frame], None]) -> None:
        """Log in and subscribe to messages; what comes in meanwhile goes to `hear`."""
        await self.tell(frames.connect())
        greeting = await self._answer(lambda frame: frame.kind in {"connected", "failed"}, hear)
        if greeting.kind == "failed":
            raise RejectedError("the server speaks another version of the protocol")
        await self.tell(frames.login(who))
        result = await self._answer(
            lambda frame: frames.answers(frame, "result", frames.LOGIN_ID), hear
        )
        _check_login(result.content, who)
        await self.tell(frames.subscribe_to_messages())
        ready = await self._answer(_is_about_messages, hear)
        if ready.kind == "nosub":
            reason = _reason(models.mapping(ready.content.get("error")))
            raise RejectedError(f"the server does not tell about messages: {reason}")

    async def tell(self, frame: Mapping[str, Any]) -> None:
        """Send a frame."""
        try:
            async with asyncio.timeout(self._timing.send):
                await self._socket.send_str(json.dumps(frame))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise LostError(f"cannot send: {_why(error)}") from error

    async def next(self) -> Frame:
        """Return the next frame; signs of life are exchanged on the way."""
        was_asked = False
        while True:
            try:
                received = await self._socket.receive(timeout=self._timing.silence)
            except TimeoutError as error:
                if was_asked:
                    raise LostError("the server went silent") from error
                was_asked = True
                await self.tell(frames.ping())
                continue
            was_asked = False
            frame = self._read(received)
            if frame is not None and frame.kind == "ping":
                await self.tell(frames.pong(frame))
            elif frame is not None:
                return frame

    def _read(self, received: aiohttp.WSMessage) -> Frame | None:
        if received.type is aiohttp.WSMsgType.TEXT:
            frame = frames.parse(received.data)
            if frame is None:
                self._oddities.note("frame")
            return frame
        if received.type is aiohttp.WSMsgType.BINARY:
            self._oddities.note("binary_frame")
            return None
        if received.type is aiohttp.WSMsgType.ERROR:
            raise LostError(f"the connection broke: {received.data}")
        raise LostError("the server closed the connection")

    async def _answer(self, is_it: Callable[[Frame], bool], hear: Callable[[Frame], None]) -> Frame:
        try:
            async with asyncio.timeout(self._timing.answer):
                while True:
                    frame = await self.next()
                    if is_it(frame):
                        return frame
                    hear(frame)
        except TimeoutError as error:
            raise LostError("the server does not answer while we log in") from error


def is_end_of_messages(frame: Frame) -> bool:
    """Tell whether the server ended our subscription to messages."""
    return frames.answers(frame, "nosub", frames.MESSAGES_ID)


def _is_about_messages(frame: Frame) -> bool:
    return is_end_of_messages(frame) or frames.answers(frame, "ready", frames.MESSAGES_ID)


def _check_login(content: Mapping[str, Any], who: Login) -> None:
    """Raise why a login did not work, if so."""
    if content.get("error"):
        error = models.mapping(content.get("error"))
        reason, code = _reason(error), error.get("error")
        wait = refusals.wait_in(reason)
        if refusals.is_rate_limit(models.text(code)) or wait is not None:
            raise LostError(f"too many logins: {reason}", retry_after=wait or 0.0)
        if (models.whole(code) or 0) >= _FIRST_SERVER_ERROR:
            raise LostError(f"the login failed: {reason}")
        raise RejectedError(f"the login was refused: {reason}")
    user_id = models.text(models.mapping(content.get("result")).get("id"))
    if not user_id:
        raise LostError("the answer to the login says nothing")
    if user_id != who.user_id:
        raise RejectedError("the token belongs to another user")


def _reason(error: Mapping[str, Any]) -> str:
    said = models.text(error.get("reason")) or models.text(error.get("message"))
    return said[: refusals.MAX_REASON_LENGTH] or "no reason given"


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"the server answered {error.status}"
    return http_reason(error)
