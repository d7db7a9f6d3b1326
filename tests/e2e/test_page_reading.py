"""Reading the stand-in's page: languages, markup, scrolling, small screens, names of controls."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.e2e.browser import Tabs
from tests.e2e.chat_page import ChatPage
from tests.support.rocketchat import StandIn

GENERAL = "GENERAL"
PHONE = {"width": 390, "height": 780}
# Where a message stands in its box; moved there first, and measured before anything else happens.
TOP = "item.getBoundingClientRect().top - item.closest('.scroller').getBoundingClientRect().top"
IN_VIEW = f"item => {TOP}"
SCROLLED_TO = f"item => {{ item.scrollIntoView({{ block: 'start' }}); return {TOP}; }}"


@pytest.mark.parametrize(
    ("locale", "banner", "button"),
    [
        ("pl-PL", "To nie jest Rocket.Chat", "Zaloguj"),
        ("en-US", "This is not Rocket.Chat", "Log in"),
        ("de-DE", "This is not Rocket.Chat", "Log in"),
    ],
)
async def test_the_page_speaks_the_browsers_language_and_says_what_it_is(
    tabs: Tabs, locale: str, banner: str, button: str
) -> None:
    tab = await tabs.open(locale=locale)
    await tab.page.goto(tab.url)
    await expect(tab.page.locator(".banner")).to_contain_text(banner)
    await expect(tab.page.get_by_role("button", name=button)).to_be_visible()


async def test_a_chosen_language_changes_everything_and_is_remembered(
    chat: StandIn, tab: ChatPage
) -> None:
    sent = await chat.post("admin", "general", "Dzień dobry")
    for _ in range(5):
        await chat.post("user", "general", "dobry", thread_id=sent["_id"])
    replies = tab.item(sent["_id"]).locator(".thread-line strong")
    await expect(replies).to_have_text("5 replies")
    await tab.page.locator(".sidebar select").select_option("pl")
    await expect(replies).to_have_text("5 odpowiedzi")
    await expect(tab.field()).to_have_attribute("placeholder", "Napisz do #general")
    await expect(tab.panel().locator(".day").first).to_have_text("dzisiaj")
    await expect(tab.message("dołącza do pokoju")).to_have_count(3)
    await tab.page.reload()
    await expect(tab.field()).to_have_attribute("placeholder", "Napisz do #general")
    assert await tab.page.locator("html").get_attribute("lang") == "pl"


async def test_both_languages_have_the_same_texts(tabs: Tabs) -> None:
    tab = await tabs.open()
    await tab.page.goto(tab.url)
    en, pl = await tab.page.evaluate(
        "async () => (await Promise.all(['en', 'pl'].map(l => import(`/page/texts_${l}.js`))))"
        ".map(({texts}) => texts)"
    )
    assert len(en) > 100
    assert en.keys() == pl.keys()
    plurals = [key for key, text in en.items() if isinstance(text, dict)]
    assert plurals == [key for key, text in pl.items() if isinstance(text, dict)]
    for key, text in en.items():
        assert fields(text) == fields(pl[key]), key
    for key in plurals:
        assert set(pl[key]) == {"one", "few", "many", "other"}, key


def fields(text: str | dict[str, str]) -> set[str]:
    return set(re.findall(r"\{\w+\}", str(text if isinstance(text, str) else list(text.values()))))


HOSTILE = """\
<img src=x onerror="window.hurt = 1"> <script>window.hurt = 2</script>
[press me](javascript:window.hurt=3) [and me](data:text/html,x) <a href="elsewhere">x</a>
`<b>` **<i>bold</i>** > not a quote @nobody &lt;
```html
<img src=x onerror="window.hurt = 4">
```
> <iframe src="elsewhere"></iframe>"""


async def test_no_markup_of_a_message_reaches_the_page(chat: StandIn, tab: ChatPage) -> None:
    sent = await chat.post("admin", "general", HOSTILE)
    body = tab.item(sent["_id"]).locator(".body")
    await expect(body).to_contain_text('<img src=x onerror="window.hurt = 1">')
    await expect(body.locator("strong")).to_have_text("<i>bold</i>")
    for tag in ("img", "script", "iframe", "a", "i", "b", ".mention"):
        await expect(body.locator(tag)).to_have_count(0)
    await expect(body).to_contain_text("[press me](javascript:window.hurt=3)")
    await expect(body.locator("pre")).to_have_text('<img src=x onerror="window.hurt = 4">')
    assert await tab.page.evaluate("() => window.hurt") is None


MARKUP = [
    ("*bold* and **bold**", "strong", ["bold", "bold"]),
    ("_italic_ but snake_case_name", "em", ["italic"]),
    ("~gone~ and ~~gone~~", "del", ["gone", "gone"]),
    ("2*3*4 is `2*3*4`", "code", ["2*3*4"]),
    ("see https://example.com/a_b_c.", "a", ["https://example.com/a_b_c"]),
    ("- one\n- two\n  more", "ul li", ["one", "two\nmore"]),
    ("3. three\n4. four", "ol li", ["three", "four"]),
    ("> said\n> before", "blockquote p", ["said\nbefore"]),
    ("# Title\ntext", ".heading", ["Title"]),
    ("```\nunfinished **code**", "pre", ["unfinished **code**"]),
    ("@admin, @all and mail@admin.example.com", ".mention", ["@admin", "@all"]),
    ("go to #heyken-logs or #nowhere", "a.mention", ["#heyken-logs"]),
    (":tada: :no_such: 10:30:45", "p", ["🎉 :no_such: 10:30:45"]),
]


async def test_markdown_is_shown_as_people_and_models_write_it(
    chat: StandIn, tab: ChatPage
) -> None:
    for text, selector, expected in MARKUP:
        sent = await chat.post("user", "general", text)
        found = tab.item(sent["_id"]).locator(f".body {selector}")
        await expect(found).to_have_text(expected, use_inner_text=True)


async def test_reading_above_is_left_in_peace_while_answers_grow(
    chat: StandIn, tab: ChatPage
) -> None:
    for number in range(60):
        await chat.post("admin", "general", f"line {number}")
    growing = await chat.post("heyken_bot", "general", "short")
    await expect(tab.item(growing["_id"])).to_be_in_viewport()
    await grow(chat, growing["_id"], lines=40)
    await expect(tab.message("grown 39")).to_be_in_viewport(ratio=0.01)
    assert await at_end(tab), "who reads the end stays there"
    anchor = tab.panel().locator("li.message", has=tab.page.get_by_text("line 30", exact=True))
    before = await anchor.evaluate(SCROLLED_TO)
    button = tab.panel().locator(".latest")
    await expect(button).to_be_visible()  # the page has noticed that somebody reads above
    await grow(chat, growing["_id"], lines=80)
    first = (await chat.messages("general"))[0]
    await chat.api("admin", "chat.update", roomId=GENERAL, msgId=first["_id"], text="x\n" * 40)
    await chat.post("admin", "general", "one more")
    await expect(button).to_have_text("1 new message")
    await expect(tab.item(first["_id"]).locator(".body br").nth(38)).to_be_attached()
    assert abs(await anchor.evaluate(IN_VIEW) - before) < 2, "the text jumped under the reader"
    await button.click()
    await expect(tab.message("one more")).to_be_in_viewport()
    await expect(button).to_be_hidden()


async def grow(chat: StandIn, message_id: str, *, lines: int) -> None:
    text = "\n".join(f"grown {number}" for number in range(lines))
    await chat.api("heyken_bot", "chat.update", roomId=GENERAL, msgId=message_id, text=text)


async def at_end(tab: ChatPage) -> bool:
    distance = (
        await tab.panel()
        .locator(".scroller")
        .evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight")
    )
    return bool(distance < 60)


async def test_older_messages_come_when_scrolling_up_and_do_not_jump(
    chat: StandIn, tab: ChatPage
) -> None:
    for number in range(130):
        await chat.post("admin", "heyken-system", f"line {number}")
    await tab.open_room("heyken-system")
    lines = tab.message("line ")
    await expect(lines).to_have_count(50)
    name = await lines.first.locator(".body").inner_text()
    anchor = tab.panel().locator("li.message", has=tab.page.get_by_text(name, exact=True))
    before = await anchor.evaluate(SCROLLED_TO)
    await expect(lines).to_have_count(100)
    assert abs(await anchor.evaluate(IN_VIEW) - before) < 40, "the text jumped under the reader"
    await lines.first.scroll_into_view_if_needed()
    await expect(lines).to_have_count(130)
    await expect(tab.panel().locator(".note")).to_have_text("This is where it begins.")
    assert await tab.texts() == [f"line {number}" for number in range(130)]


async def test_a_public_channel_is_read_from_its_address_and_joined(
    chat: StandIn, tabs: Tabs
) -> None:
    made = await chat.api("admin", "channels.create", name="lounge")
    await chat.post("admin", made["channel"]["_id"], "Come in")
    tab = await tabs.open()
    await tab.log_in("user", chat.passwords["user"], "/channel/lounge")
    await expect(tab.message("Come in")).to_have_count(1)
    await expect(tab.field()).to_be_hidden()
    await tab.panel().get_by_role("button", name="Join the channel").click()
    await expect(tab.field()).to_be_visible()
    await expect(tab.page.locator("#rooms a", has_text="lounge")).to_have_attribute(
        "aria-current", "page"
    )
    await tab.say("Here I am")
    await expect(tab.message("Here I am")).not_to_have_class(re.compile("waiting"))


async def test_an_address_of_no_room_is_said(chat: StandIn, tabs: Tabs) -> None:
    tab = await tabs.open()
    await tab.log_in("user", chat.passwords["user"], "/group/secret")
    await expect(tab.page.locator("#notices .notice")).to_contain_text("There is no room")
    await expect(tab.page.locator("#room-name")).to_have_text("#general")


async def test_a_small_screen_shows_one_thing_at_a_time(chat: StandIn, tabs: Tabs) -> None:
    tab = await tabs.open(viewport=PHONE)
    await tab.log_in("user", chat.passwords["user"])
    sent = await chat.post("admin", "general", "Small?")
    await chat.post("user", "general", "Yes", thread_id=sent["_id"])
    await expect(tab.page.locator("#sidebar")).to_be_hidden()
    await tab.page.get_by_role("button", name="Rooms").click()
    await tab.open_room("heyken-system")
    await expect(tab.page.locator("#sidebar")).to_be_hidden()
    await tab.page.get_by_role("button", name="Rooms").click()
    await tab.open_room("general")
    await tab.item(sent["_id"]).get_by_role("button", name="1 reply").click()
    await expect(tab.message("Yes", thread=True)).to_be_visible()
    await expect(tab.page.locator("#room")).to_be_hidden()
    await tab.page.get_by_role("button", name="Close the thread").click()
    await expect(tab.item(sent["_id"])).to_be_visible()
    width = await tab.page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= PHONE["width"], "the page is wider than the screen"


async def test_every_control_has_a_name(chat: StandIn, tab: ChatPage) -> None:
    sent = await chat.post("user", "general", "named")
    await chat.post("user", "general", "too", thread_id=sent["_id"])
    await tab.item(sent["_id"]).get_by_role("button", name="1 reply").click()
    await expect(tab.message("too", thread=True)).to_be_visible()
    await tab.page.locator("#find").click()
    nameless = await tab.page.evaluate(
        """() => [...document.querySelectorAll("button, input, textarea, select, [role=region]")]
            .filter((one) => one.checkVisibility())
            .filter((one) => !(one.getAttribute("aria-label") || one.labels?.length
                || one.textContent.trim() || one.getAttribute("aria-labelledby")))
            .map((one) => one.outerHTML)"""
    )
    assert nameless == []


async def test_a_grown_answer_is_announced_once_and_whole(chat: StandIn, tab: ChatPage) -> None:
    await tab.page.clock.install()
    sent = await chat.post("heyken_bot", "general", "It")
    for text in ("It is", "It is Warsaw."):
        await chat.api("heyken_bot", "chat.update", roomId=GENERAL, msgId=sent["_id"], text=text)
    await expect(tab.message("It is Warsaw.")).to_be_visible()
    announcer = tab.page.locator("#announcer")
    assert await announcer.inner_text() == ""
    await tab.page.clock.fast_forward(5_000)
    await expect(announcer).to_have_text("Heyken_Bot: It is Warsaw.")
