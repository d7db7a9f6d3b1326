"""Who reads an answer while its core is lost: at the terminal, as a program, in chat."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import ssl
import string
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from bench.chat import CURSOR
from bench.pair import Pair
from heyken_glue.cli import client
from heyken_glue.domain import delivered
from lab.chat import BOT, Person
from lab.problem import Problem

CHAT = "/api/v1/chat"
PATIENCE_SECONDS = 120.0
# what docs/reference/api.md tells whoever writes a program
SILENCE_SECONDS, CONNECT_SECONDS, ACCEPT_SECONDS, AGAIN_SECONDS = 0.3, 0.25, 0.5, 0.05
LOOK_SECONDS = 0.04
ID_LETTERS, ID_LENGTH = string.ascii_letters + string.digits, 17
# called with all of the text whenever there is more of it
Listener = Callable[[str], None]
# its id ("" for one without), its name, its data
Event = tuple[str, str, dict[str, Any]]


class Reader(Protocol):
    """Somebody who asks a question and reads the answer as it comes."""

    name: str
    is_stream: bool

    def read(self, question: str, listener: Listener) -> str:
        """Return the whole text; Problem when it did not come to its end or came twice."""


class Terminal:
    """`heyken ask`."""

    name, is_stream = "the terminal", True

    def __init__(self, pair: Pair) -> None:
        self._environ = {**os.environ, "HEYKEN_CLIENT_FILE": str(pair.lab.client_file)}

    def read(self, question: str, listener: Listener) -> str:
        """Return what stood on the terminal."""
        command = [sys.executable, "-m", "heyken_glue", "ask", question]
        with subprocess.Popen(
            command, env=self._environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as asked:
            assert asked.stdout is not None  # noqa: S101 - it was asked for
            assert asked.stderr is not None  # noqa: S101
            text = b""
            while piece := os.read(asked.stdout.fileno(), 4096):
                text += piece
                listener(text.decode(errors="ignore").removesuffix("\n"))
            why = asked.stderr.read().decode(errors="replace")
            code = asked.wait(timeout=PATIENCE_SECONDS)
        if code or why:
            raise Problem("the command told of a loss", why=f"{code}: {why}", todo="make status")
        return text.decode().removesuffix("\n")


class Program:
    """A program of the chat API, written after its reference: it resumes at the same address."""

    name, is_stream = "the API", True

    def __init__(self, pair: Pair) -> None:
        told = client.load({"HEYKEN_CLIENT_FILE": str(pair.lab.client_file)})
        self._address = urllib.parse.urlsplit(told.url)
        self._tls = ssl.create_default_context(cafile=str(told.ca_file))
        self._headers = {"Authorization": f"Bearer {told.token}", "Accept": "text/event-stream"}

    def read(self, question: str, listener: Listener) -> str:
        """Return all texts of the stream, each event once and in order."""
        pieces: list[str] = []
        last, ended = "", False
        until = time.monotonic() + PATIENCE_SECONDS
        while not ended:
            if time.monotonic() > until:
                raise Problem("no end of the answer", why=f"the last id is {last}", todo="status")
            try:
                for id_, name, data in self._asked(question, last, pieces):
                    if id_:
                        _demand_next(last, id_)
                        last = id_
                    pieces += [data["text"]] if name == "token" else []
                    if name == "error":
                        raise Problem("the answer failed", why=data["error"], todo="make status")
                    ended = name == "done"
                    listener("".join(pieces))
            except (OSError, http.client.HTTPException):
                time.sleep(AGAIN_SECONDS)
        return "".join(pieces)

    def stored(self, answer_id: str) -> str:
        """Return the text that the deployment keeps."""
        events = self._events("GET", f"{CHAT}/{answer_id}/events", {})
        return "".join(data["text"] for _, name, data in events if name == "token")

    def _asked(self, question: str, last: str, pieces: Sequence[str]) -> Iterator[Event]:
        """Ask, or go on after the event `last` and the pieces that came."""
        if last:
            path = f"{CHAT}/{last.rpartition(':')[0]}/events"
            headers = {"Last-Event-ID": last, delivered.HEADER: delivered.encoded(pieces)}
            return self._events("GET", path, {name: told for name, told in headers.items() if told})
        content = json.dumps({"message": question})
        return self._events("POST", CHAT, {"Content-Type": "application/json"}, content)

    def _events(
        self, method: str, path: str, headers: Mapping[str, str], content: str | None = None
    ) -> Iterator[Event]:
        with contextlib.closing(self._connected()) as connection:
            connection.request(method, path, content, {**self._headers, **headers})
            response = connection.getresponse()
            if response.status == http.client.NO_CONTENT:
                raise Problem("told that there is no more", why=f"{path} {headers}", todo="the log")
            if response.status != http.client.OK:
                raise http.client.HTTPException(f"{response.status}: {response.read(300)!r}")
            connection.sock.settimeout(SILENCE_SECONDS)
            yield from _parsed(response)

    def _connected(self) -> http.client.HTTPSConnection:
        address = self._address
        connection = http.client.HTTPSConnection(
            str(address.hostname), address.port, context=self._tls, timeout=CONNECT_SECONDS
        )
        connection.connect()
        connection.sock.settimeout(ACCEPT_SECONDS)
        return connection


def _parsed(response: http.client.HTTPResponse) -> Iterator[Event]:
    """Yield id, name and data of each event; OSError when the stream ends before the answer."""
    fields: dict[str, str] = {}
    while raw := response.readline():
        name, _colon, value = raw.decode().rstrip("\r\n").partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield fields.get("id", ""), fields["event"], json.loads(fields["data"])
            if fields["event"] in {"done", "error"}:
                return
            fields = {}
    raise OSError("the stream broke")


def _demand_next(last: str, id_: str) -> None:
    """Raise Problem when an event is missing or comes again."""
    expected = int(last.rpartition(":")[2]) + 1 if last else 0
    if int(id_.rpartition(":")[2]) != expected:
        raise Problem("an event is lost or repeated", why=f"{last}, then {id_}", todo="the log")


class Talk:
    """A person who mentions the assistant in Rocket.Chat, and a friend who watches the thread."""

    name, is_stream = "Rocket.Chat", False

    def __init__(self, pair: Pair) -> None:
        self._user, self._watcher = Person(pair.lab, "user"), Person(pair.lab, "admin")

    def read(self, question: str, listener: Listener) -> str:
        """Return the text of the one reply, when its mark has gone."""
        asked = "".join(secrets.choice(ID_LETTERS) for _ in range(ID_LENGTH))
        message = {"_id": asked, "rid": "GENERAL", "msg": f"@{BOT} {question}"}
        self._user.post("chat.sendMessage", message=message)
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            told = self._watcher.get("chat.getThreadMessages", tmid=asked)["messages"]
            replies = [str(one["msg"]) for one in told if one["u"]["username"] == BOT]
            if len(replies) > 1:
                raise Problem("answered twice", why=repr(replies), todo="look at the thread")
            text = replies[0] if replies else ""
            said = text.rstrip(f" {CURSOR}\n").removesuffix("\n```")
            if said and not said.endswith("…"):  # a notice that it waits is no word of the model
                listener(said)
            if text and not text.rstrip().endswith(CURSOR):
                return text
            time.sleep(LOOK_SECONDS)
        raise Problem("no end of the answer", why="the reply keeps its mark", todo="make status")
