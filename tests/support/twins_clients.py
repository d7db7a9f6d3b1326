"""Clients of the twins: what they ask, read, and come back for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from tests.support.doors import SseEvent, sse_events

CHAT = "/api/v1/chat"
STREAM = {"Accept": "text/event-stream"}


async def events_until(stream: AsyncIterator[SseEvent], count: int) -> list[SseEvent]:
    """Return the first `count` numbered events."""
    events: list[SseEvent] = []
    while len(events) < count:
        event = await anext(stream)
        if event.id:
            events.append(event)
    return events


def text_of(events: list[SseEvent]) -> str:
    return "".join(event.data["text"] for event in events if event.name == "token")


async def begin(client: Any, count: int) -> list[SseEvent]:
    """Ask for a stream, take `count` events of it, and leave."""
    body = {"message": "count"}
    async with client.post(CHAT, json=body, headers=STREAM) as response:
        events = await events_until(sse_events(response), count)
        response.close()
    return events


async def resume(
    client: Any, events: list[SseEvent], *, ahead: int = 0, delivered: str = ""
) -> list[SseEvent]:
    """Come back for the rest; with the events that came before."""
    id_, number = events[-1].id.split(":")
    headers = {"Last-Event-ID": f"{id_}:{int(number) + ahead}"}
    if delivered:
        headers["Heyken-Delivered"] = delivered
    async with client.get(f"{CHAT}/{id_}/events", headers=headers) as response:
        assert response.status == 200, await response.text()
        return [event async for event in sse_events(response) if event.name != ":"]
