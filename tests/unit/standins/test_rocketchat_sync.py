"""Catching up: what changed and what was deleted since a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from lab.standins.rocketchat import ejson
from tests.support.rocketchat import StandIn, standin


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    @property
    def iso(self) -> str:
        return ejson.iso(int(self.now * 1000))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def chat(clock: Clock) -> AsyncIterator[StandIn]:
    async with standin(clock=clock) as it:
        clock.now += 1
        yield it


async def sync(chat: StandIn, **query: Any) -> dict[str, Any]:
    return dict((await chat.get("user", "chat.syncMessages", roomId="GENERAL", **query))["result"])


async def test_everything_after_a_time_comes_back_and_nothing_before(
    chat: StandIn, clock: Clock
) -> None:
    old = await chat.post("user", "general", "old")
    edited = await chat.post("user", "general", "to be edited")
    parent = await chat.post("user", "general", "to be answered")
    gone = await chat.post("user", "general", "to be deleted")
    since = clock.iso
    clock.now += 1
    new = await chat.post("user", "general", "new")
    reply = await chat.post("admin", "general", "reply", thread_id=parent["_id"])
    await chat.api("user", "chat.update", roomId="GENERAL", msgId=edited["_id"], text="edited")
    await chat.api("user", "chat.delete", roomId="GENERAL", msgId=gone["_id"])
    result = await sync(chat, lastUpdate=since)
    found = {it["_id"] for it in result["updated"]}
    assert found == {new["_id"], reply["_id"], edited["_id"], parent["_id"]}
    assert old["_id"] not in found
    assert result["deleted"] == [{"_id": gone["_id"], "_deletedAt": clock.iso}]
    times = [it["ts"] for it in result["updated"]]
    assert times == sorted(times, reverse=True)


async def test_the_very_moment_does_not_come_back(chat: StandIn, clock: Clock) -> None:
    await chat.post("user", "general", "now")
    assert (await sync(chat, lastUpdate=clock.iso))["updated"] == []


async def test_pages_lead_through_everything_forwards(chat: StandIn, clock: Clock) -> None:
    since = int(clock.now * 1000)
    for index in range(7):
        clock.now += 1
        await chat.post("user", "general", str(index))
    cursor: str | None = str(since)
    pages = []
    while cursor is not None:
        result = await sync(chat, type="UPDATED", next=cursor, count=3)
        pages.append([it["msg"] for it in result["updated"]])
        assert result["deleted"] == []
        cursor = result["cursor"]["next"]
    assert pages == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


async def test_pages_lead_backwards_too(chat: StandIn, clock: Clock) -> None:
    for index in range(4):
        clock.now += 1
        await chat.post("user", "general", str(index))
    clock.now += 1
    now = str(int(clock.now * 1000))
    result = await sync(chat, type="UPDATED", previous=now, count=3)
    assert [it["msg"] for it in result["updated"]] == ["3", "2", "1"]
    result = await sync(chat, type="UPDATED", previous=result["cursor"]["previous"], count=100)
    assert result["updated"][0]["msg"] == "0"
    assert result["cursor"]["previous"] is None


async def test_deletions_have_pages_of_their_own(chat: StandIn, clock: Clock) -> None:
    since = str(int(clock.now * 1000))
    ids = []
    for _ in range(3):
        clock.now += 1
        ids.append((await chat.post("user", "general", "x"))["_id"])
        await chat.api("user", "chat.delete", roomId="GENERAL", msgId=ids[-1])
    result = await sync(chat, type="DELETED", next=since, count=2)
    assert [it["_id"] for it in result["deleted"]] == ids[:2]
    result = await sync(chat, type="DELETED", next=result["cursor"]["next"], count=2)
    assert [it["_id"] for it in result["deleted"]] == ids[2:]
    assert result["cursor"]["next"] is None


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "error-param-required"),
        ({"roomId": "GENERAL"}, "error-param-required"),
        ({"roomId": "GENERAL", "lastUpdate": "soon"}, "error-lastUpdate-param-invalid"),
        ({"roomId": "GENERAL", "type": "ALL", "next": "1"}, "error-type-param-not-supported"),
        (
            {"roomId": "GENERAL", "type": "UPDATED", "next": "1", "previous": "2"},
            "error-cursor-conflict",
        ),
        (
            {"roomId": "GENERAL", "lastUpdate": "2026-01-01", "next": "1"},
            "error-cursor-and-lastUpdate-conflict",
        ),
        ({"roomId": "nowhere", "lastUpdate": "2026-01-01"}, "error-not-allowed"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    chat: StandIn, query: dict[str, str], code: str
) -> None:
    status, body = await chat.call("user", "GET", "chat.syncMessages", query)
    assert (status, body["errorType"]) == (400, code)


async def test_a_room_that_one_may_not_see_tells_nothing(chat: StandIn) -> None:
    room_id = (await chat.api("admin", "groups.create", name="secret"))["group"]["_id"]
    await chat.post("admin", room_id, "secret")
    query = {"roomId": room_id, "lastUpdate": "2020-01-01T00:00:00.000Z"}
    status, body = await chat.call("user", "GET", "chat.syncMessages", query)
    assert (status, body["errorType"]) == (400, "error-not-allowed")
