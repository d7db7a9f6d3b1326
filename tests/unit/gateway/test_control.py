"""What operators' tools and the peer may ask: status, switch, send, and who is a peer."""

from __future__ import annotations

import ssl

import aiohttp
import pytest

from heyken_glue.gateway.ports import UnitReply
from tests.support.authority import Authority
from tests.support.doors import TOKENS, House

ASK = {"message": "What is the capital of Poland?"}
TOKEN = TOKENS["operator"][0]


async def test_status_comes_from_core_manager_as_it_is(house: House) -> None:
    house.core_manager.replies["GET", "/status"] = UnitReply(200, {"status": "online"})
    client = await house.client()
    async with client.get("/status") as response:
        assert await response.json() == {"status": "online"}


async def test_a_unit_that_is_away_is_a_503_that_names_it(house: House) -> None:
    client = await house.client()
    async with client.get("/status") as response:
        answer = await response.json()
    assert (response.status, answer["code"]) == (503, "unit_away")
    assert "heyken@core-manager" in answer["error"]


@pytest.mark.parametrize("core_id", [3, 0, "1", True, 1.0, None, [1], 10**30])
async def test_switching_to_a_core_that_is_none_is_400(house: House, core_id: object) -> None:
    client = await house.client()
    async with client.post("/switch_core", json={"core_id": core_id}) as response:
        assert (response.status, (await response.json())["code"]) == (400, "unknown_core")
    assert not house.core_manager.calls


async def test_a_switch_is_passed_on_with_who_asked_and_its_refusal_comes_back(
    house: House,
) -> None:
    refusal = UnitReply(409, {"success": False, "error": "core2 cannot answer"})
    house.core_manager.replies["POST", "/switch_core"] = refusal
    client = await house.client()
    async with client.post("/switch_core", json={"core_id": 2}) as response:
        assert (response.status, await response.json()) == (409, refusal.body)
    body = {"core_id": 2, "force": False, "requested_by": "operator"}
    assert house.core_manager.calls[0][:3] == ("POST", "/switch_core", body)


async def test_sending_needs_its_parameters(house: House) -> None:
    client = await house.client()
    async with client.post("/send", json={"text": "hello"}) as response:
        assert response.status == 400
        assert "room_id" in (await response.json())["error"]
    async with client.post("/send", json={"text": "a\0", "room_id": "general"}) as response:
        assert response.status == 400
    assert house.core_manager.calls == []


async def test_a_text_is_passed_on_with_who_sends_it(house: House) -> None:
    house.core_manager.replies["POST", "/send"] = UnitReply(200, {"success": True})
    client = await house.client()
    wish, headers = {"text": "hello", "room_id": "general"}, {"Idempotency-Key": "k1"}
    async with client.post("/send", json=wish, headers=headers) as response:
        assert (response.status, await response.json()) == (200, {"success": True})
    body = {"room_id": "general", "text": "hello", "key": "k1", "requested_by": "operator"}
    assert house.core_manager.calls[0][:3] == ("POST", "/send", body)


async def test_a_peer_reaches_the_local_units_by_its_certificate(house: House) -> None:
    house.health.replies["GET", "/verdict"] = UnitReply(200, {"capable": True})
    house.core_manager.replies["POST", "/switch_core"] = UnitReply(200, {"success": True})
    peer = await house.client(None, identity=house.authority.issue("core2"))
    async with peer.get("/peer/verdict") as response:
        assert (response.status, await response.json()) == (200, {"capable": True})
    async with peer.post("/peer/switch_core", json={"core_id": 1}) as response:
        assert response.status == 200
    headers = house.core_manager.calls[0][3] or {}
    assert headers["Heyken-Hops"] == "1"
    async with peer.get("/peer/role", headers={"Heyken-Hops": "1"}) as response:
        assert (response.status, (await response.json())["code"]) == (400, "too_many_hops")


@pytest.mark.parametrize("name", [None, "core1", "hub", "core2.example.com"])
async def test_nobody_else_is_a_peer(house: House, name: str | None) -> None:
    identity = None if name is None else house.authority.issue(name)
    client = await house.client(TOKEN, identity=identity)
    for path in ("/peer/verdict", "/peer/role"):
        async with client.get(path) as response:
            assert (response.status, (await response.json())["code"]) == (403, "not_a_peer")
    assert not house.health.calls


async def test_a_certificate_of_another_authority_does_not_even_connect(
    house: House, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "other CA")
    client = await house.client(TOKEN, identity=stranger.issue("core2"))
    with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
        async with client.get("/healthz") as response:
            await response.read()
