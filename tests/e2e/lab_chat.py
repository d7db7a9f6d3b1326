"""Rocket.Chat of a deployed lab: where it is, whose passwords there are, what it says over REST."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any

import requests

from lab import settings
from lab.faults import Host
from lab.problem import Problem
from tests.e2e.chat_page import ChatPage

HOST_NUMBER, PORT = 14, 3100
TIMEOUT = (5, 30)
IMAGES = settings.REPOSITORY / "docs" / "tutorial" / "images"


class LabChat:
    """The chat host as `user` sees it, with a certificate of the deployment's authority."""

    def __init__(self) -> None:
        lab = settings.load()
        self.name = lab.name
        address = ipaddress.ip_network(lab.networks.system_subnet)[HOST_NUMBER]
        self.url = f"https://{address}:{PORT}"
        file = lab.state / "rocketchat.passwords"
        if not file.exists():
            raise Problem(
                f"lab {lab.name} has no chat",
                why=f"{file} does not exist: it is written when a lab with chat is deployed",
                todo=f"make deploy LAB={lab.name}, or name another lab in HEYKEN_LAB",
            )
        kept = file.read_text().splitlines()
        self.passwords: dict[str, str] = dict(line.split() for line in kept)
        self._ca_file = str(lab.state / "ca.crt")
        self._headers: dict[str, str] = {}

    def host(self) -> Host:
        """Return the chat host, to be broken: never that of the default lab."""
        assert self.name != "lab", "these tests break things: they never touch the default lab"
        return Host(self.name, "chat")

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Read something as `user`."""
        if not self._headers:
            self._log_in()
        response = requests.get(
            f"{self.url}/api/v1/{path}",
            params=query,
            headers=self._headers,
            timeout=TIMEOUT,
            verify=self._ca_file,
        )
        assert response.ok, f"{path}: {response.status_code} {response.text}"
        body: dict[str, Any] = response.json()
        return body

    def replies(self, question_id: str) -> list[str]:
        """Return the texts of all replies in the thread of a question, the oldest first."""
        found = self.get("chat.getThreadMessages", tmid=question_id, count=100)["messages"]
        return [str(message["msg"]) for message in sorted(found, key=lambda one: one["ts"])]

    def said_in(self, channel: str, count: int = 30) -> list[str]:
        """Return the newest texts of a channel, the newest first."""
        room = self.get("rooms.info", roomName=channel)["room"]
        found = self.get("channels.messages", roomId=room["_id"], count=count)["messages"]
        return [str(message["msg"]) for message in found]

    def _log_in(self) -> None:
        response = requests.post(
            f"{self.url}/api/v1/login",
            json={"username": "user", "password": self.passwords["user"]},
            timeout=TIMEOUT,
            verify=self._ca_file,
        )
        assert response.ok, f"login: {response.status_code}"
        data = response.json()["data"]
        self._headers = {"X-User-Id": data["userId"], "X-Auth-Token": data["authToken"]}


async def picture(tab: ChatPage, name: str) -> None:
    """Keep a picture for the tutorial, if pictures are wanted (HEYKEN_SCREENSHOTS=1)."""
    if os.environ.get("HEYKEN_SCREENSHOTS") == "1":
        await tab.picture(Path(IMAGES / f"{name}.png"))
