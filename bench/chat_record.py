"""What stands in Rocket.Chat: each question answered once, each takeover told once."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import Any

from heyken_glue.domain.conversation import CURSOR
from lab.chat import Person
from lab.problem import Problem
from lab.settings import Lab

BOT, CHANNEL, ROOM = "heyken_bot", "heyken-system", "GENERAL"
ANNOUNCED = "is the active core since"


@dataclass
class ChatRecord:
    """Questions of one person, and what became of them; `kept` is a reply as it was once whole."""

    lab: Lab
    asked: list[str] = field(default_factory=list)
    kept: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._user, self._admin = Person(self.lab, "user"), Person(self.lab, "admin")
        self._told_before = self._announcements()

    def ask(self, question: str) -> str:
        """Ask the assistant; returns the id of the question."""
        name = "".join(secrets.choice(string.ascii_letters) for _ in range(17))
        message = {"_id": name, "rid": ROOM, "msg": f"@{BOT} {question}"}
        try:
            self._user.post("chat.sendMessage", message=message)
        except Problem:  # sent twice over a cut connection: the server takes an id once
            self._user.get("chat.getMessage", msgId=name)
        self.asked.append(name)
        return name

    def replies(self, question_id: str) -> list[str]:
        """Return what the assistant has replied so far."""
        messages = self._admin.get("chat.getThreadMessages", tmid=question_id)["messages"]
        return [str(one["msg"]) for one in messages if one["u"]["username"] == BOT]

    def is_whole(self, question_id: str) -> bool:
        """Tell whether there is a reply and nothing of it is still being written."""
        replies = self.replies(question_id)
        return bool(replies) and not any(text.rstrip().endswith(CURSOR) for text in replies)

    def keep(self, question_id: str) -> None:
        """Note what the replies to a question say once they are whole; later edits are stale."""
        self.kept[question_id] = self.replies(question_id)

    def stale(self) -> int:
        """Return how many replies are unfinished, or were changed since they were noted."""
        return sum(
            not self.is_whole(one) or self.replies(one) != self.kept.get(one, self.replies(one))
            for one in self.asked
        )

    def doubled(self) -> int:
        """Return how many questions have more than one reply."""
        return sum(len(self.replies(one)) > 1 for one in self.asked)

    def announced(self) -> list[str]:
        """Return the takeovers that were told of since the beginning."""
        return [
            text for name, text in self._announcements().items() if name not in self._told_before
        ]

    def _announcements(self) -> dict[str, str]:
        room = self._admin.get("rooms.info", roomName=CHANNEL)["room"]
        found: list[dict[str, Any]] = self._admin.get(
            "channels.messages", roomId=room["_id"], count=500
        )["messages"]
        return {str(one["_id"]): str(one["msg"]) for one in found if ANNOUNCED in str(one["msg"])}
