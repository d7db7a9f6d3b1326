"""The whole core on one page of figures, and what is left of it when a unit is away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from heyken_glue import errors
from heyken_glue.domain.continuing import Resumed
from heyken_glue.gateway.units import UnixUnit
from heyken_glue.runtime import http
from tests.support.authority import Authority
from tests.support.doors import TOKENS, House, ScriptedModel, eventually, open_house
from tests.support.twins import Twins
from tests.unit.gateway.test_watching import figure, samples_of

HEALTH = """# HELP heyken_health_capable x
# TYPE heyken_health_capable gauge
heyken_health_capable 1.0
"""


async def test_the_neighbours_figures_follow_the_gateways_own(house: House) -> None:
    house.health.pages["/metrics"] = HEALTH
    samples = await samples_of(house)
    assert figure(samples, "heyken_health_capable") == 1
    assert figure(samples, "unit_up", unit="health") == 1


async def test_a_unit_that_is_away_is_told_and_its_figures_are_missing(house: House) -> None:
    house.health.pages["/metrics"] = HEALTH
    await samples_of(house)
    del house.health.pages["/metrics"]
    samples = await samples_of(house)
    assert figure(samples, "unit_up", unit="health") == 0
    assert figure(samples, "unit_up", unit="core-manager") == 0
    assert figure(samples, "heyken_health_capable") is None
    assert figure(samples, "queue_length") == 0, "the gateway's own figures stay"


@pytest.mark.parametrize("status", [404, 500])
async def test_a_page_over_a_socket_is_taken_as_it_is_or_refused(
    tmp_path: Path, status: int
) -> None:
    path, answer = tmp_path / "http.sock", web.Response(text=HEALTH)
    routes = web.RouteTableDef()

    async def page(_request: web.Request) -> web.Response:
        return answer

    routes.get("/metrics")(page)
    async with UnixUnit(path) as unit:
        with pytest.raises(errors.TransientError):
            await unit.page("/metrics", timeout_seconds=1.0)
        async with http.unix_server(path, routes):
            assert await unit.page("/metrics", timeout_seconds=1.0) == HEALTH
            answer = web.Response(text=HEALTH, status=status)
            with pytest.raises(errors.TransientError):
                await unit.page("/metrics", timeout_seconds=1.0)


async def test_copies_and_lost_stores_are_counted(pair: Twins) -> None:
    house = pair.cores[1].house
    client = await house.client()
    async with client.post("/api/v1/chat", json={"message": "count"}) as response:
        assert response.status == 200
    own, other = (replica.store.name for replica in house.doors.copies.replicas)
    samples = await samples_of(house)
    assert (figure(samples, "copies_written_total", store=own) or 0) >= 1
    assert (figure(samples, "copies_written_total", store=other) or 0) >= 1
    assert figure(samples, "copy_store_up", store=other) == 1
    before = figure(samples, "copy_store_losses_total", store=other) or 0
    pair.cores[2].server.kill()
    async with client.post("/api/v1/chat", json={"message": "count"}) as response:
        assert response.status == 200
    samples = await samples_of(house)
    assert figure(samples, "copy_store_up", store=other) == 0
    assert figure(samples, "copy_store_losses_total", store=other) == before + 1


@pytest.mark.parametrize("how", list(Resumed))
async def test_answers_that_went_on_are_counted_by_how(house: House, how: Resumed) -> None:
    hold = asyncio.Event()
    house.model.script = ("one", hold, "two")
    client = await house.client()
    asking = asyncio.ensure_future(client.post("/api/v1/chat", json={"message": "count"}))
    await eventually(lambda: bool(house.store._running))
    answer = next(iter(house.store._running))
    await answer.wait_beyond(1)
    answer.resumed = how
    hold.set()
    (await asking).release()
    samples = await samples_of(house)
    assert {each.value: figure(samples, "resumed_answers_total", how=each) for each in Resumed} == {
        each.value: float(each is how) for each in Resumed
    }


async def test_a_relayed_answer_is_counted_where_it_is_made(house: House) -> None:
    hold = asyncio.Event()
    house.model.script = ("one", hold)
    client = await house.client()
    asking = asyncio.ensure_future(client.post("/api/v1/chat", json={"message": "count"}))
    await eventually(lambda: bool(house.store._running))
    answer = next(iter(house.store._running))
    await answer.wait_beyond(1)
    answer.resumed, answer.relayed = Resumed.CONTINUED, True
    hold.set()
    (await asking).release()
    assert figure(await samples_of(house), "resumed_answers_total", how="continued") == 0


async def test_the_page_parses_as_one(authority: Authority) -> None:
    async with open_house(authority, ScriptedModel()) as house:
        house.health.pages["/metrics"] = HEALTH
        client = await house.client(TOKENS["operator"][0])
        async with client.get("/metrics") as response:
            names = [each.name for each in text_string_to_metric_families(await response.text())]
    assert len(names) == len(set(names)), "a family stands once"
