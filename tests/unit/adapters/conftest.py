"""Servers that say what a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from heyken_glue.adapters.rocketchat.client import Login, RocketChatClient
from heyken_glue.runtime import http
from tests.support import rocketchat_script, rocketchat_visits


@pytest.fixture
def script() -> rocketchat_script.Script:
    return rocketchat_script.Script()


@pytest.fixture
async def script_url(script: rocketchat_script.Script) -> AsyncIterator[str]:
    async with rocketchat_script.served(script) as url:
        yield url


@pytest.fixture
async def client(
    script: rocketchat_script.Script, script_url: str
) -> AsyncIterator[RocketChatClient]:
    async with http.session(total_seconds=60) as session:
        yield RocketChatClient(
            session,
            script_url,
            Login("bot", rocketchat_script.TOKEN),
            conduct=rocketchat_script.conduct(script),
        )


@pytest.fixture
async def server() -> AsyncIterator[rocketchat_visits.Server]:
    async with rocketchat_visits.opened() as opened:
        yield opened
