"""A switch to a core that cannot answer is refused, however it is asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from heyken_glue.domain.switching import Vrrp
from heyken_glue.runtime import http
from heyken_glue.services.core_manager_role import RoleKeeper
from heyken_glue.services.core_manager_switch import Answer, Switcher
from heyken_glue.services.peers import PeerDoor
from heyken_glue.settings import Settings, section

from .conftest import FakePeer, HeldClock, verdict_body

MISSING = "core2 cannot answer: model heyken-general is missing"


class Health:
    """This core's health unit, which refuses or not, and what it was asked."""

    def __init__(self, refusal: str) -> None:
        self.refusal, self.asked = refusal, 0

    def routes(self) -> web.RouteTableDef:
        table = web.RouteTableDef()

        @table.post("/step_down")
        async def step_down(_request: web.Request) -> web.Response:
            self.asked += 1
            return web.json_response({"success": False, "error": self.refusal}, status=409)

        return table


async def _forced(core: Settings, door: PeerDoor, clock: HeldClock, health: Health) -> Answer:
    keeper = SimpleNamespace(role=SimpleNamespace(vrrp=Vrrp.MASTER, since=clock.now()))
    socket = core.paths.runtime_directory / "health" / "http.sock"
    switcher = Switcher(
        core_id=1,
        vip=section(core.vip, "[vip]"),
        keeper=cast("RoleKeeper", keeper),
        door=door,
        health_socket=socket,
        peer_interval_seconds=0.01,
        clock=clock,
    )
    wish: dict[str, Any] = {"core_id": 2, "force": True}
    async with http.unix_server(socket, health.routes()):
        return await switcher.switch(wish, language="en", passed_on=False)


@pytest.mark.parametrize("sick", [False, True], ids=["health says so", "it says so itself"])
async def test_no_force_moves_the_address_to_a_core_whose_model_is_missing(
    core: Settings, door: PeerDoor, peer: FakePeer, clock: HeldClock, sick: bool
) -> None:
    """Health says so; or the peer itself, of which our health did not hear yet."""
    peer.verdict = verdict_body(2, capable=not sick, sentence=MISSING)
    health = Health(MISSING)
    answer = await _forced(core, door, clock, health)
    assert (answer.status, answer.body["code"], answer.body["error"]) == (
        409,
        "not_capable",
        MISSING,
    )
    assert health.asked == (0 if sick else 1)
