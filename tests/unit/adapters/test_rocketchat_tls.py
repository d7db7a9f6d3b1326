"""The caller's session decides whom to trust; whoever else answers gets no token."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from heyken_glue import errors
from heyken_glue.adapters.rocketchat.client import RocketChatClient
from heyken_glue.adapters.rocketchat.realtime import Connected, Login, Lost
from heyken_glue.runtime import http
from tests.support.authority import Authority
from tests.support.rocketchat_visits import TOKEN, Server, listening, opened


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def server(authority: Authority) -> AsyncIterator[Server]:
    identity = authority.issue("chat")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(identity.certificate, identity.key)
    async with opened(tls) as running:
        yield running


async def test_a_server_of_our_authority_is_listened_to(
    server: Server, authority: Authority
) -> None:
    assert server.url.startswith("https://")
    trust = ssl.create_default_context(cafile=authority.file)
    async with listening(server, trust=trust) as listener:
        assert await listener.next() == Connected(None)


async def test_any_other_server_is_not(server: Server, tmp_path: Path) -> None:
    trust = ssl.create_default_context(cafile=Authority(tmp_path, "another CA").file)
    async with listening(server, trust=trust) as listener:
        lost = await listener.next()
    assert isinstance(lost, Lost)
    assert "certificate" in lost.reason.lower()
    assert not server.visits
    async with http.session(tls=trust, total_seconds=5) as session:
        client = RocketChatClient(session, server.url, Login("bot", TOKEN))
        with pytest.raises(errors.PermanentError, match="no trust"):
            await client.me()
