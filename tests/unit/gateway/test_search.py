"""Looking for an answer of a lost core: everybody at once, the silent ones never twice."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import cast

import pytest

from heyken_glue.domain.copies import Copy, Portion, Question, Run, RunName, RunState
from heyken_glue.gateway.copies import Copies, Pace
from heyken_glue.gateway.handover import Following, PeerAnswers
from heyken_glue.gateway.search import Search
from tests.support.doors import PATIENCE_SECONDS, eventually

OWNER = "digest"
QUESTION = Question(OWNER, "operator", "en", (), "d", "m@1", 1.0)
# a silent store is waited for longer than any of these tests may last
PATIENT = Pace(accept=60.0, read_own=60.0, retry=0.001)
SOON = dataclasses.replace(PATIENT, accept=0.02)


def copy_of(core: int, *, generation: int = 0, state: RunState = RunState.RUNNING) -> Copy:
    return Copy(QUESTION, Run(RunName(generation, core), state, {}, ("one ",)))


class Store:
    """Knows one copy, or is silent until it may speak."""

    def __init__(self, name: str, copy: Copy | None = None) -> None:
        self.name, self.copy = name, copy
        self.may_speak = asyncio.Event()
        self.may_speak.set()
        self.reads = 0

    async def ping(self) -> None:
        await self.may_speak.wait()

    async def write(self, portions: Sequence[Portion]) -> Sequence[int]:
        raise AssertionError(f"a search writes nothing: {portions}")

    async def read(self, answer_id: str) -> Copy | None:
        del answer_id
        self.reads += 1
        await self.may_speak.wait()
        return self.copy

    async def forget(self, runs: Sequence[tuple[str, RunName]]) -> None:
        raise AssertionError(f"a search forgets nothing: {runs}")


class Stream:
    """The other core's stream, as far as it is only opened and closed."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Peer:
    """The other core's gateway: makes the answer or does not."""

    def __init__(self, stream: Stream | None = None) -> None:
        self.stream = stream
        self.asked = asyncio.Event()
        self.on_asked: Callable[[], None] = lambda: None

    async def follow(self, answer_id: str) -> Following | None:
        del answer_id
        self.asked.set()
        self.on_asked()
        return cast("Following | None", self.stream)


@contextlib.asynccontextmanager
async def searching(
    own: Store, other: Store, peer: Peer, pace: Pace = PATIENT
) -> AsyncIterator[Search]:
    copies = Copies([own, other], pace)
    copies.start()
    peers = cast("Mapping[int, PeerAnswers]", {2: peer})
    async with asyncio.timeout(PATIENCE_SECONDS):
        yield Search(copies, peers)
    await copies.close()


async def test_a_lost_cores_store_and_gateway_are_asked_at_the_same_time() -> None:
    own, other, peer = Store("own", copy_of(2)), Store("other"), Peer()
    other.may_speak.clear()
    peer.on_asked = other.may_speak.set  # asked one after the other, both would wait for ever
    async with searching(own, other, peer) as search:
        found = await search.find("a", OWNER)
    assert found is not None
    assert (found.copy, found.following) == (own.copy, None)


async def test_a_store_that_kept_silent_is_not_asked_twice_until_it_gives_a_sign_of_life() -> None:
    own, other, peer = Store("own", copy_of(2)), Store("other", copy_of(2)), Peer()
    other.may_speak.clear()
    async with searching(own, other, peer, SOON) as search:
        assert await search.find("a", OWNER) is not None
        assert (own.reads, other.reads) == (2, 1), "once more for what was written meanwhile"
        assert await search.find("a", OWNER) is not None
        assert other.reads == 1
        other.may_speak.set()
        await eventually(lambda: not search.copies._replicas[1].away)
        await search.find("a", OWNER)
        assert other.reads > 1


async def test_what_lives_is_followed_though_its_store_is_silent() -> None:
    own, other, peer = Store("own", copy_of(2)), Store("other"), Peer(Stream())
    other.may_speak.clear()
    async with searching(own, other, peer, SOON) as search:
        found = await search.find("a", OWNER)
    assert found is not None
    assert cast("Stream", found.following) is peer.stream
    assert peer.stream is not None
    assert not peer.stream.closed


@pytest.mark.parametrize(
    "later", [copy_of(2, state=RunState.ANSWERED), copy_of(1, generation=1)], ids=["over", "ours"]
)
async def test_a_stream_that_is_not_wanted_after_all_is_closed(later: Copy) -> None:
    own, other, peer = Store("own", copy_of(2)), Store("other", later), Peer(Stream())
    other.may_speak.clear()
    peer.on_asked = other.may_speak.set
    async with searching(own, other, peer) as search:
        found = await search.find("a", OWNER)
    assert found is not None
    assert (found.copy, found.following) == (later, None)
    assert peer.stream is not None
    stream = peer.stream
    await eventually(lambda: stream.closed)


async def test_an_own_store_that_is_empty_leaves_it_to_the_other_one() -> None:
    own, other, peer = Store("own"), Store("other", copy_of(2)), Peer(Stream())
    async with searching(own, other, peer) as search:
        found = await search.find("a", OWNER)
    assert found is not None
    assert cast("Stream", found.following) is peer.stream


async def test_nobody_is_asked_about_the_answer_of_somebody_else() -> None:
    own, other, peer = Store("own", copy_of(2)), Store("other", copy_of(2)), Peer(Stream())
    async with searching(own, other, peer) as search:
        assert await search.find("a", "another") is None
    assert not peer.asked.is_set()
