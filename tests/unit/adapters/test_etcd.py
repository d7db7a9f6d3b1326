"""etcd is asked member by member, and its revision is handed through."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from heyken_glue import errors
from heyken_glue.adapters.etcd.client import EtcdClient
from heyken_glue.runtime import http


class Member:
    """As much of etcd's gateway as the client uses."""

    def __init__(self) -> None:
        self.store: dict[str, tuple[str, int]] = {}
        self.revision = 10
        self.calls = 0
        self.status = 200

    def application(self) -> web.Application:
        application = web.Application()
        application.add_routes(
            [
                web.post("/v3/kv/range", self.range),
                web.post("/v3/kv/put", self.put),
                web.post("/v3/kv/txn", self.txn),
                web.get("/version", self.version),
            ]
        )
        return application

    async def range(self, request: web.Request) -> web.Response:
        self.calls += 1
        key = (await request.json())["key"]
        answer: dict[str, Any] = {"header": self._header()}
        if key in self.store:
            value, revision = self.store[key]
            answer["kvs"] = [{"key": key, "value": value, "mod_revision": str(revision)}]
        return web.json_response(answer, status=self.status)

    async def put(self, request: web.Request) -> web.Response:
        body = await request.json()
        self._write(body)
        return web.json_response({"header": self._header()})

    async def txn(self, request: web.Request) -> web.Response:
        body = await request.json()
        (compare,) = body["compare"]
        if compare["target"] == "MOD":
            holds = compare["modRevision"] == str(self.store.get(compare["key"], ("", 0))[1])
        else:
            assert (compare["target"], compare["createRevision"]) == ("CREATE", "0")
            holds = compare["key"] not in self.store
        for step in body.get("success" if holds else "failure", ()):
            self._write(step["requestPut"])
        answer: dict[str, Any] = {"header": self._header()}
        if holds:  # false values are left out, as etcd does
            answer["succeeded"] = True
        return web.json_response(answer)

    async def version(self, _request: web.Request) -> web.Response:
        return web.json_response({"etcdserver": "3.4.23"})

    def value(self, key: str) -> bytes:
        return base64.b64decode(self.store[base64.b64encode(key.encode()).decode()][0])

    def _write(self, body: dict[str, str]) -> None:
        self.revision += 1
        self.store[body["key"]] = (body["value"], self.revision)

    def _header(self) -> dict[str, str]:
        return {"revision": str(self.revision)}


@pytest.fixture
def member() -> Member:
    return Member()


@pytest.fixture
async def url(member: Member) -> AsyncIterator[str]:
    server = TestServer(member.application())
    await server.start_server()
    yield str(server.make_url("/")).rstrip("/")
    await server.close()


@pytest.fixture
async def etcd(url: str) -> AsyncIterator[EtcdClient]:
    async with http.session(total_seconds=5) as session:
        yield EtcdClient(session, [f"http://127.0.0.1:{unused_port()}", url])


async def test_a_key_is_written_only_if_nobody_else_has(member: Member, url: str) -> None:
    async with http.session(total_seconds=2) as session:
        etcd = EtcdClient(session, [url])
        assert await etcd.put_if("/k", b"one", since=0)
        assert not await etcd.put_if("/k", b"two", since=0)
        stored = await etcd.get("/k")
        assert stored is not None
        assert await etcd.put_if("/k", b"three", since=stored.revision)
    assert member.value("/k") == b"three"


async def test_a_missing_key_is_none(etcd: EtcdClient) -> None:
    assert await etcd.get("/none") is None


async def test_what_was_put_comes_back_with_its_revision(etcd: EtcdClient) -> None:
    revision = await etcd.put("/key", "wartość".encode())
    stored = await etcd.get("/key")
    assert stored is not None
    assert (stored.value.decode(), stored.revision) == ("wartość", revision)


async def test_the_first_write_is_told_from_later_ones(etcd: EtcdClient, member: Member) -> None:
    first = await etcd.put_first_or_else("/key", first=b"1", otherwise=b"2")
    assert (first.was_new, member.value("/key")) == (True, b"1")
    second = await etcd.put_first_or_else("/key", first=b"1", otherwise=b"2")
    assert (second.was_new, member.value("/key")) == (False, b"2")
    assert second.revision > first.revision


async def test_the_member_that_answered_comes_first_next_time(
    etcd: EtcdClient, url: str, member: Member
) -> None:
    await etcd.get("/key")
    assert etcd._endpoints[0] == url
    await etcd.get("/key")
    assert member.calls == 2


async def test_when_no_member_answers_the_error_is_transient_and_names_them(
    member: Member, url: str
) -> None:
    member.status = 503
    async with http.session(total_seconds=5) as session:
        client = EtcdClient(session, [f"http://127.0.0.1:{unused_port()}", url])
        with pytest.raises(errors.TransientError, match=url):
            await client.get("/key")
        assert await client.reachable(url)
        assert not await client.reachable(f"http://127.0.0.1:{unused_port()}")
