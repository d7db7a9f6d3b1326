"""What a browser gets: the page, its files, avatars, and headers that keep scripts out."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import aiohttp
import pytest

from lab.standins.rocketchat import page
from tests.support.rocketchat import StandIn


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "index.html").write_text("<!doctype html><title>Page</title>")
    (tmp_path / "main.js").write_text("export {};")
    (tmp_path / "secret").write_text("no suffix, not served")
    monkeypatch.setattr(page, "FOLDER", tmp_path)
    return tmp_path


async def fetch(chat: StandIn, path: str) -> tuple[aiohttp.ClientResponse, str]:
    async with chat.session.get(f"{chat.url}{path}") as response:
        return response, await response.text()


@pytest.mark.parametrize(
    "path", ["/", "/home", "/channel/general", "/group/heyken-sandbox", "/direct/heyken_bot?x=1"]
)
async def test_the_page_is_served_wherever_it_can_be(chat: StandIn, path: str) -> None:
    response, text = await fetch(chat, path)
    assert (response.status, response.content_type) == (200, "text/html")
    assert "<title>Page</title>" in text
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert f"ws://127.0.0.1:{chat.running.port}" in policy
    assert "unsafe" not in policy


async def test_its_files_have_their_types(chat: StandIn) -> None:
    response, text = await fetch(chat, "/page/main.js")
    assert (response.status, text) == (200, "export {};")
    assert response.content_type in {"text/javascript", "application/javascript"}


@pytest.mark.parametrize(
    "path", ["/page/none.js", "/page/secret", "/page/..%2fpage.py", "/page/.x.js"]
)
async def test_nothing_else_is_served(chat: StandIn, path: str) -> None:
    response, _ = await fetch(chat, path)
    assert response.status == 404


async def test_a_strange_host_is_not_put_into_the_policy(chat: StandIn) -> None:
    headers = {"Host": "a.example; script-src *"}
    async with chat.session.get(f"{chat.url}/", headers=headers) as response:
        policy = response.headers["Content-Security-Policy"]
    assert "a.example" not in policy


@pytest.mark.parametrize("name", ["user", "zażółć", "<script>", "%00", "😀"])
async def test_everybody_has_a_picture(chat: StandIn, name: str) -> None:
    for path in (f"/avatar/{name}", f"/avatar/room/{name}"):
        response, text = await fetch(chat, path)
        assert (response.status, response.content_type) == (200, "image/svg+xml")
        root = ET.fromstring(text)  # noqa: S314 - our own answer
        assert root.tag.endswith("svg")
        assert "sandbox" in response.headers["Content-Security-Policy"]


async def test_without_its_files_it_says_so(chat: StandIn, folder: Path) -> None:
    (folder / "index.html").unlink()
    response, text = await fetch(chat, "/")
    assert response.status == 404
    assert "without its page" in text
