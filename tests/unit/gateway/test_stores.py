"""Keys that hold on both cores, and answers while stores are away or come back."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest

from tests.support.doors import TOKENS, eventually, sse_events
from tests.support.twins import Twins
from tests.support.twins_clients import CHAT, STREAM, begin, events_until, resume, text_of


async def test_the_same_key_is_the_same_answer_on_both_cores(pair: Twins) -> None:
    key = {"Idempotency-Key": "k-1"}
    answers = []
    for core in (1, 1, 2):
        pair.move_vip(core)
        async with pair.client() as client:
            async with client.post(CHAT, json={"message": "count"}, headers=key) as response:
                answer = await response.json()
            answers.append((answer["id"], answer["response"]))
            async with client.post(CHAT, json={"message": "other"}, headers=key) as response:
                assert response.status == 409
                assert (await response.json())["code"] == "key_reused"
    assert answers == [(answers[0][0], pair.cores[1].model.text)] * 3
    assert len(pair.cores[1].model.asked) == 1
    assert not pair.cores[2].model.asked


async def test_a_whole_answer_is_asked_for_again_under_its_key(pair: Twins) -> None:
    key = {"Idempotency-Key": "k-2"}
    body = {"message": "count", "stream": False}
    async with pair.client() as client:
        asking = asyncio.create_task(client.post(CHAT, json=body, headers=key))
        await eventually(lambda: pair.cores[1].house.store.load()["last_token_seconds"] is not None)
        replica = pair.cores[1].copies._replicas[1]
        await eventually(lambda: sum(replica._has.values()) > 5)
        await pair.cores[1].die(with_store=True)
        pair.move_vip(2)
        with contextlib.suppress(aiohttp.ClientError):
            await asking
        async with client.post(CHAT, json=body, headers=key) as response:
            answer = await response.json()
    assert answer["response"] == pair.cores[1].model.text
    assert answer["resumed"] == "continued"


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, "ż"])
async def test_a_key_that_is_none_is_refused(pair: Twins, key: str) -> None:
    async with pair.client() as client:
        headers = {"Idempotency-Key": key}
        async with client.post(CHAT, json={"message": "count"}, headers=headers) as response:
            assert response.status == 400
            assert (await response.json())["code"] == "bad_key"


@pytest.mark.parametrize("lost", [[1], [2], [1, 2]])
async def test_answers_are_given_while_stores_are_away(pair: Twins, lost: list[int]) -> None:
    for core in lost:
        pair.cores[core].server.kill()
    async with pair.client() as client:
        for _ in range(2):
            async with client.post(CHAT, json={"message": "count"}) as response:
                assert (await response.json())["response"] == pair.cores[1].model.text
    away = [replica.away for replica in pair.cores[1].copies._replicas]
    assert away == [core in lost for core in (1, 2)]


async def test_a_store_that_comes_back_gets_the_whole_answer(pair: Twins) -> None:
    pair.cores[1].model._pause = 0.01
    async with pair.client() as client:
        before = await begin(client, 20)
        pair.cores[2].server.kill()
        replica = pair.cores[1].copies._replicas[1]
        await eventually(lambda: replica.away)
        pair.cores[2].server.start()
        await eventually(lambda: sum(replica._has.values()) > 30)
        pair.cores[1].server.kill()
        await pair.cores[1].die(with_store=True)
        pair.move_vip(2)
        assert text_of(before + await resume(client, before)) == pair.cores[1].model.text


@pytest.mark.parametrize("arguments", [("--maxmemory", "1"), ()], ids=["full", "empty"])
async def test_an_answer_goes_on_though_the_own_store_cannot_tell_of_it(
    pair: Twins, arguments: tuple[str, ...]
) -> None:
    server = pair.cores[2].server
    if arguments:  # from the beginning: nothing of the answer ever gets in
        server.kill()
        server.arguments = arguments
        server.start()
    async with pair.client() as client:
        before = await begin(client, 20)
        replica = pair.cores[1].copies._replicas[0]
        await eventually(lambda: sum(replica._has.values()) > 20)
        await pair.cores[1].die(with_store=False)
        if not arguments:
            server.kill()
            server.start()
        pair.move_vip(2)
        rest = await resume(client, before)
    assert text_of(before + rest) == pair.cores[1].model.text
    assert rest[-1].data["resumed"] == "continued"
    assert len(pair.cores[2].model.asked) == 1


async def test_the_key_of_another_token_is_another_question_also_after_a_loss(pair: Twins) -> None:
    key = {"Idempotency-Key": "k-3"}
    async with pair.client() as client, pair.client(TOKENS["other"][0]) as stranger:
        body = {"message": "count"}
        async with client.post(CHAT, json=body, headers={**STREAM, **key}) as response:
            before = await events_until(sse_events(response), 20)
            response.close()
        await pair.cores[1].die(with_store=False)
        pair.move_vip(2)
        async with stranger.post(CHAT, json=body, headers=key) as response:
            foreign = await response.json()
        assert foreign["id"] != before[0].data["id"]
        assert "resumed" not in foreign, "made for the stranger alone"
        rest = await resume(client, before)
    assert text_of(before + rest) == pair.cores[1].model.text
    assert rest[-1].data["resumed"] == "continued"


async def test_an_answer_that_cannot_be_looked_for_is_not_called_unknown(pair: Twins) -> None:
    async with pair.client() as client:
        before = await begin(client, 10)
        await pair.cores[1].die(with_store=True)
        pair.move_vip(2)
        for loop in pair.cores[2].copies._loops:
            loop.cancel()  # so that nobody has noticed yet
        pair.cores[2].server.kill()
        where = f"{CHAT}/{before[0].data['id']}/events"
        async with client.get(where, headers={"Last-Event-ID": before[-1].id}) as response:
            assert response.status == 503
            assert (await response.json())["code"] == "copies_unreadable"
            assert response.headers["Retry-After"] == "1"
