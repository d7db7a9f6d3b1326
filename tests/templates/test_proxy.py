"""nginx as role tls_proxy sets it up, run in front of the Rocket.Chat stand-in."""

from __future__ import annotations

import asyncio
import contextlib
import io
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.support.authority import Authority
from tests.support.rocketchat import StandIn, standin
from tests.templates.conftest import Render

TEMPLATE = "etc/nginx/nginx.conf.j2"
TRUSTED = "trusted.crt"
PATIENCE_SECONDS = 10.0


@dataclass
class Proxy:
    """A running nginx and what is behind it."""

    port: int
    chat: StandIn
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


def nginx() -> str:
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.fail("nginx is missing: python -m tools equip")
    return program


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def written(render: Render, folder: Path, upstream: str, port: int) -> Path:
    """Write the configuration, with a certificate and a process file of the test's own."""
    authority = Authority(folder)
    shutil.copy(authority.file, folder / TRUSTED)
    host = authority.issue("chat")
    text = render(
        "tls_proxy",
        TEMPLATE,
        tls_proxy_upstream=upstream,
        tls_proxy_listen_port=port,
        tls_proxy_certificate_file=str(host.certificate),
        tls_proxy_key_file=str(host.key),
        tls_proxy_body_mib_max=1,
    )
    file = folder / "nginx.conf"
    file.write_text(text.replace("/run/nginx.pid", str(folder / "nginx.pid")))
    return file


def judged(file: Path) -> subprocess.CompletedProcess[str]:
    command = [nginx(), "-t", "-q", "-c", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - above


def test_nginx_accepts_its_configuration(render: Render, tmp_path: Path) -> None:
    done = judged(written(render, tmp_path, "127.0.0.1:3000", 3100))
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip(), "nginx warns"


def test_old_protocols_are_left_out(render: Render, tmp_path: Path) -> None:
    text = written(render, tmp_path, "127.0.0.1:3000", 3100).read_text()
    assert "ssl_protocols TLSv1.2 TLSv1.3;" in text


def test_nginx_refuses_a_mistake(render: Render, tmp_path: Path) -> None:
    file = written(render, tmp_path, "127.0.0.1:3000", 3100)
    file.write_text(file.read_text().replace("proxy_pass", "proxy_pas"))
    assert judged(file).returncode != 0


@pytest.fixture
async def proxy(render: Render, tmp_path: Path) -> AsyncIterator[Proxy]:
    """nginx before a stand-in that trusts one proxy, as the deployed one does."""
    async with standin(forwarded_count=1) as chat:
        port = free_port()
        file = written(render, tmp_path, chat.url.removeprefix("http://"), port)
        context = ssl.create_default_context(cafile=tmp_path / TRUSTED)
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:
            with running(file):
                await answering(port)
                yield Proxy(port, chat, session)


@contextlib.contextmanager
def running(file: Path) -> Iterator[None]:
    """Run nginx in the foreground for as long as the context lasts."""
    command = [nginx(), "-c", str(file), "-g", "daemon off;"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - above
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


async def answering(port: int) -> None:
    """Wait until something listens."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


async def test_people_reach_the_server_over_tls(proxy: Proxy) -> None:
    async with proxy.session.get(f"{proxy.url}/api/info") as answer:
        assert answer.status == 200
        assert (await answer.json())["success"] is True
        assert "nginx/" not in answer.headers.get("Server", ""), "the version is nobody's business"


async def test_websockets_pass(proxy: Proxy) -> None:
    async with proxy.session.ws_connect(f"{proxy.url}/websocket") as websocket:
        await websocket.send_json({"msg": "connect", "version": "1", "support": ["1"]})
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await websocket.receive_json()).get("msg") != "connected":
                pass


async def test_a_client_cannot_pretend_to_come_from_elsewhere(proxy: Proxy) -> None:
    await proxy.chat.set_modes(rate_limit="everybody", rate_limit_calls=1, rate_limit_seconds=60)
    statuses = []
    for number in range(2):
        headers = {"X-Forwarded-For": f"198.51.100.{number}"}
        url = f"{proxy.url}/api/v1/settings.public"
        async with proxy.session.get(url, headers=headers) as answer:
            statuses.append(answer.status)
    assert statuses == [200, 429], "each made-up address had a limit of its own"


async def test_plain_http_is_sent_to_the_right_address(proxy: Proxy) -> None:
    url = f"http://127.0.0.1:{proxy.port}/channel/general"
    async with proxy.session.get(url, allow_redirects=False) as answer:
        assert answer.status == 301
        assert answer.headers["Location"] == f"{proxy.url}/channel/general"


async def test_what_is_too_large_is_refused_before_the_server_sees_it(proxy: Proxy) -> None:
    data = io.BytesIO(b"x" * (2 << 20))
    async with proxy.session.post(f"{proxy.url}/api/v1/login", data=data) as answer:
        assert answer.status == 413


async def test_an_absent_server_is_answered_for(proxy: Proxy) -> None:
    await proxy.chat.stop()
    async with proxy.session.get(f"{proxy.url}/api/info") as answer:
        assert answer.status == 502
    await proxy.chat.start()
