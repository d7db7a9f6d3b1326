"""Answers outlive their core: two gateways, two real stores, and one of them is lost."""

from __future__ import annotations

import asyncio
import json
import pathlib
import random
from collections.abc import Callable
from typing import Any

import pytest

from heyken_glue.domain.continuing import Resume
from tests.support.authority import Authority
from tests.support.doors import TOKENS, eventually, sse_events
from tests.support.twins import PIECES, Twins, twins
from tests.support.twins_clients import CHAT, STREAM, begin, events_until, resume, text_of

KILLS, SEED = 20, 20  # `bench survival` has the 50


async def ask_and_lose(pair: Twins, at: int, lose: Callable[[], Any]) -> Any:
    """Ask, and lose core 1 when the client has `at` pieces; return what the client has."""
    losing: list[asyncio.Task[Any]] = []

    def listener(heard: int) -> None:
        if heard == at:
            pair.move_vip(2)
            losing.append(asyncio.create_task(lose()))

    asking = await pair.ask(listener)
    assert losing, "the client never had so many pieces"
    await asyncio.gather(*losing)
    return asking


def told(asking: Any) -> str:
    """Return all that stood on the terminal."""
    return "".join(asking._console.heard)


@pytest.mark.parametrize("resume", list(Resume))
async def test_a_reader_gets_the_whole_text_whenever_the_core_is_lost(
    authority: Authority, tmp_path: pathlib.Path, resume: Resume
) -> None:
    chance = random.Random(SEED)  # noqa: S311 - which token, no secret
    was_continued = 0
    print(f"seed {SEED}")
    for kill in range(KILLS // 2):
        at, with_store = chance.randrange(1, len(PIECES)), bool(kill % 2)
        async with twins(authority, tmp_path, PIECES, resume=resume) as pair:
            first, second = pair.cores[1], pair.cores[2]

            async def lose(core: Any = first, with_store: bool = with_store) -> None:
                await core.die(with_store=with_store)

            asking = await ask_and_lose(pair, at, lose)
            assert told(asking) == first.model.text, f"killed at {at}, store lost: {with_store}"
            assert asking._restarts == 0
            if resume is Resume.EXACT:
                assert not second.model.continued
                assert asking._done.get("resumed") in (None, "regenerated")
            elif second.model.continued:
                assert asking._done["resumed"] == "continued"
            was_continued += second.model.continued
    assert was_continued > KILLS // 4 or resume is Resume.EXACT, "they came too late to show it"


async def test_without_copies_the_text_is_not_whole(
    authority: Authority, tmp_path: pathlib.Path
) -> None:
    async with twins(authority, tmp_path, PIECES, copying=False) as pair:
        asking = await ask_and_lose(pair, 50, lambda: pair.cores[1].die(with_store=True))
        assert told(asking) != pair.cores[1].model.text, "the test before would see nothing"
        assert asking._restarts == 1


async def test_after_a_planned_move_the_new_holder_follows_the_old_one(pair: Twins) -> None:
    async with pair.client() as client:
        before = await begin(client, 30)
        pair.move_vip(2)
        rest = await resume(client, before)
    assert text_of(before + rest) == pair.cores[1].model.text
    assert not pair.cores[2].model.asked, "one core makes it"
    assert "resumed" not in rest[-1].data
    assert pair.cores[2].house.store.load()["answers"] == 0, "its own model does nothing"


async def test_an_answer_goes_on_when_the_core_that_is_followed_dies(pair: Twins) -> None:
    async with pair.client() as client:
        before = await begin(client, 10)
        pair.move_vip(2)
        headers = {"Last-Event-ID": before[-1].id}
        where = f"{CHAT}/{before[0].data['id']}/events"
        async with client.get(where, headers=headers) as response:
            stream = sse_events(response)
            more = await events_until(stream, 20)
            await pair.cores[1].die(with_store=True)
            rest = [event async for event in stream if event.name != ":"]
    assert text_of(before + more + rest) == pair.cores[1].model.text
    assert rest[-1].data["resumed"] == "continued"
    numbers = [int(event.id.split(":")[1]) for event in before + more + rest if event.id]
    assert numbers == list(range(len(PIECES) + 2)), "each event once, in order"


async def test_who_stops_an_answer_that_the_other_core_makes_stops_it_there(pair: Twins) -> None:
    first, second = pair.cores[1], pair.cores[2]
    first.model._pause = 0.05
    async with pair.client() as client:
        before = await begin(client, 10)
        pair.move_vip(2)
        id_, asking = before[0].data["id"], asyncio.ensure_future(resume(client, before))
        await eventually(lambda: second.house.store.known(id_) is not None)
        answer = second.house.store.known(id_)
        assert answer is not None
        assert not await second.house.doors.inflight.cancel(id_, "somebody else")
        await answer.wait_beyond(12)
        assert answer.relayed
        assert await second.house.doors.inflight.cancel(id_, answer.asker.owner)
        made = first.house.store.known(id_)
        assert made is not None
        await eventually(lambda: made.finished)
        assert made.failure is not None
        rest = await asking
    assert rest[-1].name == "error"
    assert len(second.model.asked) == 0, "nobody made it anew"
    assert not await second.house.doors.inflight.cancel(id_, answer.asker.owner), "it is over"


async def test_a_core_that_wakes_up_gives_what_its_successor_made(pair: Twins) -> None:
    first, second = pair.cores[1], pair.cores[2]
    first.model._pause = 0.02
    async with pair.client() as client:
        before = await begin(client, 10)
        first.door.cut()  # frozen for everybody else: it still works and writes to both stores
        pair.move_vip(2)
        rest = await resume(client, before)
        whole = text_of(before + rest)
        assert whole == second.model.text
        assert first.house.store.load()["answers"] == 1, "the former core is still at it"
        found = await first.copies.read(before[0].data["id"])
        assert found is not None
        assert found.run.text == whole
        assert found.run.name.core == 2
        pair.move_vip(1)
        again = await resume(client, before)
    assert text_of(before + again) == whole
    assert again[-1].data["resumed"] == "continued", "the successor's, not its own"


async def test_a_core_that_goes_down_in_order_cuts_without_an_error(pair: Twins) -> None:
    async with pair.client() as client:
        body = {"message": "count"}
        async with client.post(CHAT, json=body, headers=STREAM) as response:
            stream = sse_events(response)
            before = await events_until(stream, 10)
            await pair.cores[1].house.doors.inflight.close()
            before += [event async for event in stream if event.id]
        assert {event.name for event in before} == {"start", "token"}
        pair.move_vip(2)
        rest = await resume(client, before)
    assert text_of(before + rest) == pair.cores[1].model.text
    assert len(pair.cores[2].model.asked) == 1


async def test_a_reader_ahead_of_the_copies_gets_only_what_is_new(pair: Twins) -> None:
    async with pair.client() as client:
        before = await begin(client, 10)
        id_ = before[0].data["id"]
        await pair.cores[1].die(with_store=True)
        copied = await pair.cores[2].copies.read(id_)
        assert copied is not None
        pair.move_vip(2)
        ahead = len(copied.run.texts) + 5 - 9
        rest = await resume(client, before, ahead=ahead)
    assert text_of(rest) == "".join(PIECES[len(copied.run.texts) + 5 :])


@pytest.mark.parametrize("waits", [True, False], ids=["waiting", "later"])
async def test_a_reader_that_had_one_token_more_is_told_of_the_end(
    authority: Authority, tmp_path: pathlib.Path, waits: bool
) -> None:
    async with twins(authority, tmp_path, PIECES) as pair, pair.client() as client:
        before = await begin(client, 10)
        await pair.cores[1].die(with_store=True)
        copied = await pair.cores[2].copies.read(before[0].data["id"])
        assert copied is not None
        pair.cores[2].model.pieces = tuple(copied.run.texts)  # nothing is left to be said
        pair.move_vip(2)
        ahead = len(copied.run.texts) + 1 - 9
        if not waits:
            await resume(client, before)
        rest = await resume(client, before, ahead=ahead)
    assert [event.name for event in rest if event.name != "resumed"] == ["done"]


async def test_a_finished_answer_is_given_again_by_the_other_core(pair: Twins) -> None:
    async with pair.client() as client:
        async with client.post(CHAT, json={"message": "count"}, headers=STREAM) as response:
            events = [event async for event in sse_events(response) if event.id]
        await eventually(lambda: not pair.cores[1].copies._replicas[1]._live)
        await pair.cores[1].die(with_store=True)
        pair.move_vip(2)
        again = await resume(client, events[:40])
        assert [event.id for event in events[:40] + again] == [event.id for event in events]
        assert again[-1].data == events[-1].data
        where = f"{CHAT}/{events[0].data['id']}/events"
        async with client.get(where, headers={"Last-Event-ID": events[-1].id}) as response:
            assert response.status == 204
    assert not pair.cores[2].model.asked


async def test_nobody_else_gets_an_answer_out_of_the_copies(pair: Twins) -> None:
    async with pair.client() as client, pair.client(TOKENS["other"][0]) as stranger:
        before = await begin(client, 10)
        await pair.cores[1].die(with_store=False)
        pair.move_vip(2)
        async with stranger.get(f"{CHAT}/{before[0].data['id']}/events") as response:
            assert response.status == 404
        for where in (f"/peer/answers/{before[0].data['id']}/events", "/peer/answers/x/events"):
            async with client.get(where) as response:
                assert response.status == 403, "a token opens no door between the cores"
        assert text_of(before + await resume(client, before)) == pair.cores[1].model.text


async def test_exact_repetition_needs_the_same_model_else_the_text_is_continued(
    authority: Authority, tmp_path: pathlib.Path
) -> None:
    models = ("counting@1", "counting@2")
    async with (
        twins(authority, tmp_path, PIECES, resume=Resume.EXACT, models=models) as pair,
        pair.client() as client,
    ):
        before = await begin(client, 60)
        await pair.cores[1].die(with_store=True)
        pair.move_vip(2)
        rest = await resume(client, before)
    assert text_of(before + rest) == pair.cores[1].model.text
    assert rest[-1].data["resumed"] == "continued"


async def test_a_text_that_comes_out_differently_is_continued(
    authority: Authority, tmp_path: pathlib.Path
) -> None:
    async with (
        twins(authority, tmp_path, PIECES, resume=Resume.EXACT) as pair,
        pair.client() as client,
    ):
        before = await begin(client, 60)
        await pair.cores[1].die(with_store=True)
        pair.cores[2].model.wavering = 20
        pair.move_vip(2)
        rest = await resume(client, before)
    assert text_of(before + rest) == pair.cores[1].model.text
    assert rest[-1].data["resumed"] == "continued"
    assert json.dumps([event.name for event in rest]).count("resumed") == 2


async def test_an_end_that_is_found_late_is_not_gone_beyond(pair: Twins) -> None:
    async with pair.client() as client:
        before = await begin(client, 30)
        pair.move_vip(2)
        where, headers = f"{CHAT}/{before[0].data['id']}/events", {"Last-Event-ID": before[-1].id}
        async with client.get(where, headers=headers) as response:
            stream = sse_events(response)
            more = await events_until(stream, 20)
            for writer in pair.cores[1].door._writers:  # what it sends is lost, what it writes not
                writer.transport.pause_reading()  # type: ignore[attr-defined]
            await eventually(lambda: not pair.cores[1].copies._replicas[1]._live)
            pair.cores[1].door.cut()
            rest = [event async for event in stream if event.name != ":"]
    assert text_of(before + more + rest) == pair.cores[1].model.text
    assert not pair.cores[2].model.asked, "it was complete"


async def test_all_readers_of_a_lost_core_get_their_text(
    authority: Authority, tmp_path: pathlib.Path
) -> None:
    readers = 40
    async with twins(authority, tmp_path, PIECES, answers_max=readers) as pair:
        pair.cores[1].model._pause = 0.02
        losing: list[asyncio.Task[None]] = []

        def listener(heard: int) -> None:
            if heard == 20 and not losing:
                pair.move_vip(2)
                losing.append(asyncio.create_task(pair.cores[1].die(with_store=True)))

        askings = await asyncio.gather(*(pair.ask(listener, str(n)) for n in range(readers)))
        await asyncio.gather(*losing)
    assert {told(asking) for asking in askings} == {pair.cores[1].model.text}
    assert sum(asking._restarts for asking in askings) == 0
