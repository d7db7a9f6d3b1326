"""Rocket.Chat's REST interface, as much of it as the module rocketchat_workspace needs.

It understands the answers of 8.x and of 9.0: the HTTP status first, then `success` or `status`, the
text from `error` or `message`, the code from `errorType` or from brackets at the end of the text.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

TIMEOUT_SECONDS = 30
# A limit is for one minute; who waits longer has met something else.
WAIT_SECONDS_MAX = 65
ATTEMPTS = 3
TOO_MANY = 429
FIRST_ERROR = 400

Answer = dict[str, Any]


class Refused(Exception):  # noqa: N818 - a refusal is an answer
    """The server said no, or said nothing (status 0)."""

    def __init__(self, call: str, status: int, body: Answer) -> None:
        self.status = status
        self.details: Answer = body.get("details") or {}
        self.text = str(body.get("error") or body.get("message") or "no reason given")
        bracketed = re.search(r"\[([A-Za-z0-9_-]+)\]$", self.text)
        self.code = str(body.get("errorType") or (bracketed.group(1) if bracketed else ""))
        super().__init__(f"{call}: {self.text}" + (f" (HTTP {status})" if status else ""))


class Api:
    """A connection on behalf of nobody, or after `log_in` of one user."""

    def __init__(self, url: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url = url.rstrip("/")
        self._sleep = sleep
        self._headers = {"Content-Type": "application/json"}
        self._password = ""
        self.user_id = ""

    def log_in(self, username: str, password: str) -> None:
        """Log in by password, which answers for a second factor later as well."""
        data = self.post("login", {"user": username, "password": password})["data"]
        self.use(data["userId"], data["authToken"])
        self._password = password

    def use(self, user_id: str, token: str) -> None:
        """Go on as a user whose token is known."""
        self.user_id = user_id
        self._headers |= {"X-User-Id": user_id, "X-Auth-Token": token}

    def get(self, path: str, **query: str | int) -> Answer:
        """Return the answer to a GET; raises Refused."""
        tail = f"?{urllib.parse.urlencode(query)}" if query else ""
        return self._patiently("GET", path + tail)

    def post(self, path: str, body: Answer) -> Answer:
        """Return the answer to a POST, with a second factor where one is demanded."""
        try:
            return self._patiently("POST", path, body)
        except Refused as refusal:
            by_password = refusal.details.get("method") == "password"
            if refusal.code != "totp-required" or not by_password or not self._password:
                raise
        digest = hashlib.sha256(self._password.encode()).hexdigest()
        factor = {"x-2fa-method": "password", "x-2fa-code": digest}
        return self._patiently("POST", path, body, factor)

    def pages(self, path: str, key: str, **query: str | int) -> list[Answer]:
        """Return all entries of a list that comes in pages."""
        found: list[Answer] = []
        while True:
            answer = self.get(path, offset=len(found), count=100, **query)
            found += answer[key]
            if not answer[key] or len(found) >= answer.get("total", 0):
                return found

    def _patiently(
        self, method: str, path: str, body: Answer | None = None, extra: Answer | None = None
    ) -> Answer:
        """Wait as long as the server's limit on calls asks for."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._send(method, path, body, extra or {})
            except Refused as refusal:
                if refusal.status != TOO_MANY or attempt == ATTEMPTS:
                    raise
                told = re.search(r"must wait (\d+) seconds", refusal.text)
                self._sleep(min(int(told.group(1)) if told else 10, WAIT_SECONDS_MAX))
        raise AssertionError

    def _send(self, method: str, path: str, body: Answer | None, extra: Answer) -> Answer:
        call = f"{method} {path.partition('?')[0]}"
        request = urllib.request.Request(  # noqa: S310 - the role demands http or https
            f"{self._url}/api/v1/{path}",
            method=method,
            headers=self._headers | extra,
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        except OSError as error:
            raise Refused(call, 0, {"error": f"no answer from {self._url} ({error})"}) from error
        content = _parsed(text)
        failed = content.get("success") is False or content.get("status") == "error"
        if failed or status >= FIRST_ERROR:
            raise Refused(call, status, content)
        return content


def _parsed(text: bytes) -> Answer:
    try:
        content = json.loads(text)
    except ValueError:
        return {"success": False, "error": text[:200].decode(errors="replace")}
    return content if isinstance(content, dict) else {}
