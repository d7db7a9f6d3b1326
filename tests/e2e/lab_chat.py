"""Rocket.Chat of the tests' lab: people over REST beside the browser, and pictures for the docs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import cached_property

from heyken_glue.domain.conversation import CURSOR
from lab import chat, settings
from lab.chat import BOT, Person, new_id
from lab.faults import Host
from tests.e2e.chat_page import ChatPage
from tests.support.pair import wait_for

IMAGES = settings.REPOSITORY / "docs" / "tutorial" / "images"
QUESTION = f"@{BOT} what is the capital of Poland?"


class LabChat:
    """The chat host of the lab that HEYKEN_LAB names."""

    def __init__(self) -> None:
        self.lab = settings.load()
        self.passwords = chat.passwords(self.lab)

    @cached_property
    def user(self) -> Person:
        """The person that the browser shows, over REST."""
        return self.person("user")

    @cached_property
    def admin(self) -> Person:
        """The administrator, over REST."""
        return self.person("admin")

    def person(self, name: str, password: str = "") -> Person:
        """Log somebody in."""
        return Person(self.lab, name, password)

    @property
    def url(self) -> str:
        """Where it is."""
        return self.user.url

    def host(self) -> Host:
        """Return the chat host, to be broken: never that of the default lab."""
        assert self.lab.name != "lab", "these tests break things: they never touch the default lab"
        return Host(self.lab.name, "chat")


class Room:
    """A channel of one test's own, in which the assistant listens."""

    def __init__(self, lab_chat: LabChat) -> None:
        self.user, self.admin = lab_chat.user, lab_chat.admin
        self.name = f"test-{new_id()[:8].lower()}"
        made = self.admin.post("channels.create", name=self.name, members=[BOT, "user"])
        self.id = str(made["channel"]["_id"])

    def ask(self, text: str = QUESTION, *, by: Person | None = None, thread_id: str = "") -> str:
        """Say something and return its id."""
        return (by or self.user).say(self.id, text, thread_id=thread_id)

    def refusal(self, text: str = QUESTION, *, by: Person | None = None) -> str:
        """Say something that the server does not take and return its reason."""
        message = {"_id": new_id(), "rid": self.id, "msg": text}
        status, body = (by or self.user).attempt("POST", "chat.sendMessage", message=message)
        assert 400 <= status < 500, f"it was taken: {status} {body}"
        return str(body)

    def grows(self, question_id: str) -> bool:
        """Whether the model's words stand there and more are to come."""
        texts = self.admin.replies(question_id)
        return bool(texts) and texts[0].endswith(CURSOR) and "…" not in texts[0]

    def is_answered(self, question_id: str) -> bool:
        """Whether the reply is whole."""
        texts = self.admin.replies(question_id)
        return bool(texts) and not any(text.rstrip().endswith(CURSOR) for text in texts)

    def begun(self, question_id: str) -> None:
        """Wait until an answer is being written."""
        wait_for("the answer grows", lambda: self.grows(question_id))

    def answer(self, question_id: str) -> str:
        """Wait for the whole reply to a question; there is one and no more."""
        wait_for("the answer is whole", lambda: self.is_answered(question_id))
        replies = self.admin.replies(question_id)
        assert len(replies) == 1, replies
        return replies[0]

    def remove(self) -> None:
        """Take the channel away, whatever became of it."""
        self.admin.attempt("POST", "channels.unarchive", roomId=self.id)
        self.admin.attempt("POST", "channels.delete", roomId=self.id)


@contextlib.contextmanager
def modes(lab_chat: LabChat, **wanted: object) -> Iterator[None]:
    """Let the stand-in misbehave for as long as the context lasts."""
    usual = lab_chat.admin.modes()
    lab_chat.admin.set_modes(**wanted)
    try:
        yield
    finally:
        lab_chat.admin.set_modes(**{name: usual[name] for name in wanted})


async def picture(tab: ChatPage, name: str) -> None:
    """Keep a picture for the tutorial, if pictures are wanted (HEYKEN_SCREENSHOTS=1)."""
    if os.environ.get("HEYKEN_SCREENSHOTS") == "1":
        await tab.picture(IMAGES / f"{name}.png")
