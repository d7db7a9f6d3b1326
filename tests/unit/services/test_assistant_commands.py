"""What people tell the assistant itself, in both languages."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from heyken_glue import errors
from heyken_glue.domain.conversation import reply_id
from heyken_glue.services import assistant_commands
from tests.support.assistant import Scene, echo, eventually
from tests.support.rocketchat import BOT


async def say(stage: Scene, text: str, *, user: str = "user", finished: bool = True) -> str:
    """Say something to the assistant and return what it replies."""
    said = await stage.chat.post(user, "general", f"@{BOT} {text}")
    return await stage.finished(said) if finished else said["_id"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("help", "`status`: who answers"), ("pomoc", "`przełącz`"), ("", "Ask me anything")],
)
async def test_help_is_in_the_language_of_the_word(stage: Scene, text: str, expected: str) -> None:
    await stage.start()
    assert expected in await say(stage, text)
    assert stage.gateway.asked == []


async def test_the_status_tells_who_answers_and_how_each_core_is(stage: Scene) -> None:
    stage.pair.health[2] = "unhealthy"
    await stage.start()
    text = await say(stage, "stan")
    assert "*core1* odpowiada, od 1970-01-01 00:00:00 UTC: first start of the pair" in text
    assert "• core1: sprawny (core1 pl healthy)" in text
    assert "• core2: niesprawny (core2 pl unhealthy)" in text
    assert "tylko odpowiedzi" not in text
    stage.pair.only_answers = "nie ma większości"
    assert "Teraz są tylko odpowiedzi, nic innego: nie ma większości" in await say(stage, "stan")


async def test_a_silent_core_manager_is_told(stage: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    core = await stage.start()
    await say(stage, "help")

    async def silent(_language: str) -> None:
        stage.pair.silent = False
        raise errors.TransientError("silent")

    monkeypatch.setattr(core.outside.manager, "status", silent)
    assert "core-manager" in await say(stage, "status")


async def test_only_an_admin_switches(stage: Scene) -> None:
    await stage.start()
    assert "role admin" in await say(stage, "switch 2")
    assert stage.pair.wishes == []


async def test_switching_to_the_active_core_changes_nothing(stage: Scene) -> None:
    await stage.start()
    assert await say(stage, "switch 1", user="admin") == "core1 is the active core already."
    assert stage.pair.wishes == [(1, "rocketchat:admin")]


async def test_a_refused_switch_says_why_in_the_askers_language(stage: Scene) -> None:
    stage.pair.refusal = "za wcześnie"
    await stage.start()
    text = await say(stage, "przełącz na 2", user="admin")
    assert text == "Nie przełączono: za wcześnie (pl)."


async def test_without_a_number_it_is_the_other_core(stage: Scene) -> None:
    await stage.start()
    stage.pair.refusal = "no"
    await say(stage, "switch", user="admin")
    stage.pair.health[3] = "healthy"
    assert "no other core" in await say(stage, "switch", user="admin")
    assert stage.pair.wishes == [(2, "rocketchat:admin")]


async def test_a_wish_that_waited_too_long_is_not_carried_out(
    stage: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant_commands, "SWITCH_FRESH_SECONDS", -1.0)
    await stage.start()
    assert "too old" in await say(stage, "switch 2", user="admin")
    assert stage.pair.wishes == []


async def test_a_switch_that_another_core_began_is_told_and_not_done_again(stage: Scene) -> None:
    said = await stage.chat.post("admin", "general", f"@{BOT} switch")
    left = {"_id": reply_id(said["_id"]), "rid": said["rid"], "tmid": said["_id"]}
    message = {**left, "msg": "Switching to core1… ▍"}
    await stage.chat.api(BOT, "chat.sendMessage", message=message)
    await stage.start(1)
    assert await stage.finished(said) == "core1 is the active core now."
    assert stage.pair.wishes == []


async def test_a_chosen_language_is_kept_for_the_person(stage: Scene) -> None:
    await stage.start()
    assert await say(stage, "language pl") == "Od teraz piszę do ciebie po polsku."
    assert stage.languages.kept == {stage.chat.ids["user"]: "pl"}
    assert (await say(stage, "help")).startswith("Pytaj")
    assert (await say(stage, "help", user="admin")).startswith("Ask")
    await say(stage, "what is it?")
    assert stage.gateway.asked[-1]["language"] == "pl"
    assert "„język en”" in await say(stage, "język")


async def test_a_choice_is_known_to_the_other_core(stage: Scene) -> None:
    await stage.start(1)
    await stage.start(2)
    await say(stage, "help")
    await stage.move(2)
    await say(stage, "language pl")
    await stage.move(1)
    assert (await say(stage, "help")).startswith("Pytaj")


async def test_without_the_store_the_text_itself_says_the_language(stage: Scene) -> None:
    stage.languages.away = True
    await stage.start()
    assert (await say(stage, "pomoc")).startswith("Pytaj")
    assert "could not be kept" in await say(stage, "language en")


async def test_stop_in_a_room_ends_all_that_is_the_askers(stage: Scene) -> None:
    hold = asyncio.Event()
    stage.gateway.script = lambda body: ["half", hold, *echo(body)]
    await stage.start()
    mine = [await stage.chat.post("user", "general", f"@{BOT} q{n}") for n in range(6)]
    other = await stage.chat.post("admin", "general", f"@{BOT} other")
    for each in [*mine, other]:
        await eventually(lambda each=each: bool(stage.text(each)), "it is seen")  # type: ignore[misc]
    await eventually(lambda: stage.gateway.open == 4, "four are being answered")
    assert await say(stage, "stop") == "Stopped answers: 6."
    texts = [await stage.finished(each) for each in mine]
    assert {text.rpartition("Stopped.")[1:] for text in texts} == {("Stopped.", "")}
    hold.set()
    assert (await stage.finished(other)).endswith("other")
    assert await say(stage, "stop") == ("None of your questions is waiting or being answered here.")


async def test_a_question_that_begins_like_a_command_is_a_question(stage: Scene) -> None:
    await stage.start()
    assert await say(stage, "help me with my homework") == "You asked: help me with my homework"


async def test_files_are_not_read_and_that_is_said(stage: Scene) -> None:
    await stage.start()
    room = await stage.chat.direct("user", BOT)
    only = await upload(stage, room, "")
    assert "cannot read files" in await stage.finished(only)
    both = await upload(stage, room, "what is in it?")
    text = await stage.finished(both)
    assert text.startswith("You asked: what is in it?")
    assert text.endswith("(I cannot read files yet, so I did not look at: notes.txt.)")


async def upload(stage: Scene, room: str, text: str) -> dict[str, Any]:
    """Send a file as a person does."""
    url, headers = f"{stage.chat.url}/api/v1/rooms.media/{room}", stage.chat.headers("user")
    form = aiohttp.FormData()
    form.add_field("file", b"some notes", filename="notes.txt", content_type="text/plain")
    async with stage.chat.session.post(url, data=form, headers=headers) as answer:
        file = (await answer.json())["file"]["_id"]
    confirmed = await stage.chat.api("user", f"rooms.mediaConfirm/{room}/{file}", msg=text)
    return dict(confirmed["message"])
