"""Reading the gateway's stream, whole and broken."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from heyken_glue import errors
from heyken_glue.domain.conversation import reply_id
from heyken_glue.domain.turns import Role, Turn
from heyken_glue.runtime import http
from heyken_glue.services import assistant_gateway
from heyken_glue.services.assistant_gateway import GatewayModel
from heyken_glue.services.assistant_ports import AnswerFailedError
from tests.support.assistant import Scene, eventually
from tests.support.authority import Authority
from tests.support.doors import ScriptedModel, open_house
from tests.support.rocketchat import BOT

TURNS = (Turn(Role.USER, "zażółć \ud800"),)
ANNA = "a1" * 16
Serve = Callable[[web.Request], object]


class Door:
    """Writes what a test prepared, as one piece or several."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.bodies: list[object] = []
        self.headers: list[dict[str, str]] = []
        self.refusal: web.Response | None = None
        self.stays_open = False
        self.left = False

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        if self.refusal is not None:
            return self.refusal
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in self.pieces:
            await response.write(piece)
        if self.stays_open:
            await self._stay(request)
        return response

    async def _stay(self, request: web.Request) -> None:
        def gone() -> bool:
            return request.transport is None or request.transport.is_closing()

        await eventually(gone, "the reader leaves")
        self.left = True


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def model(door: Door, tmp_path: Path) -> AsyncIterator[GatewayModel]:
    routes = web.RouteTableDef()
    routes.post("/api/v1/chat")(door.chat)
    path = tmp_path / "http.sock"
    async with (
        http.unix_server(path, routes),
        http.unix_session(path, total_seconds=5) as session,
    ):
        yield GatewayModel(session)


async def answer(model: GatewayModel) -> str:
    stream = model.stream(TURNS, asker="rocketchat:anna", owner=ANNA, language="pl", key="k1")
    async with contextlib.aclosing(stream) as pieces:
        return "".join([piece async for piece in pieces])


def event(name: str, data: str) -> bytes:
    return f"id: a:1\nevent: {name}\ndata: {data}\n\n".encode()


START, DONE = event("start", '{"id":"a"}'), event("done", '{"tokens":2}')


async def test_a_whole_answer(model: GatewayModel, door: Door) -> None:
    tokens = event("token", '{"text":"War"}') + b": hb\n\n" + event("token", '{"text":"szawa ą"}')
    whole = START + tokens + DONE
    door.pieces = [whole[:30], whole[30:75], whole[75:]]
    assert await answer(model) == "Warszawa ą"
    assert door.bodies == [
        {
            "messages": [{"role": "user", "content": "zażółć ?"}],
            "asker": "rocketchat:anna",
            "owner": ANNA,
            "language": "pl",
        }
    ]
    assert door.headers[0]["Accept"] == "text/event-stream"
    assert door.headers[0]["Idempotency-Key"] == "k1"


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        ([START], "cut"),
        ([START, event("token", '{"text":"War"}')], "cut"),
        ([START, event("token", '{"text":')], "cut"),
        ([START, event("token", "[]")], "cut"),
        ([START, event("token", f'"{"x" * 300_000}"')], "cut"),
        (
            [START, event("error", '{"error":"ill","code":"model_unavailable"}')],
            "model_unavailable",
        ),
        ([START, event("error", "{}")], "error"),
    ],
)
async def test_a_broken_answer(
    model: GatewayModel, door: Door, pieces: list[bytes], code: str
) -> None:
    door.pieces = pieces
    with pytest.raises(AnswerFailedError) as failure:
        await answer(model)
    assert failure.value.code == code
    assert not failure.value.is_final


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (503, '{"error":"ill","code":"model_unavailable"}', ("model_unavailable", "ill", False)),
        (429, '{"error":"busy","code":"too_many_answers"}', ("too_many_answers", "busy", False)),
        (413, '{"error":"long","code":"message_too_large"}', ("too_large", "long", True)),
        (400, '{"error":"bad","code":"messages_invalid"}', ("messages_invalid", "bad", True)),
        (502, "<html>", ("http-502", "", False)),
    ],
)
async def test_a_refusal(
    model: GatewayModel, door: Door, status: int, body: str, expected: tuple[str, str, bool]
) -> None:
    door.refusal = web.Response(status=status, text=body, headers={"Retry-After": "2"})
    with pytest.raises(AnswerFailedError) as refused:
        await answer(model)
    error = refused.value
    assert (error.code, error.sentence, error.is_final) == expected
    assert error.retry_after == 2.0


