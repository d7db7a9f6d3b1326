"""A stand-in in process and a browser to look at it; or a lab, for tests that are marked so."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.browser import Tabs, browser_fixture, chromium
from tests.e2e.chat_page import ChatPage
from tests.e2e.lab_chat import LabChat, Room
from tests.support.pair import Pair, healthy
from tests.support.rocketchat import StandIn, standin


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests of this folder in the browser's event loop.

    They share one browser, for to start it takes longer than most of them.
    """
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@browser_fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser; what a test leaves in it goes with the test's tabs."""
    async with chromium() as browser:
        yield browser


def rising() -> Callable[[], float]:
    """Return a clock that goes on by a millisecond at least whenever it is read."""
    last = 0.0

    def now() -> float:
        nonlocal last
        last = max(time.time(), last + 0.001)
        return last

    return now


@browser_fixture()
async def chat() -> AsyncIterator[StandIn]:
    """A workspace with its usual people and rooms, where no two messages have the same time."""
    async with standin(clock=rising()) as chat:
        yield chat


@browser_fixture()
async def tabs(browser: Browser, chat: StandIn) -> AsyncIterator[Tabs]:
    """Tabs of a browser; what it complains about fails the test."""
    tabs = Tabs(browser, chat.url)
    yield tabs
    await tabs.close()


@browser_fixture()
async def tab(chat: StandIn, tabs: Tabs) -> ChatPage:
    """A tab in which `user` is logged in, in English, with #general open."""
    tab = await tabs.open()
    await tab.log_in("user", chat.passwords["user"])
    return tab


@pytest.fixture
def lab_chat() -> LabChat:
    """The lab's chat server."""
    return LabChat()


@browser_fixture()
async def lab_tabs(browser: Browser, lab_chat: LabChat) -> AsyncIterator[Tabs]:
    """Tabs before the lab; what the browser complains about fails the test."""
    tabs = Tabs(browser, lab_chat.url)
    yield tabs
    await tabs.close()


@browser_fixture()
async def lab_tab(lab_chat: LabChat, lab_tabs: Tabs) -> ChatPage:
    """A tab in which `user` of the lab is logged in."""
    return await open_lab(lab_chat, lab_tabs)


async def open_lab(lab_chat: LabChat, tabs: Tabs, *, locale: str = "en-GB") -> ChatPage:
    """Open a tab and log `user` in."""
    # Python has checked the certificate; the browser has no way to learn one more authority.
    tab = await tabs.open(locale=locale, ignore_https_errors=True)
    await tab.log_in("user", lab_chat.passwords["user"])
    return tab


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Both cores healthy before the test, and healthy again after it."""
    pair = Pair()
    healthy(pair)
    yield pair
    for host in pair.hosts.values():
        host.start()
    healthy(pair)


@pytest.fixture
def lab_room(lab_chat: LabChat) -> Iterator[Room]:
    """A channel of the lab that lives as long as the test."""
    room = Room(lab_chat)
    yield room
    room.remove()
