"""The gateway unit as systemd runs it: uvloop, TLS, sockets, credentials, the spool, Ollama."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import pathlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from heyken_glue import errors, settings
from heyken_glue.adapters.redis.client import RedisCopies
from heyken_glue.domain.copies import Copy
from heyken_glue.runtime import daemon, http
from heyken_glue.services import gateway
from tests.support import stores
from tests.support.authority import Authority

PATIENCE_SECONDS = 10.0
TOKEN = "token-of-the-operator"
ANSWER = [
    {"message": {"role": "assistant", "content": "War"}, "done": False},
    {"message": {"role": "assistant", "content": "saw"}, "done": False},
    {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
]


def free_port() -> int:
    """Return a port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Site:
    """A host's files and settings, with room for a model server."""

    directory: pathlib.Path
    authority: Authority
    port: int
    ollama_port: int
    redis_port: int | None = None
    resume: str = "continue"

    def write(self, monkeypatch: pytest.MonkeyPatch) -> settings.Settings:
        """Write everything the unit reads and return its settings."""
        identity = self.authority.issue("core1")
        credentials = self.directory / "credentials"
        for name in ("credentials", "run/gateway", "run/health", "spool"):
            (self.directory / name).mkdir(parents=True)
        (credentials / "tls_key").write_bytes(identity.key.read_bytes())
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        tokens = [{"name": "operator", "sha256": digest, "scopes": ["chat", "status"]}]
        (credentials / "api_tokens").write_text(json.dumps(tokens))
        (credentials / "redis_password").write_text(f"{stores.PASSWORD}\n")
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
        file = self.directory / "heyken.toml"
        file.write_text(self._toml(identity.certificate))
        return settings.load(file)

    def _toml(self, certificate: pathlib.Path) -> str:
        digest = "0" * 64
        redis = "" if self.redis_port is None else f"redis = {{ port = {self.redis_port} }}"
        return f"""
{redis}
deployment = {{ name = "test", environment = "lab" }}
host = {{ name = "core1", address = "127.0.0.1", core_id = 1 }}
peers = [{{ name = "core2", address = "127.0.0.2", core_id = 2 }}]
tls = {{ ca_file = "{self.authority.file}", certificate_file = "{certificate}" }}
gateway = {{ port = {self.port}, listen_addresses = ["127.0.0.1"], resume = "{self.resume}" }}
spool = {{ directory = "{self.directory}/spool" }}
[paths]
runtime_directory = "{self.directory}/run"
[ollama]
url = "http://127.0.0.1:{self.ollama_port}"
general_model = "toy"
models = [{{ name = "toy", digest = "{digest}" }}]
"""


@pytest.fixture
def site(tmp_path: pathlib.Path) -> Site:
    return Site(tmp_path, Authority(tmp_path), free_port(), free_port())


