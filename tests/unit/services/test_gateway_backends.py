"""The gateway's back ends as the unit makes them: Ollama first, then the other core."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import time

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from heyken_glue import settings
from heyken_glue.credentials import Credentials
from heyken_glue.domain.turns import Role, Turn
from heyken_glue.gateway.activity import Activity
from heyken_glue.gateway.metrics import Metrics
from heyken_glue.gateway.ports import UnitReply
from heyken_glue.gateway.readiness import Readiness
from heyken_glue.runtime import http
from heyken_glue.services.gateway_backends import Workshop
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


async def test_whoever_has_a_turn_does_not_wait_for_a_connection(tmp_path: pathlib.Path) -> None:
    authority, everybody = Authority(tmp_path), 3 * http.CONNECTIONS_MAX
    there = asyncio.Barrier(everybody)

    async def chat(_request: web.Request) -> web.StreamResponse:
        await there.wait()  # returns when all of them are here at the same time
        return web.json_response({"message": {"role": "assistant", "content": "x"}, "done": True})

    app = web.Application()
    app.router.add_post("/api/chat", chat)
    health = ScriptedUnit()
    async with (
        contextlib.AsyncExitStack() as stack,
        open_house(authority, ScriptedModel()) as house,
    ):
        server = await stack.enter_async_context(TestServer(app))
        loaded = settings_of(tmp_path, authority, house)
        ollama = settings.section(loaded.ollama, "[ollama]")
        here = ollama.model_copy(update={"url": str(server.make_url("")).rstrip("/")})
        readiness = Readiness(health, clock=time.monotonic)
        activity = Activity(time.monotonic)
        workshop = Workshop(
            loaded.model_copy(update={"ollama": here}),
            Credentials(tmp_path),
            time.monotonic,
            Metrics(),
            readiness,
            activity,
            stack,
        )
        model = await workshop.own_model()

        async def ask() -> list[str]:
            return [piece async for piece in model.stream(TURNS)]

        async with asyncio.timeout(PATIENCE_SECONDS):
            answers = await asyncio.gather(*(ask() for _ in range(everybody)))
        await stack.aclose()
    assert answers == [["x"]] * everybody
