"""The chat server of a measured lab, as a person's program sees it over REST."""

from __future__ import annotations

import ipaddress
import time
from typing import Any

import requests

from lab.problem import Problem
from lab.settings import Lab
from tools import secrets

PORT, HOST_NUMBER = 3100, 14
TIMEOUT_SECONDS = 10.0
PATIENCE_SECONDS = 90.0


class Person:
    """Somebody who is logged in; calls are repeated while the server is away."""

    def __init__(self, lab: Lab, name: str) -> None:
        address = ipaddress.ip_network(lab.networks.system_subnet)[HOST_NUMBER]
        self.url = f"https://{address}:{PORT}"
        self.name = name
        self._session = requests.Session()
        self._ca_file = str(lab.state / "ca.crt")
        password = secrets.opened(lab.state)["vault_rocketchat_passwords"][name]
        data = self.post("login", user=name, password=password)["data"]
        self.id = data["userId"]
        self._session.headers.update({"X-User-Id": self.id, "X-Auth-Token": data["authToken"]})

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """Read."""
        return self._call("GET", path, {"params": query})

    def post(self, path: str, **body: object) -> dict[str, Any]:
        """Write; only what may be repeated."""
        return self._call("POST", path, {"json": body})

    def _call(self, method: str, path: str, options: dict[str, Any]) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        url = f"{self.url}/api/v1/{path}"
        while True:
            try:
                # given with each call: a session's own setting gives way to the environment's
                answer = self._session.request(
                    method, url, timeout=TIMEOUT_SECONDS, verify=self._ca_file, **options
                )
                if answer.ok:
                    content: dict[str, Any] = answer.json()
                    return content
                why = f"{answer.status_code}: {answer.text[:300]}"
                final = answer.status_code < 500 and answer.status_code != 429
            except requests.RequestException as error:
                why, final = type(error).__name__, False
            if final or time.monotonic() > deadline:
                raise Problem(f"{method} {path} failed", why=why, todo="make status")
            time.sleep(0.2)
