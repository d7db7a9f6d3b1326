"""The chat server as the core manager knows it: through the unit `assistant` of this core."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from heyken_glue import errors
from heyken_glue.domain.sentences import Sentence, say
from heyken_glue.domain.status import Chat
from heyken_glue.runtime import http
from heyken_glue.services.core_manager_switch import Answer, refusal
from heyken_glue.settings import Settings

LOOK_SECONDS = 0.3
SEND_SECONDS = 15.0
ASSISTANT_SILENT = Chat(connected=False, reason=say("assistant_silent"))


class ChatLink:
    """Asks the assistant; `configured` is False where the deployment has no chat server."""

    def __init__(self, socket: Path, *, configured: bool) -> None:
        self._socket, self._configured = socket, configured

    @classmethod
    def of(cls, settings: Settings) -> ChatLink:
        """Return the link that the settings describe."""
        socket = settings.paths.runtime_directory / "assistant" / "http.sock"
        return cls(socket, configured=settings.rocketchat is not None)

    async def look(self) -> Chat | None:
        """Return whether the assistant is connected, None where there is no chat server."""
        if not self._configured:
            return None
        try:
            async with http.unix_session(self._socket, total_seconds=LOOK_SECONDS) as session:
                content = await http.request_json(session, "GET", "/connection")
        except errors.HeykenError:
            return ASSISTANT_SILENT
        reason = str(content.get("reason") or "")
        return Chat(connected=content.get("connected") is True, reason=Sentence(reason, reason))

    async def send(self, wish: Mapping[str, Any], *, language: str) -> Answer:
        """Post a text to a room, and return what the assistant answered."""
        if not self._configured:
            return refusal(503, "no_rocketchat", say("no_chat"), language)
        body = {name: wish[name] for name in ("room_id", "text", "key") if name in wish}
        try:
            async with (
                http.unix_session(self._socket, total_seconds=SEND_SECONDS) as session,
                session.post("/send", json=body, headers={"Accept-Language": language}) as answer,
            ):
                content = await answer.json(content_type=None)
                return Answer(answer.status, dict(content))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, TypeError):
            return refusal(503, "unit_away", say("assistant_silent"), language)
