"""The bench's crowd: what it says of a server that keeps up, repeats itself, or loses things."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from bench import crowd
from lab.problem import Problem
from tests.support.assistant import eventually
from tests.support.rocketchat import StandIn, standin


@pytest.fixture
async def chat() -> AsyncIterator[StandIn]:
    async with standin() as running:
        yield running


@pytest.fixture
async def room(chat: StandIn) -> AsyncIterator[crowd.Room]:
    async with aiohttp.ClientSession(headers=chat.headers("admin")) as session:
        room = crowd.Room(session, chat.url, chat.tokens["admin"], chat.rooms["general"])
        await room.let_in(3)
        yield room


async def test_everybody_sees_everything_once(room: crowd.Room) -> None:
    await room.write(5, 50)
    delays, lost = await room.delays(0)
    assert (len(delays), lost, room.doubled()) == (15, 0, 0)
    assert all(delay > 0 for delay in delays)
    await room.write(2, 50)
    delays, lost = await room.delays(5)
    assert (len(delays), lost) == (6, 0), "only what came since is counted"
    await room.close()


async def test_what_is_told_again_is_counted(chat: StandIn, room: crowd.Room) -> None:
    await chat.set_modes(repeat_emissions=1)
    await room.write(4, 50)
    await room.delays(0)
    await eventually(lambda: room.doubled() == 12, lambda: f"{room.doubled()} were doubled")
    await room.close()


async def test_what_is_lost_is_counted_and_the_reason_comes_out(
    chat: StandIn, room: crowd.Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "_ARRIVAL_SECONDS", 0.5)
    await chat.drop_sockets()
    await room.write(2, 50)
    delays, lost = await room.delays(0)
    assert (len(delays), lost) == (0, 6)
    with pytest.raises(Problem, match="cut off"):
        await room.close()


async def test_a_message_that_is_refused_ends_the_measurement(
    chat: StandIn, room: crowd.Room
) -> None:
    await chat.set_modes(restricted_workspace=True)
    with pytest.raises(Problem, match="restricted-workspace"):
        await room.write(1, 50)
    await room.close()
