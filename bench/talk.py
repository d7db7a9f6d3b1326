"""Talking with a lab as a program does: one question, and its events as they come."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.pair import Pair
from tools.client_file import PORT

PATIENCE_SECONDS = 300.0


@dataclass
class Talk:
    """One answer being read; times are of time.monotonic()."""

    begun: float
    lines: Iterator[bytes]
    text: str = ""
    first: float | None = None
    end: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds_to_first(self) -> float:
        """Time to the first piece; what never came took for ever."""
        return float("inf") if self.first is None else self.first - self.begun

    def read(self, pieces: int | None = None) -> str:
        """Read so many pieces more, or all; returns the text so far."""
        name = ""
        for line in self.lines:
            key, _, value = line.decode(errors="replace").rstrip("\r\n").partition(": ")
            if key == "event":
                name = value
            elif key == "data" and name == "token":
                self.first = self.first or time.monotonic()
                self.text += json.loads(value)["text"]
                pieces = None if pieces is None else pieces - 1
            elif key == "data" and name in {"done", "error"}:
                self.end = json.loads(value)
            if self.end or pieces == 0:
                break
        return self.text


@contextlib.contextmanager
def talking(pair: Pair, turns: Sequence[tuple[str, str]]) -> Iterator[Talk]:
    """Ask at the virtual address; the context closes the connection, which ends the answer."""
    trust = ssl.create_default_context(cafile=str(pair.lab.state / "ca.crt"))
    token = (pair.lab.state / "operator.token").read_text().strip()
    body = {"messages": [{"role": role, "content": content} for role, content in turns]}
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "text/event-stream",
        "Content-Type": "application/json",
    }
    door = http.client.HTTPSConnection(pair.lab.vip, PORT, context=trust, timeout=PATIENCE_SECONDS)
    begun = time.monotonic()
    with contextlib.closing(door):
        door.request("POST", "/api/v1/chat", json.dumps(body), headers)
        answer = door.getresponse()
        if answer.status != http.client.OK:
            yield Talk(begun, iter(()), end=json.loads(answer.read()))
        else:
            yield Talk(begun, iter(answer.readline, b""))