def run_unit(
    loaded: settings.Settings,
    visit: Callable[[], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    afterwards: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Run the unit on its own event loop, visit it when it is ready, and stop it."""

    async def main(life: daemon.Daemon) -> None:
        ready = asyncio.Event()
        monkeypatch.setattr(life, "ready", lambda _status="": ready.set())
        unit = asyncio.create_task(gateway.run(loaded, life))
        waiting = asyncio.create_task(ready.wait())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wait({unit, waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if not unit.done():
                await visit()
            life.stop()
            await unit
            if afterwards is not None:
                await afterwards()

    return daemon.run(main, loop_factory=gateway.loop_factory)


async def model_server(
    port: int, seen: list[dict[str, object]] | None = None, *, chat: Handler | None = None
) -> web.AppRunner:
    """Serve Ollama's chat as far as the gateway uses it; `seen` gets what was asked."""

    async def at_once(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        if seen is not None:
            seen.append(asked)
        assert asked["messages"] == [{"role": "user", "content": "the capital?"}]
        lines = "".join(json.dumps(line) + "\n" for line in ANSWER)
        return web.Response(text=lines, content_type="application/x-ndjson")

    app = web.Application()
    app.router.add_post("/api/chat", chat or at_once)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


def test_a_question_goes_to_ollama_and_its_life_to_the_spool(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = site.write(monkeypatch)
    seen: dict[str, object] = {}

    async def visit() -> None:
        runner = await model_server(site.ollama_port)
        tls = ssl.create_default_context(cafile=str(site.authority.file))
        url = f"https://127.0.0.1:{site.port}/api/v1/chat"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as client:
            asked = {"message": "the capital?"}
            async with client.post(url, json=asked, headers=headers) as response:
                seen["answer"] = await response.json()
        local = http.unix_session(site.directory / "run/gateway/http.sock", total_seconds=5)
        async with local:
            seen["load"] = await http.request_json(local, "GET", "/load")
        await runner.cleanup()

    assert run_unit(loaded, visit, monkeypatch) == 0
    answer = seen["answer"]
    assert isinstance(answer, dict)
    assert (answer["response"], answer["model"], answer["core"]) == ("Warsaw", "toy", 1)
    model = {"running": 0, "pieces": 2, "answered": 1, "failed": 0, "silent": 0}
    idle = {"answers": 0, "oldest_seconds": 0.0, "last_token_seconds": None, "prefill": False}
    assert seen["load"] == {**idle, "draining": False, "model": model}
    spooled = "".join(path.read_text() for path in (site.directory / "spool").glob("*.jsonl"))
    events = [json.loads(line) for line in spooled.splitlines()]
    states = [event["payload"]["state"] for event in events]
    assert states == ["accepted", "answering", "answered", "delivered"]
    assert {event["subject"] for event in events} == {answer["id"]}
    assert "capital" not in spooled
    assert "Warsaw" not in spooled


def test_another_unit_asks_under_a_key_and_the_answer_is_copied(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stores.redis_server(site.authority, site.directory) as server:
        site.redis_port = server.access.port
        loaded = site.write(monkeypatch)  # the other core's store is out of reach
        answers: list[dict[str, object]] = []
        copied: list[object] = []

        async def visit() -> None:
            runner = await model_server(site.ollama_port)
            path = site.directory / "run/gateway/http.sock"
            asked = {"message": "the capital?", "asker": "user", "language": "pl", "key": "reply-1"}
            async with http.unix_session(path, total_seconds=PATIENCE_SECONDS) as local:
                answers.extend(
                    [
                        await http.request_json(local, "POST", "/api/v1/chat", body=asked)
                        for _ in range(2)
                    ]
                )
            store = RedisCopies(dataclasses.replace(server.access, prefix="heyken:test"))
            copied.append(await store.read(str(answers[0]["id"])))
            await store.close()
            await runner.cleanup()

        assert run_unit(loaded, visit, monkeypatch) == 0
    assert [answer["response"] for answer in answers] == ["Warsaw", "Warsaw"]
    assert answers[0]["id"] == answers[1]["id"]
    (copy,) = copied
    assert isinstance(copy, Copy)
    assert (copy.question.asker, copy.question.language) == ("user", "pl")
    assert copy.question.model == f"toy@{'0' * 64}"
    assert copy.question.turns[-1].content == "the capital?"


@pytest.mark.parametrize(
    ("resume", "options"), [("continue", None), ("exact", {"temperature": 0, "seed": 1})]
)
def test_what_may_have_to_be_repeated_exactly_is_made_greedily(
    site: Site, monkeypatch: pytest.MonkeyPatch, resume: str, options: dict[str, int] | None
) -> None:
    site.resume = resume
    loaded = site.write(monkeypatch)
    asked: list[dict[str, object]] = []

    async def visit() -> None:
        runner = await model_server(site.ollama_port, asked)
        path = site.directory / "run/gateway/http.sock"
        async with http.unix_session(path, total_seconds=PATIENCE_SECONDS) as local:
            await http.request_json(local, "POST", "/api/v1/chat", body={"message": "the capital?"})
        await runner.cleanup()

    assert run_unit(loaded, visit, monkeypatch) == 0
    assert [request.get("options") for request in asked] == [options]


def test_a_model_server_that_is_away_is_a_503(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = site.write(monkeypatch)
    statuses: list[int] = []

    async def visit() -> None:
        tls = ssl.create_default_context(cafile=str(site.authority.file))
        url = f"https://127.0.0.1:{site.port}/api/v1/chat"
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/event-stream"}
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as client,
            client.post(url, json={"message": "hello"}, headers=headers) as response,
        ):
            statuses.append(response.status)

    assert run_unit(loaded, visit, monkeypatch) == 0
    assert statuses == [503]


def test_the_figures_are_on_the_hosts_own_socket(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = site.write(monkeypatch)
    texts: list[str] = []

    async def visit() -> None:
        local = http.unix_session(site.directory / "run/gateway/http.sock", total_seconds=5)
        async with local, local.get("/metrics") as response:
            texts.append(await response.text())

    assert run_unit(loaded, visit, monkeypatch) == 0
    for figure in (
        'heyken_gateway_backend_state{backend="local",state="closed"} 1.0',
        'heyken_gateway_backend_state{backend="core2",state="closed"} 1.0',
        "heyken_gateway_queue_length 0.0",
        "process_resident_memory_bytes",
    ):
        assert figure in texts[0]
    assert "_created" not in texts[0]


def test_a_running_answer_is_finished_when_the_unit_is_told_to_stop(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = site.write(monkeypatch)
    seen: list[bytes] = []
    going, begun = asyncio.Event(), asyncio.Event()
    stack = contextlib.AsyncExitStack()

    async def chat(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in ANSWER:
            await response.write(json.dumps(line).encode() + b"\n")
            await going.wait()
        return response

    async def read() -> None:
        tls = ssl.create_default_context(cafile=str(site.authority.file))
        url = f"https://127.0.0.1:{site.port}/api/v1/chat"
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/event-stream"}
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as client,
            client.post(url, json={"message": "the capital?"}, headers=headers) as response,
        ):
            async for line in response.content:
                seen.append(line)
                if b"War" in line:
                    begun.set()

    async def visit() -> None:
        runner = await model_server(site.ollama_port, chat=chat)
        stack.push_async_callback(runner.cleanup)
        reading = asyncio.create_task(read())
        stack.push_async_callback(asyncio.wait_for, reading, PATIENCE_SECONDS)
        await asyncio.wait_for(begun.wait(), PATIENCE_SECONDS)
        # by then the unit has been told to stop
        asyncio.get_running_loop().call_later(0.3, going.set)

    assert run_unit(loaded, visit, monkeypatch, afterwards=stack.aclose) == 0
    assert b"event: done\n" in seen


async def test_a_port_that_is_taken_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = site.write(monkeypatch)
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", site.port))
        squatter.listen()
        with pytest.raises(errors.TransientError, match=f"127.0.0.1:{site.port}"):
            await gateway.run(loaded, daemon.Daemon())


@pytest.mark.parametrize("broken", ["tls_key", "api_tokens", "redis_password"])
def test_an_empty_credential_is_exit_78(
    site: Site, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    loaded = site.write(monkeypatch)
    (site.directory / "credentials" / broken).write_text("")

    async def visit() -> None:
        pytest.fail("it started all the same")

    assert run_unit(loaded, visit, monkeypatch) == 78


async def test_a_host_without_a_gateway_section_is_told_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = site.write(monkeypatch).model_copy(update={"gateway": None})
    with pytest.raises(errors.ConfigError, match=r"\[gateway\]"):
        await gateway.run(loaded, daemon.Daemon())
