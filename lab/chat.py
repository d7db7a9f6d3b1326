"""Rocket.Chat of a deployed lab: where it is, and people who use it by REST.

For whatever tests or measures a deployed chat; the product itself never looks here.
"""

from __future__ import annotations

import ipaddress
import secrets
import string
import time
from typing import Any

import requests

from lab.problem import Problem
from lab.settings import Lab

PORT, HOST_NUMBER = 3100, 14
BOT = "heyken_bot"
MODES = "/standin/modes"
TIMEOUT_SECONDS = 10.0
PATIENCE_SECONDS = 90.0
BUSY = 429
_LETTERS = string.ascii_letters + string.digits


class Person:
    """Somebody who is logged in; calls are repeated while the server is away or too busy."""

    def __init__(self, lab: Lab, name: str, password: str = "") -> None:
        address = ipaddress.ip_network(lab.networks.system_subnet)[HOST_NUMBER]
        self.url = f"https://{address}:{PORT}"
        self.name = name
        self.ca_file = str(lab.state / "ca.crt")
        self._session = requests.Session()
        entry = {"user": name, "password": password or passwords(lab)[name]}
        data = self.post("login", **entry)["data"]
        self.id, self.token = str(data["userId"]), str(data["authToken"])
        self._session.headers.update({"X-User-Id": self.id, "X-Auth-Token": self.token})

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """Read; a refusal is a Problem."""
        return self._insist("GET", f"/api/v1/{path}", {"params": query})

    def post(self, path: str, **body: object) -> dict[str, Any]:
        """Write what may be repeated; a refusal is a Problem."""
        return self._insist("POST", f"/api/v1/{path}", {"json": body})

    def attempt(self, method: str, path: str, **values: object) -> tuple[int, dict[str, Any]]:
        """Call once and return status and answer, whatever they are."""
        sent = {"params" if method == "GET" else "json": values}
        answer = self._send(method, f"/api/v1/{path}", sent)
        return answer.status_code, dict(answer.json())

    def modes(self) -> dict[str, Any]:
        """Return how a stand-in misbehaves now."""
        return dict(self._insist("GET", MODES, {})["modes"])

    def set_modes(self, **modes: object) -> None:
        """Let a stand-in misbehave; it takes that from administrators only."""
        self._insist("POST", MODES, {"json": modes})

    def room_id(self, name: str) -> str:
        """Return the id of a channel or group."""
        return str(self.get("rooms.info", roomName=name)["room"]["_id"])

    def say(self, room_id: str, text: str, *, thread_id: str = "") -> str:
        """Post a message under an id of our own and return the id."""
        message = {"_id": new_id(), "rid": room_id, "msg": text}
        message |= {"tmid": thread_id} if thread_id else {}
        try:
            self.post("chat.sendMessage", message=message)
        except Problem:  # sent twice over a cut connection: the server takes an id once
            self.get("chat.getMessage", msgId=message["_id"])
        return message["_id"]

    def replies(self, thread_id: str, author: str = BOT) -> list[str]:
        """Return what somebody wrote in a thread, the oldest first."""
        found = self.get("chat.getThreadMessages", tmid=thread_id, count=100)["messages"]
        found = [one for one in found if one["u"]["username"] == author]
        return [str(one["msg"]) for one in sorted(found, key=lambda one: str(one["ts"]))]

    def _insist(self, method: str, path: str, options: dict[str, Any]) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = self._send(method, path, options)
                if answer.ok:
                    content: dict[str, Any] = answer.json()
                    return content
                why = f"{answer.status_code}: {answer.text[:300]}"
                is_final = answer.status_code < 500 and answer.status_code != BUSY  # noqa: PLR2004
            except requests.RequestException as error:
                why, is_final = type(error).__name__, False
            if is_final or time.monotonic() > deadline:
                raise Problem(f"{method} {path} failed", why=why, todo="make status")
            time.sleep(0.2)

    def _send(self, method: str, path: str, options: dict[str, Any]) -> requests.Response:
        # the authority is given with each call: a session's own gives way to the environment's
        return self._session.request(
            method, self.url + path, timeout=TIMEOUT_SECONDS, verify=self.ca_file, **options
        )


def passwords(lab: Lab) -> dict[str, str]:
    """Return the passwords of the declared users by name; Problem if the lab has no chat."""
    file = lab.state / "rocketchat.passwords"
    if not file.exists():
        raise Problem(
            f"lab {lab.name} has no chat",
            why=f"{file} does not exist: it is written when a lab with chat is deployed",
            todo=f"make deploy LAB={lab.name}, or name another lab in HEYKEN_LAB",
        )
    return dict(line.split() for line in file.read_text().splitlines())


def new_id() -> str:
    """Return an id as the product's own clients make them."""
    return "".join(secrets.choice(_LETTERS) for _ in range(17))
