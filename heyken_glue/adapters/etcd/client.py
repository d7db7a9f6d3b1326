"""etcd through its JSON gateway (`/v3/kv/…`, keys and values in base64): no client library needed.

Members are tried in turn, the one that answered last comes first; each gets a short time, so that a
member that is away costs little. When none answers the error is transient: callers go on without.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from heyken_glue import errors
from heyken_glue.runtime import http


@dataclass(frozen=True)
class Stored:
    """A value and the revision at which it was written."""

    value: bytes
    revision: int


@dataclass(frozen=True)
class Written:
    """Result of a write: its revision grows with every write in the cluster."""

    revision: int
    was_new: bool


class EtcdClient:
    """Talks to the members at `endpoints`; the session (mutual TLS) belongs to the caller."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoints: Sequence[str],
        *,
        timeout_seconds: float = 0.5,
    ) -> None:
        self._session, self._timeout = session, timeout_seconds
        self._endpoints = [endpoint.rstrip("/") for endpoint in endpoints]

    async def get(self, key: str) -> Stored | None:
        """Return the value of a key, or None if it does not exist."""
        answer = await self._call("/v3/kv/range", {"key": _encode(key.encode())})
        return _first(answer.get("kvs"))

    async def put(self, key: str, value: bytes) -> int:
        """Write a key and return the revision."""
        answer = await self._call(
            "/v3/kv/put", {"key": _encode(key.encode()), "value": _encode(value)}
        )
        return _revision(answer)

    async def put_first_or_else(self, key: str, *, first: bytes, otherwise: bytes) -> Written:
        """Write `first` if the key never existed, else `otherwise`, in one transaction."""
        name = _encode(key.encode())
        answer = await self._call(
            "/v3/kv/txn",
            {
                "compare": [{"key": name, "target": "CREATE", "createRevision": "0"}],
                "success": [{"requestPut": {"key": name, "value": _encode(first)}}],
                "failure": [{"requestPut": {"key": name, "value": _encode(otherwise)}}],
            },
        )
        return Written(_revision(answer), was_new=answer.get("succeeded") is True)

    async def reachable(self, endpoint: str) -> bool:
        """Tell whether one member answers, whatever it says about the cluster."""
        try:
            await http.request_json(
                self._session,
                "GET",
                f"{endpoint.rstrip('/')}/version",
                timeout_seconds=self._timeout,
            )
        except errors.HeykenError:
            return False
        return True

    async def _call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        failures = []
        for endpoint in tuple(self._endpoints):
            try:
                answer = await http.request_json(
                    self._session,
                    "POST",
                    endpoint + path,
                    body=body,
                    timeout_seconds=self._timeout,
                )
            except errors.HeykenError as error:
                failures.append(str(error))
                continue
            self._endpoints.remove(endpoint)
            self._endpoints.insert(0, endpoint)
            return answer
        raise errors.TransientError("No member of etcd answers", against="; ".join(failures))


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _revision(answer: dict[str, Any]) -> int:
    try:
        return int(answer["header"]["revision"])
    except (KeyError, TypeError, ValueError) as error:
        raise errors.PermanentError("etcd's answer names no revision") from error


def _first(entries: object) -> Stored | None:
    if not isinstance(entries, list) or not entries:
        return None
    try:
        value = base64.b64decode(entries[0].get("value", ""))
        return Stored(value, int(entries[0]["mod_revision"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise errors.PermanentError("etcd's answer has an unknown shape") from error
