"""Rocket.Chat of the tests' lab: people over REST beside the browser, and pictures for the docs."""

from __future__ import annotations

import os
from functools import cached_property

from lab import chat, settings
from lab.faults import Host
from tests.e2e.chat_page import ChatPage

IMAGES = settings.REPOSITORY / "docs" / "tutorial" / "images"


class LabChat:
    """The chat host of the lab that HEYKEN_LAB names."""

    def __init__(self) -> None:
        self.lab = settings.load()
        self.passwords = chat.passwords(self.lab)

    @cached_property
    def user(self) -> chat.Person:
        """The person that the browser shows, over REST."""
        return self.person("user")

    @cached_property
    def admin(self) -> chat.Person:
        """The administrator, over REST."""
        return self.person("admin")

    def person(self, name: str, password: str = "") -> chat.Person:
        """Log somebody in."""
        return chat.Person(self.lab, name, password)

    @property
    def url(self) -> str:
        """Where it is."""
        return self.user.url

    def host(self) -> Host:
        """Return the chat host, to be broken: never that of the default lab."""
        assert self.lab.name != "lab", "these tests break things: they never touch the default lab"
        return Host(self.lab.name, "chat")


async def picture(tab: ChatPage, name: str) -> None:
    """Keep a picture for the tutorial, if pictures are wanted (HEYKEN_SCREENSHOTS=1)."""
    if os.environ.get("HEYKEN_SCREENSHOTS") == "1":
        await tab.picture(IMAGES / f"{name}.png")
