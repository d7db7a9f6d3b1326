"""A reader who has tokens that no store has: the answer goes on behind what the reader got."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from heyken_glue.domain.continuing import Resume
from heyken_glue.domain.delivered import encoded
from heyken_glue.domain.turns import Turn
from tests.support.authority import Authority
from tests.support.doors import TOKENS, SseEvent, eventually, sse_events
from tests.support.twins import PIECES, Core, CountingModel, Twins, twins
from tests.support.twins_clients import CHAT, STREAM, begin, events_until, resume, text_of

AHEAD = 5
# fewer than the reader may tell
STORED = 20
INSTEAD = tuple(f"other{number} " for number in range(20))


def texts_of(events: list[SseEvent]) -> list[str]:
    return [event.data["text"] for event in events if event.name == "token"]


def pausing(model: CountingModel, behind: int) -> asyncio.Event:
    """Let the model pause behind so many pieces, until the event is set."""
    go_on, stream = asyncio.Event(), model.stream

    async def paused(turns: Sequence[Turn]) -> AsyncIterator[str]:
        said = 0
        async for piece in stream(turns):
            if said == behind:
                await go_on.wait()
            yield piece
            said += 1

    model.stream = paused  # type: ignore[method-assign]
    return go_on


def stop_copying(core: Core) -> None:
    """Lose whatever is not copied yet."""
    for loop in core.copies._loops:
        loop.cancel()


async def tokens_stored(core: Core, id_: str) -> int:
    """Return how many tokens of an answer the stores have."""
    copied = await core.copies.read(id_)
    assert copied is not None
    return len(copied.run.texts)


async def lose_with_reader_ahead(
    pair: Twins, client: Any, *, stored: int = STORED
) -> list[SseEvent]:
    """Lose core 1 while a reader has some tokens more than the stores; return what it has."""
    first, second = pair.cores[1], pair.cores[2]
    second.model.instead, go_on = INSTEAD, pausing(first.model, stored)
    async with client.post(CHAT, json={"message": "count"}, headers=STREAM) as response:
        stream = sse_events(response)
        events = await events_until(stream, 1 + stored)
        while await tokens_stored(second, events[0].data["id"]) < stored:
            pass
        stop_copying(first)
        go_on.set()
        events += await events_until(stream, AHEAD)
        response.close()
    await first.die(with_store=True)
    assert await tokens_stored(second, events[0].data["id"]) == stored
    pair.move_vip(2)
    return events


async def test_the_answer_goes_on_behind_what_the_reader_has(pair: Twins) -> None:
    async with pair.client() as client:
        left = await lose_with_reader_ahead(pair, client)
        had = texts_of(left)
        rest = await resume(client, left, delivered=encoded(had))
        again = await resume(client, left[:1])
    whole = "".join((*had, *INSTEAD))
    assert text_of(left + rest) == whole
    assert text_of(again) == whole, "later readers get the same"
    assert rest[-1].data["resumed"] == "continued"
    numbers = [int(event.id.split(":")[1]) for event in left + rest if event.id]
    assert numbers == list(range(len(had) + len(INSTEAD) + 2)), "each event once, in order"


@pytest.mark.parametrize("tells", ["nothing", "otherwise", "too little", "too many"])
async def test_what_does_not_fit_what_is_stored_counts_for_nothing(pair: Twins, tells: str) -> None:
    async with pair.client() as client:
        left = await lose_with_reader_ahead(pair, client)
        had = texts_of(left)
        texts = {
            "nothing": [],
            "otherwise": ["never said", *had[-AHEAD:]],
            "too little": had[-1:],
            "too many": ["never said", *had],
        }[tells]
        rest = await resume(client, left, delivered=encoded(texts))
    assert text_of(rest) == "".join(INSTEAD[AHEAD:]), "the seam that the header closes"


async def test_where_only_the_question_was_copied_all_comes_from_the_reader(pair: Twins) -> None:
    async with pair.client() as client:
        left = await lose_with_reader_ahead(pair, client, stored=0)
        rest = await resume(client, left, delivered=encoded(texts_of(left)))
    assert text_of(left + rest) == "".join((*PIECES[:AHEAD], *INSTEAD))
    assert rest[-1].data["resumed"] == "continued"


async def test_it_counts_too_when_the_core_that_is_followed_dies(pair: Twins) -> None:
    first, second = pair.cores[1], pair.cores[2]
    second.model.instead = INSTEAD
    pausing(first.model, STORED)
    has = PIECES[: STORED + AHEAD]
    async with pair.client() as client:
        before = await begin(client, 10)
        id_ = before[0].data["id"]
        pair.move_vip(2)
        coming = resume(client, before, ahead=len(has) - 9, delivered=encoded(has))
        getting = asyncio.create_task(coming)
        await eventually(lambda: second.house.store.known(id_) is not None)
        answer = second.house.store.known(id_)
        assert answer is not None
        await answer.wait_beyond(STORED)
        assert answer.relayed
        await first.die(with_store=True)
        rest = await getting
        again = await resume(client, before[:1])
    assert text_of(rest) == "".join(INSTEAD)
    assert text_of(again) == "".join((*has, *INSTEAD))


async def test_what_is_made_again_exactly_needs_no_reader(
    authority: Authority, tmp_path: pathlib.Path
) -> None:
    async with (
        twins(authority, tmp_path, PIECES, resume=Resume.EXACT) as pair,
        pair.client() as client,
    ):
        left = await lose_with_reader_ahead(pair, client)
        told = [*texts_of(left)[:-AHEAD], *(["never said"] * AHEAD)]
        rest = await resume(client, left, delivered=encoded(told))
        again = await resume(client, left[:1])
    assert text_of(left + rest) == text_of(again) == "".join(PIECES)
    assert rest[-1].data["resumed"] == "regenerated"


async def test_a_stranger_tells_nothing(pair: Twins) -> None:
    async with pair.client() as client, pair.client(TOKENS["other"][0]) as stranger:
        left = await lose_with_reader_ahead(pair, client)
        headers = {
            "Last-Event-ID": left[-1].id,
            "Heyken-Delivered": encoded([*texts_of(left)[:-1], "never said"]),
        }
        where = f"{CHAT}/{left[0].data['id']}/events"
        async with stranger.get(where, headers=headers) as response:
            assert response.status == 404
        rest = await resume(client, left, delivered=encoded(texts_of(left)))
    assert text_of(left + rest) == "".join((*texts_of(left), *INSTEAD))


async def test_what_cannot_be_read_is_refused_and_begins_nothing(pair: Twins) -> None:
    async with pair.client() as client:
        left = await lose_with_reader_ahead(pair, client)
        id_ = left[0].data["id"]
        headers = {"Last-Event-ID": left[-1].id, "Heyken-Delivered": "[]"}
        async with client.get(f"{CHAT}/{id_}/events", headers=headers) as response:
            assert response.status == 400
            assert (await response.json())["code"] == "bad_delivered"
    assert pair.cores[2].house.store.known(id_) is None


async def test_heyken_ask_tells_what_it_has(pair: Twins) -> None:
    first, second = pair.cores[1], pair.cores[2]
    second.model.instead = INSTEAD
    losing: list[asyncio.Task[None]] = []
    go_on = pausing(first.model, STORED)

    def listener(heard: int) -> None:
        if heard == STORED:
            stop_copying(first)
            go_on.set()
        if heard == 2 * STORED:
            pair.move_vip(2)
            losing.append(asyncio.create_task(first.die(with_store=True)))

    asking = await pair.ask(listener)
    await asyncio.gather(*losing)
    had = len(asking._pieces) - len(INSTEAD)
    assert had >= 2 * STORED
    assert asking._pieces == [*PIECES[:had], *INSTEAD]
    assert asking._restarts == 0
