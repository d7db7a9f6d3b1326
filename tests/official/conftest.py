"""The stand-in in process, and the official clients as processes beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.official import clients
from tests.official.remote import PROGRAMS, Remote, remote
from tests.support.rocketchat import StandIn, standin

DDP_CLIENT = PROGRAMS / "ddp_client.mjs"


@pytest.fixture
async def chat() -> AsyncIterator[StandIn]:
    """A workspace with its usual people and rooms."""
    async with standin() as chat:
        yield chat


@pytest.fixture
async def python_client() -> AsyncIterator[Remote]:
    """PyPI's rocketchat-api, not connected yet."""
    program = PROGRAMS / "rocketchat_api.py"
    async with remote([clients.python(), "-I", program], PROGRAMS) as client:
        yield client


@pytest.fixture
async def ddp_client() -> AsyncIterator[Remote]:
    """npm's @rocket.chat/ddp-client, not connected yet."""
    async with remote([clients.node(), DDP_CLIENT], clients.node_project()) as client:
        yield client


@pytest.fixture
async def second_ddp_client() -> AsyncIterator[Remote]:
    """Another one, for somebody else."""
    async with remote([clients.node(), DDP_CLIENT], clients.node_project()) as client:
        yield client
