"""Copies of answers in a real Redis: what is written is read, and every failure is told."""

from __future__ import annotations

import asyncio
import dataclasses
import pathlib
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from heyken_glue import errors
from heyken_glue.adapters.redis.client import RedisCopies
from heyken_glue.domain.copies import Portion, Question, RunName, RunState
from heyken_glue.domain.turns import Role, Turn
from tests.support import stores
from tests.support.authority import Authority
from tests.support.stores import RedisServer, redis_server

QUESTION = Question(
    owner="digest",
    asker="operator",
    language="pl",
    turns=(Turn(Role.SYSTEM, "Be brief."), Turn(Role.USER, "dokąd?")),
    digest="d",
    model="m@1",
    started=1.5,
)
FIRST = RunName(0, 1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(authority, tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
async def copies(server: RedisServer) -> AsyncIterator[RedisCopies]:
    store = RedisCopies(server.access)
    yield store
    await store.close()


def portion(
    id_: str,
    *texts: str,
    base: int = 0,
    run: RunName = FIRST,
    state: RunState = RunState.RUNNING,
    end: dict[str, object] | None = None,
) -> Portion:
    return Portion(id_, run, QUESTION, base, texts, state, end or {})


async def test_what_is_written_in_portions_is_read_as_one(copies: RedisCopies) -> None:
    assert list(await copies.write([portion("a"), portion("b", "x")])) == [0, 1]
    assert list(await copies.write([portion("a", "War", "saw")])) == [2]
    ended = portion("a", " ü", base=2, state=RunState.ANSWERED, end={"reason": "stop"})
    assert list(await copies.write([ended])) == [3]
    found = await copies.read("a")
    assert found is not None
    assert found.question == QUESTION
    assert found.run.texts == ("War", "saw", " ü")
    assert (found.run.state, found.run.end) == (RunState.ANSWERED, {"reason": "stop"})
    assert await copies.read("never") is None


async def test_the_latest_run_counts_and_the_former_one_stays_apart(copies: RedisCopies) -> None:
    await copies.write([portion("c", "old", "er")])
    await copies.write([portion("c", "old", run=RunName(1, 2))])
    await copies.write([portion("c", "!", base=2)])  # the former core wakes up
    await copies.write([portion("c", " new", base=1, run=RunName(1, 2))])
    found = await copies.read("c")
    assert found is not None
    assert (found.run.name, found.run.texts) == (RunName(1, 2), ("old", " new"))


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.ANSWERED])
async def test_tokens_without_their_beginning_are_noticed(
    copies: RedisCopies, state: RunState
) -> None:
    texts = ("tail",) if state is RunState.RUNNING else ()
    lost = portion("d", *texts, base=7, state=state)
    assert list(await copies.write([lost])) == [0], "the store was restarted: it has none of it"
    assert await copies.read("d") is None


async def test_what_is_forgotten_is_gone(copies: RedisCopies) -> None:
    await copies.write([portion("e", "x")])
    await copies.forget([("e", FIRST)])
    assert await copies.read("e") is None


async def test_copies_expire_by_themselves(copies: RedisCopies, server: RedisServer) -> None:
    short = RedisCopies(dataclasses.replace(server.access, ttl_seconds=1))
    await short.write([portion("f", "x")])
    await short.close()
    async with asyncio.timeout(10.0):  # by the server's own clock, after a second
        while await copies.read("f") is not None:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.05)


async def test_a_full_store_is_a_transient_error(
    authority: Authority, tmp_path: pathlib.Path
) -> None:
    with redis_server(authority, tmp_path, maxmemory="1mb") as small:
        store = RedisCopies(small.access)
        with pytest.raises(errors.TransientError, match="it is full") as refused:
            await store.write([portion(str(number), "a secret" * 10_000) for number in range(99)])
        assert "secret" not in str(refused.value)
        await store.close()


async def test_a_store_that_is_away_or_comes_back_is_told(
    authority: Authority, tmp_path: pathlib.Path
) -> None:
    with redis_server(authority, tmp_path) as server:
        store = RedisCopies(server.access)
        await store.write([portion("g", "x")])
        server.kill()
        with pytest.raises(errors.TransientError, match=r"127\.0\.0\.1"):
            await store.ping()
        server.start()
        await store.ping()
        assert await store.read("g") is None, "it kept it in memory alone"
        await store.close()


async def test_no_other_key_command_user_or_certificate_gets_in(
    authority: Authority, server: RedisServer, copies: RedisCopies, tmp_path: pathlib.Path
) -> None:
    for command in (["FLUSHALL"], ["CONFIG", "GET", "*"], ["KEYS", "*"], ["GET", "heyken:x"]):
        with pytest.raises(Exception, match=r"unknown command|permissions"):
            await stores.send(copies, *command)
    with pytest.raises(Exception, match="permissions"):
        await copies._redis.hset("other:x", "a", "b")
    for access in (
        dataclasses.replace(server.access, password="wrong"),
        dataclasses.replace(server.access, user="default"),
    ):
        stranger = RedisCopies(access)
        with pytest.raises(errors.TransientError, match="Authentication"):
            await stranger.ping()
        await stranger.close()
    tmp_path.joinpath("pki").mkdir()
    foreign = Authority(tmp_path / "pki", "another CA").issue("core1")
    access = dataclasses.replace(
        server.access, certificate_file=foreign.certificate, key_file=foreign.key
    )
    stranger = RedisCopies(access)
    with pytest.raises(errors.TransientError):
        await stranger.ping()
    await stranger.close()
    bare = Redis(
        host="127.0.0.1",
        port=server.access.port,
        ssl=True,
        ssl_ca_certs=str(authority.file),
        username="heyken",
        password=server.access.password,
    )
    with pytest.raises(Exception, match=r"(?i)certificate|closed|reset"):
        await bare.ping()
    await bare.aclose()
