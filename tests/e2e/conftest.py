"""A stand-in in process and a browser to look at it; or a lab, for tests that are marked so."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

import pytest

from tests.e2e.browser import Tabs, chromium
from tests.e2e.chat_page import ChatPage
from tests.support.rocketchat import StandIn, standin


def rising() -> Callable[[], float]:
    """Return a clock that goes on by a millisecond at least whenever it is read."""
    last = 0.0

    def now() -> float:
        nonlocal last
        last = max(time.time(), last + 0.001)
        return last

    return now


@pytest.fixture
async def chat() -> AsyncIterator[StandIn]:
    """A workspace with its usual people and rooms, where no two messages have the same time."""
    async with standin(clock=rising()) as chat:
        yield chat


@pytest.fixture
async def tabs(chat: StandIn) -> AsyncIterator[Tabs]:
    """A browser; what it complains about fails the test."""
    async with chromium() as browser:
        tabs = Tabs(browser, chat.url)
        yield tabs
        await tabs.close()


@pytest.fixture
async def tab(chat: StandIn, tabs: Tabs) -> ChatPage:
    """A tab in which `user` is logged in, in English, with #general open."""
    tab = await tabs.open()
    await tab.log_in("user", chat.passwords["user"])
    return tab
