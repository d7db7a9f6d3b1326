"""The assistant's neighbours on this host, and where people's languages are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from heyken_glue import errors, texts
from heyken_glue.adapters.etcd.client import EtcdClient
from heyken_glue.domain.switching import Vrrp
from heyken_glue.runtime import http
from heyken_glue.services.assistant_ports import CoreState, PairState, Role, Switched

ROLE_SECONDS = 0.5
STATUS_SECONDS = 3.0
# the address moves within a second; core-manager itself gives up after ten
SWITCH_SECONDS = 20.0


class CoreManagerUnit:
    """`core-manager` behind its Unix socket; the session belongs to the caller."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def role(self) -> Role:
        """Return what keepalived says about this core, as far as it is to be believed."""
        body = await http.request_json(self._session, "GET", "/role", timeout_seconds=ROLE_SECONDS)
        return Role(
            holds=body.get("vrrp") == Vrrp.MASTER and body.get("superseded") is not True,
            settled=body.get("settled") is not False,
            epoch=_number(body.get("epoch")),
        )

    async def status(self, language: str) -> PairState:
        """Return the state of the pair, with its sentences in `language`."""
        _, body = await self._call("GET", "/status", language, seconds=STATUS_SECONDS)
        cores = body.get("cores")
        return PairState(
            status=str(body.get("status", "")),
            active_core=_number(body.get("active_core")),
            holder=_text(body.get("holder")),
            since=_seconds(body.get("since")),
            reason=str(body.get("reason") or ""),
            cause=str(body.get("cause") or ""),
            epoch=_number(body.get("epoch")),
            cores=_cores(cores if isinstance(cores, dict) else {}),
            only_answers=_only_answers(body.get("effects")),
        )

    async def switch(self, core_id: int, *, requested_by: str, language: str) -> Switched:
        """Ask that a core becomes the active one."""
        wish = {"core_id": core_id, "force": False, "requested_by": requested_by}
        status, body = await self._call(
            "POST", "/switch_core", language, body=wish, seconds=SWITCH_SECONDS
        )
        if status >= http.FIRST_ERROR:
            return Switched(refusal=str(body.get("error") or status))
        return Switched(_number(body.get("active_core")), body.get("changed") is True)

    async def _call(
        self, method: str, path: str, language: str, *, body: object = None, seconds: float
    ) -> tuple[int, dict[str, Any]]:
        try:
            async with self._session.request(
                method,
                path,
                json=body,
                headers={"Accept-Language": language},
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as answer:
                content = json.loads(await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise errors.TransientError(
                f"core-manager did not answer {path}: {type(error).__name__}"
            ) from error
        if not isinstance(content, dict):
            raise errors.TransientError(f"core-manager answered {path} with no object")
        return answer.status, content


def _cores(entries: Mapping[str, object]) -> tuple[CoreState, ...]:
    found = [
        CoreState(
            int(number),
            str(entry.get("name") or f"core{number}"),
            str(entry.get("status") or "unknown"),
            str(entry.get("sentence") or ""),
        )
        for number, entry in entries.items()
        if number.isdigit() and isinstance(entry, dict)
    ]
    return tuple(sorted(found, key=lambda core: core.core_id))


def _only_answers(effects: object) -> str:
    if not isinstance(effects, dict) or effects.get("allowed") is not False:
        return ""
    return str(effects.get("reason") or "?")


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


class EtcdLanguages:
    """The language each person chose, under their user id."""

    def __init__(self, etcd: EtcdClient, deployment: str) -> None:
        self._etcd, self._prefix = etcd, f"/heyken/{deployment}/languages/"

    async def get(self, user_id: str) -> str | None:
        """Return what a person chose, None if nothing."""
        stored = await self._etcd.get(self._prefix + user_id)
        return None if stored is None else texts.known(stored.value.decode(errors="replace"))

    async def put(self, user_id: str, language: str) -> None:
        """Keep what a person chose."""
        await self._etcd.put(self._prefix + user_id, language.encode())
