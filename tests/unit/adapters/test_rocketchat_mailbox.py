"""The mailbox is bounded both ways, and what was taken out makes room."""

from __future__ import annotations

import asyncio

from heyken_glue.adapters.rocketchat.mailbox import Mailbox
from heyken_glue.adapters.rocketchat.signals import Deleted, Lost

GONE = Deleted("GENERAL", "m1")


def _offered(box: Mailbox, *sizes: int) -> list[bool]:
    return [box.offer(GONE, size=size) for size in sizes]


async def test_it_is_bounded_in_number() -> None:
    box = Mailbox(max_signals=2, max_bytes=100)
    assert _offered(box, 0, 0, 0) == [True, True, False]
    await box.get()
    assert _offered(box, 0, 0) == [True, False]


async def test_it_is_bounded_in_size() -> None:
    box = Mailbox(max_signals=9, max_bytes=100)
    assert _offered(box, 60, 41, 40, 1) == [True, False, True, False]
    await box.get()
    assert _offered(box, 61, 60) == [False, True]


async def test_a_full_box_takes_what_must_be_told_as_soon_as_there_is_room() -> None:
    box = Mailbox(max_signals=1, max_bytes=100)
    assert _offered(box, 100) == [True]
    putting = asyncio.create_task(box.put(Lost("slow")))
    emptied = asyncio.create_task(box.emptied())
    assert await box.get() == GONE
    assert await asyncio.wait_for(box.get(), 5) == Lost("slow")
    await asyncio.wait_for(asyncio.gather(putting, emptied), 5)
