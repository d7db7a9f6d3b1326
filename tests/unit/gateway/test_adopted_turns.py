"""An answer that another core had taken on has a turn here, even where none is free."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from heyken_glue.gateway.queueing import FairQueue
from tests.support.doors import eventually, sse_events
from tests.support.twins import Twins
from tests.support.twins_clients import CHAT, begin, events_until, text_of


@contextlib.contextmanager
def _all_taken(queue: FairQueue) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for _ in range(queue.limits.at_once):
            stack.enter_context(queue.turn_kept("somebody"))
        yield


async def test_an_adopted_answer_is_never_refused_and_counts_as_running(pair: Twins) -> None:
    house = pair.cores[2].house
    queue = house.doors.admission.queue
    async with pair.client() as client:
        before = await begin(client, 10)
        await pair.cores[1].die(with_store=True)
        pair.move_vip(2)
        where = f"{CHAT}/{before[0].data['id']}/events"
        headers = {"Last-Event-ID": before[-1].id}
        with _all_taken(queue):
            taken = queue.running
            async with client.get(where, headers=headers) as response:
                stream = sse_events(response)
                more = await events_until(stream, 20)
                assert queue.running == taken + 1
                rest = [event async for event in stream if event.name != ":"]
            assert text_of(before + more + rest) == pair.cores[1].model.text
            await eventually(lambda: queue.running == taken)
