"""The gateway unit as systemd runs it: uvloop, TLS, sockets, credentials, the spool, Ollama."""

from __future__ import annotations

import asyncio
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

from heyken_glue import errors, settings
from heyken_glue.runtime import daemon, http
from heyken_glue.services import gateway
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
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
        file = self.directory / "heyken.toml"
        file.write_text(self._toml(identity.certificate))
        return settings.load(file)

    def _toml(self, certificate: pathlib.Path) -> str:
        digest = "0" * 64
        return f"""
deployment = {{ name = "test", environment = "lab" }}
host = {{ name = "core1", address = "127.0.0.1", core_id = 1 }}
peers = [{{ name = "core2", address = "192.0.2.12", core_id = 2 }}]
tls = {{ ca_file = "{self.authority.file}", certificate_file = "{certificate}" }}
gateway = {{ port = {self.port}, listen_addresses = ["127.0.0.1"] }}
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
    loaded: settings.Settings, visit: Callable[[], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
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

    return daemon.run(main, loop_factory=gateway.loop_factory)


async def model_server(port: int) -> web.AppRunner:
    """Serve Ollama's chat as far as the gateway uses it."""

    async def chat(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        assert asked["messages"] == [{"role": "user", "content": "the capital?"}]
        lines = "".join(json.dumps(line) + "\n" for line in ANSWER)
        return web.Response(text=lines, content_type="application/x-ndjson")

    app = web.Application()
    app.router.add_post("/api/chat", chat)
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
    model = {"running": 0, "pieces": 2, "answered": 1, "failed": 0}
    idle = {"answers": 0, "oldest_seconds": 0.0, "last_token_seconds": None, "model": model}
    assert seen["load"] == idle
    spooled = "".join(path.read_text() for path in (site.directory / "spool").glob("*.jsonl"))
    events = [json.loads(line) for line in spooled.splitlines()]
    states = [event["payload"]["state"] for event in events]
    assert states == ["accepted", "answering", "answered", "delivered"]
    assert {event["subject"] for event in events} == {answer["id"]}
    assert "capital" not in spooled
    assert "Warsaw" not in spooled


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


async def test_a_port_that_is_taken_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = site.write(monkeypatch)
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", site.port))
        squatter.listen()
        with pytest.raises(errors.TransientError, match=f"127.0.0.1:{site.port}"):
            await gateway.run(loaded, daemon.Daemon())


@pytest.mark.parametrize("broken", ["tls_key", "api_tokens"])
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
