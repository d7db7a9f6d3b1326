"""Leases of a real etcd: granted, kept alive, revoked, and bound to a key made only once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from heyken_glue import errors
from heyken_glue.adapters.etcd.client import EtcdClient
from heyken_glue.runtime import http
from tests.support import etcd as real

PATIENCE_SECONDS = 15.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Cluster]:
    with real.cluster(tmp_path_factory.mktemp("etcd")) as cluster:
        yield cluster


@pytest.fixture
async def etcd(server: real.Cluster) -> AsyncIterator[EtcdClient]:
    async with http.session(total_seconds=5) as session:
        yield EtcdClient(session, server.urls, timeout_seconds=5)


@pytest.fixture
def key(tmp_path: Path) -> str:
    """Return a key that no other test has."""
    return f"/{tmp_path.name}"


async def until_gone(etcd: EtcdClient, key: str) -> float:
    """Wait until a key is gone and return how long that took."""
    begin = time.monotonic()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await etcd.get(key) is not None:  # noqa: ASYNC110 - etcd tells nobody
            await asyncio.sleep(0.05)
    return time.monotonic() - begin


async def test_a_key_ends_with_its_lease(etcd: EtcdClient, key: str) -> None:
    guard = await etcd.put(key + "/guard", b"1")
    grant = await etcd.grant(2)
    assert grant.ttl_seconds == 2
    made = await etcd.create_if(
        key, b"mine", lease_id=grant.lease_id, unchanged=key + "/guard", since=guard
    )
    assert made
    stored = await etcd.get(key)
    assert stored is not None
    assert (stored.value, stored.lease_id) == (b"mine", grant.lease_id)
    assert await until_gone(etcd, key) > 1


async def test_a_lease_that_is_kept_alive_lives_on(etcd: EtcdClient, key: str) -> None:
    guard = await etcd.put(key + "/guard", b"1")
    grant = await etcd.grant(2)
    await etcd.create_if(
        key, b"mine", lease_id=grant.lease_id, unchanged=key + "/guard", since=guard
    )
    end = time.monotonic() + 3.5
    while time.monotonic() < end:
        assert await etcd.keep_alive(grant.lease_id) == 2
        await asyncio.sleep(0.5)
    assert await etcd.get(key) is not None


async def test_a_revoked_lease_ends_at_once_and_twice_is_no_error(
    etcd: EtcdClient, key: str
) -> None:
    guard = await etcd.put(key + "/guard", b"1")
    grant = await etcd.grant(60)
    await etcd.create_if(
        key, b"mine", lease_id=grant.lease_id, unchanged=key + "/guard", since=guard
    )
    await etcd.revoke(grant.lease_id)
    assert await etcd.get(key) is None
    await etcd.revoke(grant.lease_id)
    assert await etcd.keep_alive(grant.lease_id) is None


async def test_a_key_is_made_once_and_only_while_the_other_is_unchanged(
    etcd: EtcdClient, key: str
) -> None:
    before = await etcd.put(key + "/guard", b"1")
    now = await etcd.put(key + "/guard", b"2")
    first, second = await etcd.grant(60), await etcd.grant(60)

    async def make(lease_id: int, since: int) -> bool:
        guard = key + "/guard"
        return await etcd.create_if(key, b"x", lease_id=lease_id, unchanged=guard, since=since)

    assert not await make(first.lease_id, before), "the guard has changed since"
    assert await make(first.lease_id, now)
    assert not await make(second.lease_id, now), "it is there already"
    guard, made = await etcd.get_together(key + "/guard", key)
    assert guard is not None
    assert made is not None
    assert (guard.revision, guard.lease_id, made.lease_id) == (now, 0, first.lease_id)
    assert await etcd.get_together(key + "/none") == (None,)


async def test_of_many_who_ask_at_once_one_gets_it(etcd: EtcdClient, key: str) -> None:
    guard = await etcd.put(key + "/guard", b"1")

    async def ask() -> bool:
        lease_id = (await etcd.grant(60)).lease_id
        return await etcd.create_if(
            key, b"x", lease_id=lease_id, unchanged=key + "/guard", since=guard
        )

    assert sum(await asyncio.gather(*(ask() for _ in range(12)))) == 1


@pytest.mark.parametrize(
    "answer", [{}, {"result": None}, {"error": {"message": "etcdserver: no leader"}}]
)
async def test_an_answer_that_keeps_nothing_alive_is_no_renewal(answer: object) -> None:
    async def keep(_request: web.Request) -> web.Response:
        return web.json_response(answer)

    application = web.Application()
    application.router.add_post("/v3/lease/keepalive", keep)
    server = TestServer(application)
    await server.start_server()
    async with http.session(total_seconds=5) as session:
        with pytest.raises(errors.TransientError):
            await EtcdClient(session, [str(server.make_url("/"))]).keep_alive(7)
    await server.close()
