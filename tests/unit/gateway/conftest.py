"""Fixtures of the gateway's tests."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.support.authority import Authority
from tests.support.doors import House, Plan, ScriptedModel, open_house
from tests.support.twins import PIECES, Twins, twins

OpenHouse = Callable[..., Awaitable[House]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Our CA."""
    directory: pathlib.Path = tmp_path_factory.mktemp("pki")
    return Authority(directory)


@pytest.fixture
async def house(authority: Authority) -> AsyncIterator[House]:
    """A gateway whose model answers at once."""
    async with open_house(authority, ScriptedModel()) as opened:
        yield opened


@pytest.fixture
async def open_with(authority: Authority) -> AsyncIterator[OpenHouse]:
    """Open a gateway with a model and a plan of the test's own."""
    async with contextlib.AsyncExitStack() as stack:

        async def enter(model: ScriptedModel, plan: Plan | None = None) -> House:
            return await stack.enter_async_context(open_house(authority, model, plan))

        yield enter


@pytest.fixture
async def pair(
    authority: Authority, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Twins]:
    """Two cores that continue."""
    # on a busy machine a gateway that lives would be taken for dead
    monkeypatch.setattr("heyken_glue.gateway.handover.ACCEPT_SECONDS", 10.0)
    async with twins(authority, tmp_path, PIECES) as opened:
        yield opened