@pytest.mark.parametrize("code", ["answer_too_long", "question_too_long"])
async def test_what_is_too_long_is_not_asked_for_again(
    model: GatewayModel, door: Door, code: str
) -> None:
    door.pieces = [START, event("error", json.dumps({"error": "too long", "code": code}))]
    with pytest.raises(AnswerFailedError) as failure:
        await answer(model)
    assert failure.value.is_final


async def test_silence_is_a_failure(
    model: GatewayModel, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant_gateway, "SILENCE_SECONDS", 0.05)
    door.pieces, door.stays_open = [START], True
    with pytest.raises(AnswerFailedError) as failure:
        await answer(model)
    assert failure.value.code == "silent"
    await eventually(lambda: door.left, "the connection is closed")


async def test_nobody_there_is_a_failure(tmp_path: Path) -> None:
    async with http.unix_session(tmp_path / "none.sock", total_seconds=1) as session:
        with pytest.raises(AnswerFailedError) as failure:
            await answer(GatewayModel(session))
    assert failure.value.code == "cut"


async def test_who_stops_reading_hangs_up(model: GatewayModel, door: Door) -> None:
    door.pieces, door.stays_open = [START, event("token", '{"text":"War"}')], True
    stream = model.stream(TURNS, asker="a", owner=ANNA, language="en", key="k1")
    assert await anext(stream) == "War"
    await stream.aclose()
    await eventually(lambda: door.left, "the connection is closed")


@contextlib.asynccontextmanager
async def real_gateway(tmp_path: Path, model: ScriptedModel) -> AsyncIterator[GatewayModel]:
    """Put the real gateway behind the socket."""
    path = tmp_path / "run" / "http.sock"
    async with (
        open_house(Authority(tmp_path), model) as house,
        http.unix_application(path, house.doors.local_app()),
        http.unix_session(path, total_seconds=5) as session,
    ):
        yield GatewayModel(session)


async def test_the_real_gateway_answers_as_is_expected_here(tmp_path: Path) -> None:
    scripted = ScriptedModel("War", "szawa", " ą")
    async with real_gateway(tmp_path, scripted) as model:
        turns = (Turn(Role.USER, "a"), Turn(Role.ASSISTANT, "b"), Turn(Role.USER, "c"))
        stream = model.stream(turns, asker="rocketchat:anna", owner=ANNA, language="pl", key="k1")
        assert "".join([piece async for piece in stream]) == "Warszawa ą"
    assert scripted.conversations == [turns]


async def test_the_real_gateway_refuses_in_the_askers_language(tmp_path: Path) -> None:
    broken = ScriptedModel(errors.TransientError("gone"))
    async with real_gateway(tmp_path, broken) as model:
        with pytest.raises(AnswerFailedError) as failure:
            await answer(model)
        assert (failure.value.code, failure.value.retry_after) == ("model_unavailable", 2.0)
        assert failure.value.sentence.startswith("Model na rdzeniu 1 nie może")
        huge = model.stream(
            (Turn(Role.USER, "x" * 70_000),), asker="a", owner=ANNA, language="pl", key="k1"
        )
        with pytest.raises(AnswerFailedError) as failure:
            await anext(huge)
        assert failure.value.code == assistant_gateway.TOO_LARGE
        assert failure.value.is_final


async def test_an_answer_that_broke_off_is_asked_for_again_and_one_that_failed_anew(
    stage: Scene,
) -> None:
    """Under the same key it goes on; under another it is made once more."""
    keys: list[str] = []
    failures = iter(["too_many_answers", "cut", "silent", "key_reused"])

    class Model:
        async def stream(
            self, turns: Sequence[Turn], *, asker: str, owner: str, language: str, key: str
        ) -> AsyncGenerator[str, None]:
            keys.append(key)
            assert turns, (asker, owner, language)
            code = next(failures, None)
            if code is not None:
                raise AnswerFailedError("it failed", code=code, is_final=code == "key_reused")
            yield "Warsaw"

        async def cancel(self, *, owner: str, key: str) -> None:
            raise AssertionError((owner, key))

    outside = stage._outside

    async def replaced(core_id: int) -> Any:
        return dataclasses.replace(await outside(core_id), model=Model())

    stage._outside = replaced  # type: ignore[method-assign]
    await stage.start()
    asked = await stage.chat.post("user", "general", f"@{BOT} capital?")
    assert await stage.finished(asked) == "Warsaw"
    assert len(keys) == 5
    assert len(set(keys[:4])) == 1
    assert keys[3] != keys[4]
    assert all(key.isascii() and key.startswith(reply_id(asked["_id"])) for key in keys)
    assert max(map(len, keys)) <= 128
