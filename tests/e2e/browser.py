"""Debian's Chromium, driven by Playwright: nothing is downloaded."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.e2e.chat_page import WAIT_MS, ChatPage

browser_fixture = partial(pytest_asyncio.fixture, loop_scope="session")
"""A fixture in the event loop that all tests share with the browser."""


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser for as long as the context lasts."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail(
            "there is no Chromium\n  why:  these tests look at the page as a person does\n"
            "  do:   sudo apt-get install chromium",
            pytrace=False,
        )
    expect.set_options(timeout=WAIT_MS)
    # A browser that runs as root cannot build its own sandbox.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=options)
        try:
            yield browser
        finally:
            await browser.close()


class Tabs:
    """Opens tabs of one browser, each a person of their own, and looks back at all of them."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser, self.url = browser, url
        self._opened: list[ChatPage] = []

    async def open(self, *, locale: str = "en-GB", **options: Any) -> ChatPage:
        """Open a tab that knows nothing yet."""
        context = await self.browser.new_context(
            locale=locale,
            viewport=options.pop("viewport", {"width": 1280, "height": 800}),
            **options,
        )
        tab = ChatPage(await context.new_page(), self.url)
        self._opened.append(tab)
        return tab

    async def close(self) -> None:
        """Close all tabs; nothing may have gone wrong behind any of them."""
        found = [problem for tab in self._opened for problem in tab.unexpected()]
        for tab in self._opened:
            await tab.page.context.close()
        assert not found, "\n".join(found)
