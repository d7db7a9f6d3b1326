"""What changed in a room and what hangs on a message, page by page."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from aiohttp import web

from heyken_glue.adapters.rocketchat import client as chat
from heyken_glue.adapters.rocketchat import history
from heyken_glue.adapters.rocketchat.client import RocketChatClient
from tests.support.rocketchat_script import (
    Answer,
    Script,
    ids,
    message,
)


async def test_changes_come_in_pages_and_the_oldest_first(
    client: RocketChatClient, script: Script
) -> None:
    first = [message(2), message(1), {"_id": "odd"}]
    edited = message(1, _updatedAt="2026-11-20T10:10:00.000Z", msg="edited")
    script.on(
        "chat.syncMessages",
        (200, {"result": {"updated": first, "cursor": {"next": "1795168802000"}}}),
        (200, {"result": {"updated": [edited, message(3)], "cursor": {"next": None}}}),
    )
    with structlog.testing.capture_logs() as lines:
        found = await client.changed_since("GENERAL", 1_795_168_700.0)
    assert [message.text for message in found] == ["edited", "text 2", "text 3"]
    asked = script.calls("chat.syncMessages")
    # one millisecond before the edge, where several may stand
    assert [call["next"] for call in asked] == ["1795168700000", "1795168801999"]
    assert asked[0] == {"roomId": "GENERAL", "next": "1795168700000", "type": "UPDATED"} | {
        "count": str(history.SYNC_PAGE)
    }
    assert [(line["kind"], line["count"]) for line in lines] == [("message", 1)]


async def test_changes_of_a_server_without_pages(client: RocketChatClient, script: Script) -> None:
    async def sync(_request: web.Request, query: dict[str, Any]) -> Answer:
        if "lastUpdate" not in query:
            return 400, {"success": False, "errorType": "error-param-required", "error": "x"}
        assert query == {"roomId": "GENERAL", "lastUpdate": "2026-11-20T09:58:20.000Z"}
        return 200, {"result": {"updated": [message(2), message(1)], "deleted": []}}

    script.on("chat.syncMessages", sync)
    assert ids(await client.changed_since("GENERAL", 1_795_168_700.0)) == ["m1", "m2"]


@pytest.mark.parametrize(
    "result",
    [
        {"updated": [message(1)], "cursor": {"next": "1"}},
        {"updated": [message(1)], "cursor": {"next": "9" * 5000}},
        {"updated": [message(1)], "cursor": {"next": 7}},
        {"updated": [message(1)], "cursor": "x"},
    ],
)
async def test_a_cursor_that_leads_nowhere_ends_the_pages(
    client: RocketChatClient, script: Script, result: dict[str, Any]
) -> None:
    script.on("chat.syncMessages", (200, {"result": result}))
    assert ids(await client.changed_since("GENERAL", 1_795_168_700.0)) == ["m1"]


@pytest.mark.parametrize("content", [{}, {"result": None}, {"result": {"updated": {"a": 1}}}])
async def test_changes_of_an_odd_shape_are_none(
    client: RocketChatClient, script: Script, content: dict[str, Any]
) -> None:
    script.on("chat.syncMessages", (200, content))
    assert await client.changed_since("GENERAL", 0.0) == ()


async def test_of_too_many_changes_the_latest_are_kept(
    client: RocketChatClient, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "MAX_CHANGES", 3)
    first = [message(number) for number in (2, 1)]
    edited = message(1, _updatedAt="2026-11-20T10:00:05.000Z")
    second = [edited, *(message(number) for number in (4, 3))]
    script.on(
        "chat.syncMessages",
        (200, {"result": {"updated": first, "cursor": {"next": "5"}}}),
        (200, {"result": {"updated": second}}),
    )
    with structlog.testing.capture_logs() as lines:
        assert ids(await client.changed_since("GENERAL", 0.0)) == ["m1", "m3", "m4"]
    assert [line["event"] for line in lines] == ["chat_changes_cut"]


async def test_a_thread_is_its_parent_and_its_replies(
    client: RocketChatClient, script: Script
) -> None:
    script.on("chat.getMessage", (200, {"message": message(0)}))
    newest = [message(number, tmid="m0") for number in range(130, 30, -1)]
    # a reply that came in between moves the pages
    rest_of_it = [message(number, tmid="m0") for number in range(31, 0, -1)]
    script.on(
        "chat.getThreadMessages",
        (200, {"messages": newest, "total": 130}),
        (200, {"messages": rest_of_it, "total": 131}),
    )
    assert ids(await client.thread("m0")) == [f"m{number}" for number in range(131)]
    assert [call["offset"] for call in script.calls("chat.getThreadMessages")] == ["0", "100"]


async def test_a_very_long_thread_is_cut_at_its_old_end(
    client: RocketChatClient, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "MAX_REPLIES", 2)
    script.on("chat.getMessage", (200, {"message": message(0)}))
    page = [message(9, tmid="m0"), message(8, tmid="m0")]
    script.on("chat.getThreadMessages", (200, {"messages": page, "total": 9}))
    assert ids(await client.thread("m0")) == ["m0", "m8", "m9"]
    assert len(script.calls("chat.getThreadMessages")) == 1


@pytest.mark.parametrize("content", [{}, {"messages": None, "total": 9}, {"messages": [None]}])
async def test_a_thread_of_an_odd_shape_has_no_replies(
    client: RocketChatClient, script: Script, content: dict[str, Any]
) -> None:
    script.on("chat.getMessage", (200, {"message": message(0)}))
    script.on("chat.getThreadMessages", (200, content))
    assert ids(await client.thread("m0")) == ["m0"]


async def test_a_server_with_smaller_pages_is_read_to_the_end(
    client: RocketChatClient, script: Script
) -> None:
    script.on("chat.getMessage", (200, {"message": message(0)}))
    script.on(
        "chat.getThreadMessages",
        (200, {"messages": [message(3, tmid="m0"), message(2, tmid="m0")], "total": 3}),
        (200, {"messages": [message(1, tmid="m0")], "total": 3}),
    )
    assert ids(await client.thread("m0")) == ["m0", "m1", "m2", "m3"]
    assert [call["offset"] for call in script.calls("chat.getThreadMessages")] == ["0", "2"]
