"""etcd through its JSON gateway (`/v3/…`, keys and values in base64): no client library needed.

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

_NOT_FOUND = 404


@dataclass(frozen=True)
class Stored:
    """A value, the revision at which it was written, and the lease it ends with (0: none)."""

    value: bytes
    revision: int
    lease_id: int = 0


@dataclass(frozen=True)
class Written:
    """Result of a write: its revision grows with every write in the cluster."""

    revision: int
    was_new: bool


@dataclass(frozen=True)
class Grant:
    """A lease: its number, and how many seconds it lives unless it is kept alive."""

    lease_id: int
    ttl_seconds: float


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

    async def put_if(self, key: str, value: bytes, *, since: int) -> bool:
        """Write a key that was written last at the revision `since` (0: that does not exist).

        True if it was written. An answer that got lost may have been a success.
        """
        name = _encode(key.encode())
        answer = await self._call(
            "/v3/kv/txn",
            {
                "compare": [{"key": name, "target": "MOD", "modRevision": str(since)}],
                "success": [{"requestPut": {"key": name, "value": _encode(value)}}],
            },
        )
        return answer.get("succeeded") is True

    async def get_together(self, *keys: str) -> tuple[Stored | None, ...]:
        """Return the values of several keys at one and the same revision."""
        reads = [{"requestRange": {"key": _encode(key.encode())}} for key in keys]
        answer = await self._call("/v3/kv/txn", {"compare": [], "success": reads})
        found = answer.get("responses")
        if not isinstance(found, list) or len(found) != len(keys):
            raise errors.PermanentError("etcd answered another number of keys than were asked")
        return tuple(_first((each.get("response_range") or {}).get("kvs")) for each in found)

    async def create_if(
        self, key: str, value: bytes, *, lease_id: int, unchanged: str, since: int
    ) -> bool:
        """Write a key that does not exist, bound to a lease, if another one has not changed.

        True if it was written: `unchanged` was written last at the revision `since`. An answer that
        got lost may have been a success; whoever asks has to look then.
        """
        name, guard = _encode(key.encode()), _encode(unchanged.encode())
        put = {"key": name, "value": _encode(value), "lease": str(lease_id)}
        answer = await self._call(
            "/v3/kv/txn",
            {
                "compare": [
                    {"key": name, "target": "CREATE", "createRevision": "0"},
                    {"key": guard, "target": "MOD", "modRevision": str(since)},
                ],
                "success": [{"requestPut": put}],
            },
        )
        return answer.get("succeeded") is True

    async def grant(self, ttl_seconds: int) -> Grant:
        """Make a lease; etcd may give it a longer life than was asked for."""
        return _grant(await self._call("/v3/lease/grant", {"TTL": str(ttl_seconds)}))

    async def keep_alive(self, lease_id: int) -> float | None:
        """Begin a lease's life anew; returns its length in seconds, None if it is over."""
        answer = await self._call("/v3/lease/keepalive", {"ID": str(lease_id)})
        result = answer.get("result")
        if not isinstance(result, dict):
            raise errors.TransientError("etcd did not keep the lease alive")
        grant = _grant({"TTL": "0", **result})
        return grant.ttl_seconds if grant.ttl_seconds > 0 else None

    async def revoke(self, lease_id: int) -> None:
        """End a lease and remove the keys that are bound to it; one that is over is no error."""
        try:
            await self._call("/v3/lease/revoke", {"ID": str(lease_id)})
        except errors.PermanentError as error:
            if error.status != _NOT_FOUND:
                raise

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
                if isinstance(error, errors.PermanentError) and error.status == _NOT_FOUND:
                    raise  # the member did answer: what was asked for is not there
                failures.append(str(error))
                continue
            self._endpoints.remove(endpoint)
            self._endpoints.insert(0, endpoint)
            return answer
        raise errors.TransientError("No member of etcd answers", against="; ".join(failures))


def _grant(answer: dict[str, Any]) -> Grant:
    try:
        return Grant(int(answer["ID"]), float(answer["TTL"]))
    except (KeyError, TypeError, ValueError) as error:
        raise errors.PermanentError("etcd's answer names no lease") from error


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
        lease_id = int(entries[0].get("lease", 0))
        return Stored(value, int(entries[0]["mod_revision"]), lease_id)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise errors.PermanentError("etcd's answer has an unknown shape") from error
