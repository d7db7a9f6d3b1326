"""Talking with the assistant in the browser: ask, watch the answer grow, see its end."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from playwright.async_api import Locator, expect

from heyken_glue.domain.conversation import CURSOR, reply_id
from tests.e2e.chat_page import ChatPage

FIRST_WORDS_MS = 60_000
WHOLE_ANSWER_MS = 300_000
THREAD = re.compile("^(Reply in a thread|Odpowiedz w wątku)$")
UNFINISHED = re.compile(rf"{CURSOR}\s*$")
# Remembers every text that an element of the thread shows, however short the time; "" if it goes.
WATCH = """id => {
    const panel = document.querySelector("#thread-panel");
    const seen = [];
    const look = () => {
        const body = panel.querySelector(`li[data-id="${id}"] .body`);
        const text = body ? body.innerText.trim() : "";
        if ((body || seen.length) && text !== seen.at(-1)) seen.push(text);
    };
    new MutationObserver(look).observe(panel, {childList: true, subtree: true});
    look();
    window.seenTexts = {...window.seenTexts, [id]: seen};
}"""


@dataclass(frozen=True)
class Answer:
    """The assistant's answer to one question, as it stands in the open thread."""

    tab: ChatPage
    question_id: str

    @property
    def item(self) -> Locator:
        """The message of the answer's first part."""
        return self.tab.item(reply_id(self.question_id), thread=True)

    @property
    def body(self) -> Locator:
        """Its text."""
        return self.item.locator(".body")

    async def begun(self) -> None:
        """Wait until the answer is there, finished or not."""
        await expect(self.item).to_have_count(1, timeout=FIRST_WORDS_MS)

    async def has_grown_to(self, characters: int) -> None:
        """Wait until that much of it stands there while it is being written."""
        text = re.compile(rf".{{{characters},}}{CURSOR}\s*$", re.DOTALL)
        await expect(self.body).to_have_text(text, timeout=WHOLE_ANSWER_MS, use_inner_text=True)

    async def finished(self) -> str:
        """Wait for the end of the answer and return it whole."""
        await self.begun()
        await expect(self.body).not_to_have_text(UNFINISHED, timeout=WHOLE_ANSWER_MS)
        text = (await self.body.inner_text()).strip()
        assert text, "the answer is empty"
        return text

    async def growth(self) -> list[str]:
        """Return all texts that the answer had so far, in their order."""
        seen = await self.tab.page.evaluate(
            "id => window.seenTexts[id]", reply_id(self.question_id)
        )
        return [str(text) for text in seen]


def letters(text: str) -> str:
    """Return what is left of a shown text when its markup comes and goes: **bold**, 1. 2. 3."""
    return "".join(sign for sign in text if sign.isalpha())


def assert_only_grew(texts: list[str]) -> None:
    """Fail if a text that somebody watched ever shrank, changed behind them, or went away."""
    notices = [text for text in texts if text.rstrip(f"{CURSOR} ").endswith("…")]
    words = [text for text in texts if text not in notices]
    assert texts[len(notices) :] == words, f"a notice came back over words: {texts}"
    for before, after in itertools.pairwise(map(letters, words)):
        assert after.startswith(before), f"{before!r} became {after!r}"


async def ask(tab: ChatPage, text: str, *, thread: bool = False) -> Answer:
    """Say something to the assistant and return where the answer comes; the thread is open."""
    await tab.say(text, thread=thread)
    question = tab.panel(thread=thread).locator("li.message.own").last
    await expect(question).to_contain_text(text.removeprefix("@"))
    await expect(question).not_to_have_class(re.compile("waiting"))
    question_id = str(await question.get_attribute("data-id"))
    if not thread:
        await tab.act(tab.item(question_id), THREAD)
        await expect(tab.item(question_id, thread=True)).to_have_count(1)
    await tab.page.evaluate(WATCH, reply_id(question_id))
    return Answer(tab, question_id)
