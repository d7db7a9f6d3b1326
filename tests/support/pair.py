"""The pair of the tests' lab as a client and an operator see it, and a way to break it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from lab import settings
from lab.faults import Host

# Enough for a machine that others use too: how long things take is what `bench` measures.
WAIT_SECONDS = 120.0
ROLE = "curl -s --max-time 2 --unix-socket /run/heyken/core-manager/http.sock http://unit/role"


Method = Callable[..., requests.Response]


class Pair:
    """Both cores of the tests' lab."""

    def __init__(self) -> None:
        lab = settings.load()
        assert lab.name != "lab", "these tests break things: they never touch the default lab"
        self.client_file = lab.client_file
        client = tomllib.loads(lab.client_file.read_text())
        self.url: str = client["url"]
        self.core_urls: dict[str, str] = client["cores"]
        self._ca_file: str = client["ca_file"]
        self._headers = {"Authorization": f"Bearer {client['token']}"}
        self.hosts = {name: Host(lab.name, name) for name in ("core1", "core2")}

    def other(self, name: str) -> str:
        """Return the name of the other core."""
        return "core2" if name == "core1" else "core1"

    def holders(self) -> list[str]:
        """Return the cores whose keepalived says MASTER, each asked on the host itself."""
        return [
            name
            for name, host in self.hosts.items()
            if host.running() and self.vrrp(name) == "MASTER"
        ]

    def vrrp(self, name: str) -> str:
        """Return what a core's keepalived said last: MASTER, BACKUP, FAULT..."""
        return str(json.loads(self.hosts[name].run(ROLE))["vrrp"])

    def holder(self) -> str:
        """Return the one holder; two or none fail."""
        holders = self.holders()
        assert len(holders) == 1, f"exactly one core must hold the address, not {holders}"
        return holders[0]

    def status(self) -> dict[str, Any]:
        """Return what /status says through the virtual address."""
        return self._json(requests.get, "/status")

    def chat(self, question: str) -> requests.Response:
        """Ask through the virtual address, on a connection of its own; return what comes."""
        return self._call(requests.post, "/api/v1/chat", json={"message": question})

    def ask(self, question: str) -> dict[str, Any]:
        """Ask, and expect an answer."""
        return self._json(requests.post, "/api/v1/chat", json={"message": question})

    def stream(self, question: str) -> Iterator[str]:
        """Ask for a stream, and yield the names of its events as they come."""
        more: dict[str, Any] = {"json": {"message": question, "stream": True}, "stream": True}
        with self._call(requests.post, "/api/v1/chat", **more) as response:
            assert response.ok, response.text
            for line in response.iter_lines():
                if line.startswith(b"event: "):
                    yield line.removeprefix(b"event: ").decode()

    def ask_in_terminal(self, question: str) -> subprocess.Popen[str]:
        """Ask as a person does who types `heyken ask`."""
        return subprocess.Popen(  # noqa: S603 - the question is the test's own
            [sys.executable, "-m", "heyken_glue", "ask", question],
            env={**os.environ, "HEYKEN_CLIENT_FILE": str(self.client_file)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def switch(self, core_id: int, **more: Any) -> requests.Response:
        """Ask for a switch and return the answer, whatever it is."""
        body = {"core_id": core_id, **more}
        return self._call(requests.post, "/switch_core", json=body)

    def send(self, wish: dict[str, Any], *, key: str) -> requests.Response:
        """Ask the assistant to post something; return the answer, whatever it is."""
        headers = {**self._headers, "Idempotency-Key": key}
        return self._call(requests.post, "/send", json=wish, headers=headers)

    def end_drill(self, drill_id: str) -> None:
        """Give back the lock of a drill that was broken off."""
        body = {"step": "end", "id": drill_id, "error": "the test ended its conductor"}
        self._json(requests.post, "/drills", json=body)

    def _call(self, method: Method, path: str, **more: Any) -> requests.Response:
        own: dict[str, Any] = {"headers": self._headers, "verify": self._ca_file}
        return method(self.url + path, timeout=(2, 60), **{**own, **more})

    def _json(self, method: Method, path: str, **more: Any) -> dict[str, Any]:
        response = self._call(method, path, **more)
        assert response.ok, f"{response.status_code}: {response.text}"
        body: dict[str, Any] = response.json()
        return body


def wait_for(what: str, condition: Callable[[], Any], *, seconds: float = WAIT_SECONDS) -> Any:
    """Wait until `condition` gives something true; say what was seen last if it does not."""
    deadline, seen = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            seen = condition()
        except Exception as error:  # noqa: BLE001 - a host that is down may fail in any way
            seen = repr(error)
        else:
            if seen:
                return seen
        time.sleep(0.1)
    pytest.fail(f"{what}: not within {seconds:.0f} s; seen last: {seen}")


def healthy(pair: Pair) -> None:
    """Wait until the status says that nothing is wrong and one core holds the address."""
    wait_for("the pair is whole", lambda: _whole(pair))
    wait_for("one core holds the address", lambda: len(pair.holders()) == 1)


def _whole(pair: Pair) -> bool:
    status = pair.status()
    assert status["whole"] is True, status  # what is not well is seen last
    return True
