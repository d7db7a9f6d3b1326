"""The gateway's back ends as the unit makes them: Ollama first, then the other core."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from heyken_glue import errors, settings
from heyken_glue.credentials import Credentials
from heyken_glue.domain.turns import Role, Turn
from heyken_glue.gateway.activity import Activity
from heyken_glue.gateway.metrics import Metrics
from heyken_glue.gateway.ports import UnitReply
from heyken_glue.gateway.readiness import Readiness
from heyken_glue.runtime import http
from heyken_glue.services.gateway_backends import OllamaModel, Workshop
from tests.support.authority import Authority
from tests.support.doors import House, ScriptedModel, ScriptedUnit, open_house

PATIENCE_SECONDS = 10.0
TURNS = (Turn(Role.USER, "the capital?"),)


def settings_of(tmp_path: pathlib.Path, authority: Authority, house: House) -> settings.Settings:
    """Return the settings of a core whose Ollama is away and whose peer is `house`."""
    shown = authority.issue("core2")  # whom that house takes for its peer
    (tmp_path / "tls_key").write_bytes(shown.key.read_bytes())
    file = tmp_path / "heyken.toml"
    file.write_text(f"""
deployment = {{ name = "test", environment = "lab" }}
host = {{ name = "core2", address = "127.0.0.2", core_id = 2 }}
peers = [{{ name = "core1", address = "127.0.0.1", core_id = 1 }}]
tls = {{ ca_file = "{authority.file}", certificate_file = "{shown.certificate}" }}
gateway = {{ port = {house.port} }}
[ollama]
url = "http://127.0.0.1:1"
general_model = "toy"
models = [{{ name = "toy", digest = "{"0" * 64}" }}]
""")
    return settings.load(file)


@pytest.mark.parametrize("known_bad", [False, True], ids=["unknown", "known to be bad"])
async def test_without_its_ollama_the_other_core_is_asked_unless_it_is_known_to_be_bad(
    tmp_path: pathlib.Path, *, known_bad: bool
) -> None:
    authority = Authority(tmp_path)
    peer = {"core_id": 1, "capable": not known_bad, "age_seconds": 0.1}
    verdict = UnitReply(200, {"capable": True, "peer": peer})
    health = ScriptedUnit({("GET", "/verdict"): verdict})
    async with (
        contextlib.AsyncExitStack() as stack,
        open_house(authority, ScriptedModel("Warsaw")) as house,
    ):
        metrics, readiness = Metrics(), Readiness(health, clock=time.monotonic)
        loaded = settings_of(tmp_path, authority, house)
        workshop = Workshop(
            loaded,
            Credentials(tmp_path),
            time.monotonic,
            metrics,
            readiness,
            Activity(time.monotonic),
            stack,
        )
        back_ends = await workshop.back_ends(await workshop.own_model())
        pieces: list[str] = []
        with contextlib.suppress(Exception):
            pieces = [piece async for piece in back_ends.stream(TURNS)]
        await stack.aclose()
    assert back_ends.name == "toy"
    assert pieces == ([] if known_bad else ["Warsaw"])
    assert len(house.model.questions) == len(pieces)
    retries = metrics.registry.get_sample_value(
        "heyken_gateway_retries_total", {"backend": "core1"}
    )
    assert retries == (None if known_bad else 1)


@contextlib.asynccontextmanager
async def own_model(
    tmp_path: pathlib.Path, chat: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> AsyncIterator[OllamaModel]:
    """Return a core's own model, whose Ollama answers with `chat`."""
    authority, app = Authority(tmp_path), web.Application()
    app.router.add_post("/api/chat", chat)
    async with (
        contextlib.AsyncExitStack() as stack,
        open_house(authority, ScriptedModel()) as house,
    ):
        server = await stack.enter_async_context(TestServer(app))
        loaded = settings_of(tmp_path, authority, house)
        ollama = settings.section(loaded.ollama, "[ollama]")
        here = ollama.model_copy(update={"url": str(server.make_url("")).rstrip("/")})
        workshop = Workshop(
            loaded.model_copy(update={"ollama": here}),
            Credentials(tmp_path),
            time.monotonic,
            Metrics(),
            Readiness(ScriptedUnit(), clock=time.monotonic),
            Activity(time.monotonic),
            stack,
        )
        yield await workshop.own_model()
        await stack.aclose()


async def test_whoever_has_a_turn_does_not_wait_for_a_connection(tmp_path: pathlib.Path) -> None:
    everybody = 3 * http.CONNECTIONS_MAX
    there = asyncio.Barrier(everybody)

    async def chat(_request: web.Request) -> web.StreamResponse:
        await there.wait()  # returns when all of them are here at the same time
        return web.json_response({"message": {"role": "assistant", "content": "x"}, "done": True})

    async with own_model(tmp_path, chat) as model:

        async def ask() -> list[str]:
            return [piece async for piece in model.stream(TURNS)]

        async with asyncio.timeout(PATIENCE_SECONDS):
            answers = await asyncio.gather(*(ask() for _ in range(everybody)))
    assert answers == [["x"]] * everybody


class Small:
    """An Ollama whose context holds so many turns; `asked` is what came, `cut` whether it may."""

    def __init__(self, turns_max: int) -> None:
        self._turns_max = turns_max
        self.asked: list[list[str]] = []
        self.cut: list[bool] = []

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append([message["content"] for message in body["messages"]])
        self.cut.append(body["truncate"])
        if len(self.asked[-1]) > self._turns_max and not body["truncate"]:
            said = {"error": "the input length exceeds the context length"}
            return web.json_response(said, status=400)
        return web.json_response({"message": {"role": "assistant", "content": "x"}, "done": True})


TALK = tuple(Turn(Role.USER if i % 2 == 0 else Role.ASSISTANT, str(i)) for i in range(5))


async def test_what_is_oldest_goes_until_the_context_holds_the_rest(
    tmp_path: pathlib.Path,
) -> None:
    small = Small(turns_max=2)
    async with own_model(tmp_path, small.chat) as model:
        assert [piece async for piece in model.stream(TALK)] == ["x"]
    assert small.asked == [["0", "1", "2", "3", "4"], ["2", "3", "4"], ["4"]]
    assert small.cut == [False] * 3


async def test_a_question_that_is_too_long_by_itself_is_refused_once(
    tmp_path: pathlib.Path,
) -> None:
    small = Small(turns_max=0)
    async with own_model(tmp_path, small.chat) as model:
        with pytest.raises(errors.TooLongError):
            _ = [_ async for _ in model.stream(TALK[-1:])]
    assert len(small.asked) == 1


async def test_an_answer_that_goes_on_may_outgrow_the_context(tmp_path: pathlib.Path) -> None:
    small = Small(turns_max=0)
    async with own_model(tmp_path, small.chat) as model:
        assert [piece async for piece in model.stream(TALK[:2])] == ["x"]
    assert small.cut == [True]
