"""Any values in any call and any frame: answered, and never by a fault of ours."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.standins.rocketchat.realtime import ddp
from lab.standins.rocketchat.rest import api, fields
from tests.support.rocketchat import PATIENCE_SECONDS, StandIn, standin

ENDPOINTS = sorted(api.registry())
USUAL = sorted({name for names in fields.ALLOWED.values() for name in names})
WORDS = st.sampled_from(
    ["GENERAL", "general", "heyken-logs", "user", "@user", "#general", ":eyes:", "q" * 17, "p"]
    + ["2026-01-01T00:00:00.000Z", "1", "0", "true", "admin", "bot", "owner", "UPDATED", "archive"]
)
LEAVES = (
    WORDS
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)
MESSAGE = st.fixed_dictionaries(
    {"rid": WORDS, "msg": st.text(max_size=40) | JSON},
    optional=dict.fromkeys(("_id", "tmid", "ts", "t", "alias", "attachments"), JSON | WORDS),
)
SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "message": MESSAGE,
    "data": st.dictionaries(st.sampled_from(USUAL), JSON, max_size=4),
    "permissions": st.lists(st.fixed_dictionaries({"_id": WORDS, "roles": JSON}), max_size=2),
}


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, str, str, dict[str, Any]]:
    """Draw who calls, how, what, and with which values."""
    method, name, parts = draw(st.sampled_from(ENDPOINTS))
    path = "/".join([name, *(draw(WORDS).lstrip("#@") for _ in range(parts))])
    known = sorted(fields.ALLOWED.get(name, USUAL))
    values: dict[str, Any] = {}
    for key in draw(st.lists(st.sampled_from(known), max_size=5, unique=True)):
        values[key] = draw(SPECIAL.get(key, JSON | WORDS))
    if method == "GET":
        values = {key: str(value) for key, value in values.items()}
    return draw(st.sampled_from(["admin", "user", "heyken_bot"])), method, path, values


FRAMES = st.fixed_dictionaries(
    {"msg": st.sampled_from(["connect", "method", "sub", "unsub", "ping", "pong"]) | JSON},
    optional={
        "id": WORDS | JSON,
        "version": st.just("1") | JSON,
        "name": st.sampled_from(["stream-room-messages", "stream-notify-room"]) | JSON,
        "method": st.sampled_from(
            ["login", "sendMessage", "updateMessage", "joinRoom", "stream-notify-room", "logout"]
        )
        | JSON,
        "params": st.lists(WORDS | MESSAGE | JSON, max_size=3) | JSON,
    },
)

# How long things take on a busy machine says nothing about what comes out.
PATIENT = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PATIENT
@given(wanted=st.lists(calls(), min_size=5, max_size=25))
def test_no_call_makes_a_fault(wanted: list[tuple[str, str, str, dict[str, Any]]]) -> None:
    asyncio.run(_call_all(wanted))


async def _call_all(wanted: list[tuple[str, str, str, dict[str, Any]]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), standin() as chat:
        for username, method, path, values in wanted:
            status, body = await chat.call(username, method, path, values)
            assert status < 500, f"{method} {path} {values!r} gave {status}"
            assert body.get("success") is (status == 200) or body.get("status") == "success", body
        await _is_well(chat)


@PATIENT
@given(frames=st.lists(FRAMES, min_size=1, max_size=20))
def test_no_frame_makes_a_fault(frames: list[dict[str, Any]]) -> None:
    asyncio.run(_send_all(frames))


async def _send_all(frames: list[dict[str, Any]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), standin() as chat:
        async with chat.socket("user") as socket:
            for frame in frames:
                await socket.send(**frame)
            answers = await socket.flush()
            assert {"msg": "error", "reason": ddp.FAULT} not in answers, frames
        await _is_well(chat)


async def _is_well(chat: StandIn) -> None:
    async with chat.session.get(f"{chat.url}/readyz") as response:
        assert response.status == 200
