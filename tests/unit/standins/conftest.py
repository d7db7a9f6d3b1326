"""A stand-in for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.rocketchat import StandIn, standin


@pytest.fixture
async def chat() -> AsyncIterator[StandIn]:
    """A stand-in with everything as usual."""
    async with standin() as it:
        yield it
