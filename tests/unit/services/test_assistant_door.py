"""The middleware's way to a room, through the unit's own door."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from heyken_glue.runtime import http
from heyken_glue.services import assistant_door
from tests.support.assistant import Scene


async def send(
    stage: Scene, body: object, language: str = "en", *, core: str = "core1"
) -> tuple[int, dict[str, Any]]:
    path = stage.directory / core / "assistant" / "http.sock"
    headers = {"Accept-Language": language}
    async with (
        http.unix_session(path, total_seconds=5) as session,
        session.post("/send", json=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def test_the_middleware_posts_through_it(stage: Scene) -> None:
    await stage.start()
    assert await send(stage, {"room_id": "GENERAL", "text": "hello"}) == (200, {"success": True})
    assert (await send(stage, {"room_id": "#general", "text": "word " * 2000}))[0] == 200
    texts = [message["msg"] for message in await stage.chat.messages("general")]
    assert texts[0] == "hello"
    assert len(texts) == 4
    assert max(map(len, texts)) <= 5000


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"room_id": "GENERAL"}, 400, "„text” musi być tekstem"),
        ({"room_id": "GENERAL", "text": " \x00 "}, 400, "„text” musi być tekstem"),
        ({"room_id": "GENERAL", "text": "x" * 100_001}, 400, "„text” musi być tekstem"),
        ({"text": "hello"}, 400, "„room_id” musi być"),
        ({"room_id": 7, "text": "hello"}, 400, "„room_id” musi być"),
        ({"room_id": "nowhere", "text": "hello"}, 404, "„nowhere”"),
        ({"room_id": "#nowhere", "text": "hello"}, 404, "„#nowhere”"),
        ([], 400, "JSON"),
    ],
)
async def test_what_cannot_be_posted_is_said(
    stage: Scene, body: object, status: int, said: str
) -> None:
    await stage.start()
    found, answer = await send(stage, body, "pl")
    assert (found, answer["success"]) == (status, False)
    assert said in answer["error"]


async def test_a_server_that_refuses_or_is_away_is_said(stage: Scene) -> None:
    await stage.start()
    await stage.chat.set_modes(restricted_workspace=True)
    status, answer = await send(stage, {"room_id": "GENERAL", "text": "hello"})
    assert (status, answer["error"]) == (502, "Rocket.Chat refused: restricted-workspace")
    await stage.chat.stop()
    status, answer = await send(stage, {"room_id": "GENERAL", "text": "hello"}, "pl")
    assert status == 503
    assert answer["error"].startswith("Rocket.Chat nie odpowiada")
    await stage.chat.start()


async def test_the_same_wish_is_fulfilled_once(stage: Scene) -> None:
    await stage.start(1)
    await stage.start(2)
    wish = {"room_id": "GENERAL", "text": "hello", "key": "order 7"}
    for core in ("core1", "core2", "core1"):
        assert await send(stage, wish, core=core) == (200, {"success": True})
    assert [message["msg"] for message in await stage.chat.messages("general")] == ["hello"]


async def test_without_key_and_lease_nothing_is_posted_and_the_reason_is_said(
    stage: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant_door, "LEASE_SECONDS", 0.05)
    await stage.start()
    stage.pair.only_answers = "two have to agree"
    status, answer = await send(stage, {"room_id": "GENERAL", "text": "hello"})
    assert (status, answer["success"]) == (503, False)
    assert answer["error"].endswith("posted twice: two have to agree")
    assert await stage.chat.messages("general") == []
    wish = {"room_id": "GENERAL", "text": "hello", "key": "order 7"}
    assert (await send(stage, wish))[0] == 200


async def test_a_wish_waits_for_a_lease_that_comes(stage: Scene) -> None:
    await stage.start()
    stage.pair.only_answers = "the lease of core2 has not run out yet"
    sending = asyncio.create_task(send(stage, {"room_id": "GENERAL", "text": "hello"}))
    await asyncio.sleep(0)
    stage.pair.only_answers = ""
    assert await sending == (200, {"success": True})


@pytest.mark.parametrize("key", [7, "x" * 129, "ż", "a\nb"])
async def test_a_key_that_is_none_is_refused(stage: Scene, key: object) -> None:
    await stage.start()
    status, answer = await send(stage, {"room_id": "GENERAL", "text": "hello", "key": key})
    assert (status, "“key”" in answer["error"]) == (400, True)
