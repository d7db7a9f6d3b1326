"""The lease as a unit sees it: never longer than core-manager said, counted from the question."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from heyken_glue.domain.lease import Holding
from heyken_glue.runtime import http
from heyken_glue.services.lease import UnitLease

from .conftest import HeldClock


class Manager:
    """core-manager; `slow` is how long the answer takes by the unit's clock."""

    def __init__(self, clock: HeldClock) -> None:
        self.body: Any = {"held": True, "epoch": 7, "valid_seconds": 3.0, "reason": ""}
        self.slow, self._clock = 0.0, clock

    def routes(self) -> web.RouteTableDef:
        table = web.RouteTableDef()

        @table.get("/lease")
        async def lease(_request: web.Request) -> web.Response:
            self._clock.time += self.slow
            return web.json_response(self.body)

        return table


@pytest.fixture
def manager(clock: HeldClock) -> Manager:
    return Manager(clock)


@pytest.fixture
async def lease(manager: Manager, clock: HeldClock, tmp_path: Path) -> AsyncIterator[UnitLease]:
    path = tmp_path / "m.sock"
    async with (
        http.unix_server(path, manager.routes()),
        http.unix_session(path, total_seconds=5) as session,
    ):
        yield UnitLease(session, now=clock.monotonic)


async def test_what_core_manager_grants_counts_from_the_question(
    lease: UnitLease, manager: Manager
) -> None:
    assert await lease.held() == Holding(7, 1003.0)
    assert lease.epoch == 7
    manager.slow = 2.0
    assert await lease.held() == Holding(7, 1003.0)
    manager.slow = 3.0
    assert await lease.held() is None, "it slept over the answer"


async def test_who_needs_longer_than_is_left_does_not_get_it(lease: UnitLease) -> None:
    assert await lease.held(2.9) is not None
    assert await lease.held(3.0) is None


@pytest.mark.parametrize(
    "body",
    [
        {"held": False, "epoch": 7, "valid_seconds": 3.0, "reason": "no", "reason_pl": "nie"},
        {"held": "yes", "epoch": 7, "valid_seconds": 3.0, "reason": "no", "reason_pl": "nie"},
        {"held": True, "epoch": None, "valid_seconds": 3.0, "reason": "no", "reason_pl": "nie"},
        {"held": True, "epoch": 7, "valid_seconds": "3", "reason": "no", "reason_pl": "nie"},
        {"held": True, "epoch": 7, "valid_seconds": True, "reason": "no", "reason_pl": "nie"},
    ],
)
async def test_anything_else_is_no_lease(lease: UnitLease, manager: Manager, body: Any) -> None:
    manager.body = body
    assert await lease.held() is None
    assert (lease.reason.en, lease.reason.pl) == ("no", "nie")


async def test_a_silent_core_manager_is_no_lease_and_is_named(tmp_path: Path) -> None:
    async with http.unix_session(tmp_path / "none.sock", total_seconds=1) as session:
        lease = UnitLease(session)
        assert await lease.held() is None
        assert "core-manager" in lease.reason.en
