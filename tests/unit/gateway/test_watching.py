"""What watchers see: alive, ready, and figures that never grow without bound."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from heyken_glue import errors
from heyken_glue.gateway.ports import UnitReply
from heyken_glue.gateway.readiness import Readiness
from tests.support.doors import TOKENS, House, Plan, ScriptedModel, ScriptedUnit
from tests.unit.gateway.conftest import OpenHouse

ASK = {"message": "What is the capital of Poland?"}
GOOD = {"capable": True, "sentence": "core1 is fine.", "sentence_pl": "core1 jest sprawny."}
BAD = {"capable": False, "sentence": "the disk is full.", "sentence_pl": "dysk jest pełny."}
Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


async def samples_of(house: House) -> Samples:
    """Fetch all figures over TLS, parsed as Prometheus does."""
    client = await house.client()
    async with client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        text = await response.text()
    return {
        (
            sample.name.removeprefix("heyken_gateway_"),
            frozenset(sample.labels.items()),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(samples: Samples, name: str, **labels: str) -> float | None:
    """Return one figure."""
    return samples.get((name, frozenset(labels.items())))


async def test_healthz_needs_no_token_and_gives_no_details(house: House) -> None:
    client = await house.client(None)
    house.health.replies["GET", "/verdict"] = UnitReply(200, BAD)
    async with client.get("/healthz") as response:
        assert (response.status, await response.text()) == (200, "ok")
    assert house.health.calls == []


@pytest.mark.parametrize(("language", "key"), [("en", "sentence"), ("pl", "sentence_pl")])
async def test_readyz_is_healths_verdict_in_its_words(
    house: House, language: str, key: str
) -> None:
    client = await house.client(None)
    headers = {"Accept-Language": language}
    house.health.replies["GET", "/verdict"] = UnitReply(200, GOOD)
    async with client.get("/readyz", headers=headers) as response:
        body = await response.json()
    assert (response.status, body) == (200, {"success": True, "core": 1, "reason": GOOD[key]})
    house.health.replies["GET", "/verdict"] = UnitReply(200, BAD)
    async with client.get("/readyz", headers=headers) as response:
        body = await response.json()
    assert (response.status, body["code"]) == (503, "not_ready")
    assert str(BAD[key]) in body["error"]
    assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("reply", [None, UnitReply(500, {}), UnitReply(200, {"capable": "yes"})])
async def test_without_a_verdict_nothing_is_ready(house: House, reply: UnitReply | None) -> None:
    if reply is not None:
        house.health.replies["GET", "/verdict"] = reply
    client = await house.client(None)
    async with client.get("/readyz") as response:
        assert (response.status, (await response.json())["code"]) == (503, "not_ready")


async def test_a_draining_gateway_lives_but_is_not_ready(house: House) -> None:
    house.health.replies["GET", "/verdict"] = UnitReply(200, GOOD)
    await house.doors.admission.drain(seconds=1)
    client = await house.client(None)
    async with client.get("/readyz") as response:
        assert response.status == 503
    async with client.get("/healthz") as response:
        assert response.status == 200


async def test_a_flood_of_looks_reaches_health_seldom() -> None:
    now, health = [100.0], ScriptedUnit({("GET", "/verdict"): UnitReply(200, GOOD)})
    readiness = Readiness(health, clock=lambda: now[0], keep_seconds=0.2)
    await asyncio.gather(*(readiness.verdict() for _ in range(50)))
    assert len(health.calls) == 1
    now[0] += 0.2
    assert await readiness.verdict() == GOOD
    assert len(health.calls) == 2


@pytest.mark.parametrize(
    ("peer", "objected"),
    [
        (None, False),
        ({"core_id": 2, "capable": True, "age_seconds": 0.3}, False),
        ({"core_id": 2, "capable": False, "age_seconds": 0.3}, True),
        ({"core_id": 2, "capable": True, "age_seconds": 30}, True),
        ({"core_id": 3, "capable": False, "age_seconds": 0.3}, False),
    ],
)
async def test_what_health_knows_of_the_other_core_spares_asking_it(
    peer: dict[str, Any] | None, objected: bool
) -> None:
    health = ScriptedUnit({("GET", "/verdict"): UnitReply(200, {**GOOD, "peer": peer})})
    readiness = Readiness(health, clock=lambda: 0.0)
    assert (await readiness.why_not_peer(2) is not None) is objected


@pytest.mark.parametrize(
    ("failing", "peer_capable", "asked"),
    [
        (["gateway"], True, True),
        (["gateway", "models"], False, False),
        ([], False, True),
        ([], True, False),
        (None, False, False),
    ],
    ids=["drains", "drains and is ill", "alone after falls", "after falls", "not looked at"],
)
async def test_what_only_keeps_the_address_away_keeps_no_answer_from_the_model(
    failing: list[str] | None, peer_capable: bool, asked: bool
) -> None:
    names = [] if failing is None else ["process", "models", "gateway"]
    checks = [{"name": name, "ok": name not in (failing or [])} for name in names]
    peer = {"core_id": 2, "capable": peer_capable, "age_seconds": 0.1}
    verdict = {**BAD, "capable": False, "checks": checks, "peer": peer}
    readiness = Readiness(
        ScriptedUnit({("GET", "/verdict"): UnitReply(200, verdict)}), clock=lambda: 0.0
    )
    assert (await readiness.why_not() is None) is asked


async def test_metrics_need_their_scope(house: House) -> None:
    client = await house.client(TOKENS["other"][0])
    async with client.get("/metrics") as response:
        assert (response.status, (await response.json())["code"]) == (403, "scope_missing")
    client = await house.client(None)
    async with client.get("/metrics") as response:
        assert response.status == 401


async def test_requests_are_counted_by_pattern_and_status_whatever_clients_write(
    house: House,
) -> None:
    client = await house.client()
    for path in ("/api/v1/chat/abc/events", "/api/v1/chat/xyz/events", "/a", "/b", "/healthz?c"):
        async with client.get(path) as response:
            await response.read()
    for method in ("DELETE", "BREW"):
        async with client.request(method, "/healthz") as response:
            await response.read()
    await house.knock(b"rubbish\r\n\r\n")
    samples = await samples_of(house)
    pattern = "/api/v1/chat/{answer_id}/events"
    assert figure(samples, "requests_total", route=pattern, method="GET", status="404") == 2
    assert figure(samples, "requests_total", route="none", method="GET", status="404") == 2
    assert figure(samples, "requests_total", route="/healthz", method="GET", status="200") == 1
    assert figure(samples, "requests_total", route="none", method="DELETE", status="405") == 1
    assert figure(samples, "requests_total", route="none", method="other", status="400") == 2
    assert figure(samples, "request_duration_seconds_count", route="/healthz") == 1


async def test_answers_are_counted_by_outcome(open_with: OpenHouse) -> None:
    house = await open_with(ScriptedModel("one"), Plan())
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK) as response:
        await response.read()
    house.model.script = (errors.TransientError("away"),)
    async with client.post("/api/v1/chat", json=ASK) as response:
        await response.read()
    samples = await samples_of(house)
    assert figure(samples, "answers_total", outcome="answered") == 1
    assert figure(samples, "answers_total", outcome="model_unavailable") == 1
    assert figure(samples, "queue_wait_seconds_count") == 2
    assert figure(samples, "answers_running") == 0


async def test_names_and_units_follow_the_conventions(house: House) -> None:
    client = await house.client()
    async with client.get("/metrics") as response:
        families = list(text_string_to_metric_families(await response.text()))
    assert len(families) >= 12
    for family in families:
        assert family.name.startswith("heyken_gateway_"), family.name
        assert family.documentation, family.name
        for sample in family.samples:
            assert set(sample.labels) <= LABELS, sample
            assert (family.type != "counter") or sample.name.endswith("_total"), sample.name


LABELS = {
    *("route", "method", "status", "reason", "outcome", "backend", "state", "le"),
    *("how", "store", "unit"),
}


async def test_the_hosts_own_units_read_figures_without_a_token(house: House) -> None:
    app = house.doors.local_app()
    paths = {resource.canonical for resource in app.router.resources()}
    assert {"/metrics", "/load"} <= paths


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_nothing_is_changed_by_looking(house: House, path: str) -> None:
    client = await house.client()
    async with client.post(path, json={}) as response:
        assert response.status == 405
        assert isinstance(response, aiohttp.ClientResponse)
