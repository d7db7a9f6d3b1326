"""The chat API over real TLS: whole answers, streams, resuming, leaving, limits."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import ssl
from typing import Any

import pytest

from heyken_glue import errors
from heyken_glue.gateway import producer, streams
from heyken_glue.gateway.answers import StoreLimits
from heyken_glue.gateway.ports import UnitReply
from tests.support.doors import (
    PATIENCE_SECONDS,
    TOKENS,
    House,
    Plan,
    ScriptedModel,
    SseEvent,
    eventually,
    sse_events,
)
from tests.unit.gateway.conftest import OpenHouse

ASK = {"message": "What is the capital of Poland?"}
STREAM = {"Accept": "text/event-stream"}


async def take(stream: Any, count: int) -> list[SseEvent]:
    """Return the next `count` events that are no heartbeats."""
    events: list[SseEvent] = []
    while len(events) < count:
        event = await anext(stream)
        if event.name != ":":
            events.append(event)
    return events


async def test_a_question_gets_a_whole_answer(house: House) -> None:
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK) as response:
        body = await response.json()
    assert response.status == 200
    assert re.fullmatch("[0-9a-f]{24}", body.pop("id"))
    assert body == {"success": True, "response": "Warsaw is it.", "core": 1, "model": "scripted"}
    assert house.model.questions == ["What is the capital of Poland?"]


async def test_a_stream_has_start_tokens_done_and_an_id_for_each(house: House) -> None:
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as response:
        events = [event async for event in sse_events(response) if event.name != ":"]
    assert response.content_type == "text/event-stream"
    assert [event.name for event in events] == ["start", "token", "token", "token", "done"]
    assert "".join(event.data["text"] for event in events[1:4]) == "Warsaw is it."
    answer_id = events[0].data["id"]
    assert [event.id for event in events] == [f"{answer_id}:{number}" for number in range(5)]
    assert events[0].data == {"id": answer_id, "core": 1, "model": "scripted"}
    assert events[4].data.pop("duration_seconds") >= 0
    assert events[4].data == {"text_length": 13, "tokens": 3, "reason": "stop"}


@pytest.mark.parametrize(("stream", "accept"), [(True, "*/*"), (False, "text/event-stream")])
async def test_the_stream_field_decides_over_the_accept_header(
    house: House, stream: bool, accept: str
) -> None:
    client = await house.client()
    asked = {**ASK, "stream": stream}
    async with client.post("/api/v1/chat", json=asked, headers={"Accept": accept}) as response:
        await response.read()
    assert response.content_type == ("text/event-stream" if stream else "application/json")


async def test_heartbeats_come_while_the_model_thinks(open_with: OpenHouse) -> None:
    thinking = asyncio.Event()
    house = await open_with(ScriptedModel(thinking, "Warsaw"))
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as response:
        stream = sse_events(response)
        names = [(await anext(stream)).name for _ in range(4)]
        thinking.set()
        rest = [event.name async for event in stream if event.name != ":"]
    assert names == ["start", ":", ":", ":"]
    assert rest == ["token", "done"]


async def test_a_stream_resumes_where_the_reader_left(open_with: OpenHouse) -> None:
    middle = asyncio.Event()
    house = await open_with(ScriptedModel("one ", "two ", middle, "three"))
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as response:
        before = await take(sse_events(response), 2)
        response.close()
    middle.set()
    where = f"/api/v1/chat/{before[0].data['id']}/events"
    async with client.get(where, headers={"Last-Event-ID": before[-1].id}) as response:
        after = [event async for event in sse_events(response) if event.name != ":"]
    texts = [event.data["text"] for event in before + after if event.name == "token"]
    assert texts == ["one ", "two ", "three"], "nothing lost, nothing twice"
    assert len(house.model.questions) == 1, "resuming does not ask again"


async def test_a_resumed_stream_that_is_over_says_do_not_come_back(house: House) -> None:
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as response:
        events = [event async for event in sse_events(response) if event.name != ":"]
    where = f"/api/v1/chat/{events[0].data['id']}/events"
    async with client.get(where, headers={"Last-Event-ID": events[-1].id}) as response:
        assert response.status == 204
    async with client.get(where) as response:
        again = [event async for event in sse_events(response) if event.name != ":"]
    assert again == events


@pytest.mark.parametrize(
    "last", ["", "7", "x:1", "{id}:99", "{id}:-1", "{id}:", "{id}:¹", "{id}:" + "9" * 5000]
)
async def test_a_wrong_resume_point_is_refused(house: House, last: str) -> None:
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK) as response:
        answer_id = (await response.json())["id"]
    headers = {"Last-Event-ID": last.replace("{id}", answer_id)}
    async with client.get(f"/api/v1/chat/{answer_id}/events", headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["code"] == "bad_resume_point"


async def test_an_answer_belongs_to_the_token_that_asked(house: House) -> None:
    client, stranger = await house.client(), await house.client(TOKENS["other"][0])
    async with client.post("/api/v1/chat", json=ASK) as response:
        answer_id = (await response.json())["id"]
    for who, expected in ((stranger, 404), (client, 200)):
        async with who.get(f"/api/v1/chat/{answer_id}/events") as response:
            assert response.status == expected
            await response.read()


@pytest.mark.parametrize("headers", [{}, STREAM])
async def test_an_answer_that_nobody_reads_is_stopped(
    open_with: OpenHouse, headers: dict[str, str]
) -> None:
    plan = Plan(store=StoreLimits(concurrent_max=8, keep_seconds=600, abandon_seconds=0.05))
    house = await open_with(ScriptedModel("one", asyncio.Event()), plan)
    client = await house.client()
    asking = asyncio.create_task(client.post("/api/v1/chat", json=ASK, headers=headers))
    await eventually(lambda: house.store.load()["last_token_seconds"] is not None)
    if headers:
        (await asking).close()
    asking.cancel()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await house.model.closed.wait()
    await eventually(lambda: house.store.load()["answers"] == 0)


async def test_a_reader_who_comes_back_in_time_keeps_the_answer_alive(
    open_with: OpenHouse,
) -> None:
    middle = asyncio.Event()
    plan = Plan(store=StoreLimits(concurrent_max=8, keep_seconds=600, abandon_seconds=0.3))
    house = await open_with(ScriptedModel("one ", middle, "two"), plan)
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as response:
        start = (await take(sse_events(response), 1))[0]
        response.close()
    async with client.get(f"/api/v1/chat/{start.data['id']}/events") as response:
        stream = sse_events(response)
        # far more heartbeats than fit into the grace period: the first reader's leaving is past
        beats = itertools.count()
        while next(beats) < 30:
            while (await anext(stream)).name != ":":
                pass
        middle.set()
        rest = [event.name async for event in stream if event.name != ":"]
    assert rest == ["token", "done"]


async def test_too_many_answers_are_refused_with_a_time_to_come_back(open_with: OpenHouse) -> None:
    busy = asyncio.Event()
    plan = Plan(store=StoreLimits(concurrent_max=1, keep_seconds=600))
    house = await open_with(ScriptedModel("one", busy), plan)
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as first:
        async with client.post("/api/v1/chat", json=ASK) as second:
            assert second.status == 429
            assert int(second.headers["Retry-After"]) > 0
            assert (await second.json())["code"] == "too_many_answers"
        busy.set()
        await first.read()
    async with client.post("/api/v1/chat", json=ASK) as third:
        assert third.status == 200


@pytest.mark.parametrize("headers", [{}, STREAM])
@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "The model is not loaded."), ("pl", "Model nie jest załadowany.")],
)
async def test_a_model_that_fails_is_a_503_with_the_reason_health_gives(
    open_with: OpenHouse, headers: dict[str, str], language: str, sentence: str
) -> None:
    house = await open_with(ScriptedModel(errors.TransientError("POST failed")))
    verdict = {
        "capable": False,
        "sentence": "The model is not loaded.",
        "sentence_pl": "Model nie jest załadowany.",
    }
    house.health.replies["GET", "/verdict"] = UnitReply(200, verdict)
    client = await house.client()
    asked = {**headers, "Accept-Language": language}
    async with client.post("/api/v1/chat", json=ASK, headers=asked) as response:
        body = await response.json()
    assert response.status == 503
    assert "Retry-After" in response.headers
    assert body["code"] == "model_unavailable"
    assert sentence in body["error"]


@pytest.mark.parametrize(("language", "word"), [("en", "Shorten"), ("pl", "Skróć")])
async def test_a_question_beyond_the_models_context_is_a_413_and_says_so(
    open_with: OpenHouse, language: str, word: str
) -> None:
    house = await open_with(ScriptedModel(errors.TooLongError("too long")))
    client = await house.client()
    asked = {"Accept-Language": language}
    async with client.post("/api/v1/chat", json=ASK, headers=asked) as response:
        body = await response.json()
    assert (response.status, body["code"]) == (413, "question_too_long")
    assert word in body["error"]


async def test_a_model_that_fails_later_ends_the_stream_with_an_error(open_with: OpenHouse) -> None:
    house = await open_with(ScriptedModel("one", errors.PermanentError("broken line")))
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as response:
        events = [event async for event in sse_events(response) if event.name != ":"]
    assert [event.name for event in events] == ["start", "token", "error"]
    assert events[-1].data["code"] == "model_unavailable"


SLOW = [
    ((), producer.Deadlines(first_token=0.05, token_gap=9, answer=9), "model_too_slow"),
    (("one",), producer.Deadlines(first_token=9, token_gap=0.05, answer=9), "model_too_slow"),
    (("one",), producer.Deadlines(first_token=9, token_gap=9, answer=0.05), "answer_too_long"),
]


@pytest.mark.parametrize(("beginning", "deadlines", "code"), SLOW)
async def test_deadlines_end_an_answer_with_504(
    open_with: OpenHouse, beginning: tuple[str, ...], deadlines: producer.Deadlines, code: str
) -> None:
    model = ScriptedModel(*beginning, asyncio.Event())
    house = await open_with(model, Plan(deadlines=deadlines))
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK) as response:
        assert response.status == 504
        assert (await response.json())["code"] == code
    assert model.closed.is_set(), "the model's work is stopped"


async def test_a_reader_who_does_not_read_is_cut_off(open_with: OpenHouse) -> None:
    plan = Plan(times=streams.StreamTimes(heartbeat=0.02, write_timeout=0.1))
    house = await open_with(ScriptedModel(*["x" * 100_000] * 640), plan)
    received = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port, ssl=house.tls())
        writer.write(raw_question(ASK))
        await reader.readline()
        await eventually(lambda: readers_of(house) == 0)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while piece := await reader.read(1_000_000):
                received += len(piece)
        writer.close()
    assert received < 64_000_000, "the connection was cut before the end"


def readers_of(house: House) -> int:
    """How many follow an answer."""
    return sum(answer.readers for answer in house.store._answers.values())


def raw_question(body: dict[str, str]) -> bytes:
    """Return a whole request for a stream, as bytes."""
    content = json.dumps(body).encode()
    head = [
        "POST /api/v1/chat HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {TOKENS['operator'][0]}",
        "Accept: text/event-stream",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + content


async def test_a_bug_in_the_producer_ends_the_answer_for_its_readers(open_with: OpenHouse) -> None:
    house = await open_with(ScriptedModel("one", ZeroDivisionError("bug")))
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK) as response:
        body = await response.json()
    assert response.status == 503
    assert "bug" not in body["error"]


async def test_going_down_tells_the_readers(open_with: OpenHouse) -> None:
    house = await open_with(ScriptedModel("one", asyncio.Event()))
    client = await house.client()
    async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as response:
        stream = sse_events(response)
        await take(stream, 2)
        await house.store.close()
        last = (await take(stream, 1))[0]
    assert (last.name, last.data["code"]) == ("error", "cancelled")
