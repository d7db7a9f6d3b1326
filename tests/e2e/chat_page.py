"""The page as a person uses it, and what must never happen behind it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.async_api import ConsoleMessage, Locator, Page, Request, WebSocket, expect

WAIT_MS = 15_000


class ChatPage:
    """One tab. Whatever the browser complains about or fetches elsewhere is kept in `problems`."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.problems: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("request", self._request)
        page.on("websocket", self._socket)

    def expect_problem(self, pattern: str) -> None:
        """Let the browser complain about something that the test itself brings about."""
        self._expected.append(re.compile(pattern))

    def unexpected(self) -> list[str]:
        """Return the complaints that no test asked for."""
        return [
            problem
            for problem in self.problems
            if not any(pattern.search(problem) for pattern in self._expected)
        ]

    async def log_in(self, name: str, password: str, path: str = "/") -> None:
        """Open the page and log in; returns once a room is shown."""
        await self.page.goto(self.url + path)
        await self.submit_login(name, password)
        await expect(self.page.locator("#room-name")).not_to_be_empty()
        await expect(self.page.locator("#room .note")).not_to_have_text(re.compile("…"))

    async def submit_login(self, name: str, password: str) -> None:
        """Fill the form and send it."""
        await self.page.locator("#login-user").fill(name)
        await self.page.locator("#login-password").fill(password)
        await self.page.locator("#login-form button[type=submit]").click()

    async def open_room(self, name: str) -> None:
        """Open a room from the list."""
        await self.page.locator("#rooms a", has_text=name).click()
        await expect(self.page.locator("#room-name")).to_contain_text(name)
        await expect(self.page.locator("#room .note")).not_to_have_text(re.compile("…"))

    async def open_direct(self, name: str) -> None:
        """Look for a person and open the direct messages with them; returns once they are shown."""
        await self.page.keyboard.press("Control+k")
        await self.page.locator("#switcher-input").fill(name)
        await self.page.locator("#switcher li", has_text=f"@{name}").click()
        # until then what is typed belongs to the room before
        await expect(self.page.locator("#room-name")).to_have_text(name)
        await expect(self.page.locator("#room .note")).not_to_have_text(re.compile("…"))

    def panel(self, *, thread: bool = False) -> Locator:
        """Return the room's part of the page, or the thread's."""
        return self.page.locator("#thread-panel" if thread else "#room-panel")

    def field(self, *, thread: bool = False) -> Locator:
        """Return where one writes."""
        return self.panel(thread=thread).locator("textarea")

    def message(self, text: str, *, thread: bool = False) -> Locator:
        """Return the messages that contain a text."""
        return self.panel(thread=thread).locator("li.message", has_text=text)

    def item(self, message_id: str, *, thread: bool = False) -> Locator:
        """Return a message by its id."""
        return self.panel(thread=thread).locator(f'li.message[data-id="{message_id}"]')

    async def say(self, text: str, *, thread: bool = False) -> None:
        """Write a message and send it with Enter."""
        await self.field(thread=thread).fill(text)
        await self.field(thread=thread).press("Enter")

    async def texts(self, *, thread: bool = False) -> list[str]:
        """Return the texts of all messages, from the top."""
        return await self.panel(thread=thread).locator("li.message .body").all_inner_texts()

    async def act(self, message: Locator, name: str | re.Pattern[str]) -> None:
        """Press one of the buttons that a message shows under the pointer."""
        await message.hover()
        await message.get_by_role("button", name=name, exact=True).click()

    async def room_id(self, name: str) -> str:
        """Return the id of a room in the list."""
        link = self.page.locator("#rooms a", has_text=name)
        return str(await link.get_attribute("data-room"))

    async def picture(self, path: Path) -> None:
        """Keep a picture of the page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=path, animations="disabled")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            where: dict[str, Any] = dict(message.location)
            self.problems.append(f"{message.type}: {message.text} ({where.get('url')})")

    def _request(self, request: Request) -> None:
        self._must_be_ours(request.url)

    def _socket(self, socket: WebSocket) -> None:
        self._must_be_ours(re.sub("^ws", "http", socket.url))

    def _must_be_ours(self, address: str) -> None:
        own = (f"{self.url}/", "blob:", "data:")
        if not address.startswith(own):
            self.problems.append(f"request to elsewhere: {address}")
