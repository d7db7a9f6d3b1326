"""The page speaks to the product as well: the official validators judge what it asks."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl, urlsplit

from playwright.async_api import Request as Asked
from playwright.async_api import expect

from tests.e2e.browser import Tabs
from tests.official import validators
from tests.official.validators import Request
from tests.support.rocketchat import StandIn

USED = {
    "/v1/channels.join",
    "/v1/channels.list",
    "/v1/channels.messages",
    "/v1/chat.delete",
    "/v1/chat.getThreadMessages",
    "/v1/chat.react",
    "/v1/chat.sendMessage",
    "/v1/chat.syncMessages",
    "/v1/chat.update",
    "/v1/im.create",
    "/v1/im.messages",
    "/v1/settings.public",
    "/v1/subscriptions.read",
    "/v1/users.list",
}


async def test_the_page_asks_what_the_product_accepts(chat: StandIn, tabs: Tabs) -> None:
    asked: list[Request] = []
    lounge = (await chat.api("admin", "channels.create", name="lounge"))["channel"]["_id"]
    await chat.post("admin", lounge, "Come in")
    tab = await tabs.open()
    tab.page.on("request", lambda request: asked.extend(_requests(request)))
    tab.expect_problem("WebSocket")
    await tab.log_in("user", chat.passwords["user"], "/channel/lounge")
    await tab.panel().get_by_role("button", name="Join the channel").click()
    await tab.say("asked")
    own = tab.message("asked")
    await expect(own).not_to_have_class(re.compile("waiting"))
    await tab.act(own, "Reply in a thread")
    await tab.say("replied", thread=True)
    await expect(tab.message("replied", thread=True)).not_to_have_class(re.compile("waiting"))
    await tab.page.keyboard.press("Escape")
    await tab.act(own, "React")
    await own.get_by_role("button", name="tada").click()
    await tab.field().press("ArrowUp")
    await tab.field().fill("asked again")
    await tab.field().press("Enter")
    await expect(tab.message("asked again")).to_have_count(1)
    await tab.act(tab.message("asked again"), "Delete")
    await tab.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(tab.message("asked again")).to_have_count(0)
    await chat.drop_sockets()
    await expect(tab.page.locator("#connection")).to_be_visible()
    await expect(tab.page.locator("#connection")).to_be_hidden()
    await tab.open_direct("admin")
    await chat.post("admin", "heyken-system", "@user look")
    async with tab.page.expect_response("**/subscriptions.read"):
        await tab.open_room("heyken-system")
    judged = [request for request in asked if request.judged]
    assert {request.pattern for request in judged} >= USED
    assert not validators.complaints(judged)


def _requests(asked: Asked) -> list[Request]:
    """Return what was asked of the REST interface, if anything was."""
    parts = urlsplit(asked.url)
    if not parts.path.startswith("/api/v1/"):
        return []
    pattern = parts.path.removeprefix("/api")
    if asked.method == "GET":
        return [Request("GET", pattern, dict(parse_qsl(parts.query)))]
    if (asked.headers.get("content-type") or "").startswith("application/json"):
        return [Request(asked.method, pattern, json.loads(asked.post_data or "{}"))]
    return []
