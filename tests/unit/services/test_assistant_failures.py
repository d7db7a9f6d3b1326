"""Whatever breaks: no question is forgotten, none is answered twice, and people are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from heyken_glue.domain.conversation import reply_id
from heyken_glue.runtime import http
from heyken_glue.services import assistant_lookout, assistant_pour, assistant_sheet
from heyken_glue.settings import Spool
from tests.support.assistant import Scene, Step, echo, eventually, problem
from tests.support.rocketchat import BOT


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make all back-offs short."""
    quick = http.RetryPolicy(base_seconds=0.01, cap_seconds=0.05)
    monkeypatch.setattr(assistant_pour, "_AGAIN", quick)
    monkeypatch.setattr(assistant_sheet, "_AGAIN", quick)
    monkeypatch.setattr(assistant_sheet, "_SLOWLY_SECONDS", 0.1)
    monkeypatch.setattr(assistant_lookout, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(assistant_lookout, "AFTER_FAILURE_SECONDS", 0.05)
    monkeypatch.setattr(assistant_lookout, "TICK_SECONDS", 0.02)


async def ask(stage: Scene, text: str = "tell me all", user: str = "user") -> dict[str, Any]:
    return await stage.chat.post(user, "general", f"@{BOT} {text}")


async def connection(stage: Scene, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask /connection until it says what is wanted."""
    path = stage.directory / "core1" / "assistant" / "http.sock"
    async with http.unix_session(path, total_seconds=5) as session, asyncio.timeout(10):
        while True:
            state = await http.request_json(session, "GET", "/connection")
            if wanted(state):
                return state
            await asyncio.sleep(0.01)


async def test_a_server_that_restarts_in_the_middle(stage: Scene) -> None:
    go_on = asyncio.Event()
    stage.gateway.script = lambda _body: ["half", go_on, " and the rest"]
    core = await stage.start()
    asked = await ask(stage)
    await eventually(lambda: stage.text(asked) == "half ▍", lambda: stage.text(asked))
    await stage.chat.stop()
    await eventually(lambda: not core.outside.feed.connected, "the feed notices")
    go_on.set()
    await eventually(lambda: stage.gateway.open == 0, "the model goes on meanwhile")
    await stage.chat.start()
    assert await stage.finished(asked) == "half and the rest"
    assert len(stage.gateway.asked) == 1


async def test_an_edit_that_is_stuck_holds_up_nobody_elses_turn(stage: Scene) -> None:
    core = await stage.start()
    edit, stuck = core.outside.chat.edit, asyncio.Event()

    async def sticky(room_id: str, message_id: str, text: str) -> None:
        await stuck.wait()
        await edit(room_id, message_id, text)

    core.outside.chat.edit = sticky  # type: ignore[method-assign]
    asked = [await ask(stage, f"question {number}") for number in range(12)]
    await eventually(lambda: len(stage.gateway.asked) == 12, "all are asked of the model")
    stuck.set()
    for each in asked:
        await stage.finished(each)


async def test_what_was_asked_behind_a_dropped_socket_is_found(stage: Scene) -> None:
    core = await stage.start()
    await stage.chat.set_modes(refuse_sockets=True)
    await stage.chat.drop_sockets()
    await eventually(lambda: not core.outside.feed.connected, "the feed notices")
    asked = await ask(stage)
    await stage.chat.set_modes(refuse_sockets=False)
    assert await stage.finished(asked) == "You asked: tell me all"


async def test_a_question_deleted_behind_a_dropped_socket_is_noticed(stage: Scene) -> None:
    stage.gateway.script = lambda _body: ["half", asyncio.Event()]
    core = await stage.start()
    asked = await ask(stage)
    await eventually(lambda: stage.text(asked) == "half ▍", lambda: stage.text(asked))
    await stage.chat.set_modes(refuse_sockets=True)
    await stage.chat.drop_sockets()
    await eventually(lambda: not core.outside.feed.connected, "the feed notices")
    room = stage.chat.rooms["general"]
    await stage.chat.api("user", "chat.delete", roomId=room, msgId=asked["_id"])
    await stage.chat.set_modes(refuse_sockets=False)
    await eventually(lambda: stage.text(asked) == "", lambda: stage.text(asked))


async def test_every_message_event_coming_three_times_is_one_question(stage: Scene) -> None:
    await stage.chat.set_modes(repeat_emissions=2)
    await stage.start()
    asked = await ask(stage)
    await stage.finished(asked)
    room = stage.chat.rooms["general"]
    await stage.chat.api("user", "chat.update", roomId=room, msgId=asked["_id"], text="edited")
    other = await ask(stage, "another one")
    await stage.finished(other)
    assert len(stage.gateway.asked) == 2


async def test_answers_that_get_lost_on_the_way_back_are_no_second_message(stage: Scene) -> None:
    await stage.start()
    await stage.chat.set_modes(lose_answers=3)
    asked = await ask_without_answer(stage)
    assert await stage.finished(asked) == "You asked: tell me all"
    assert len(await stage.chat.messages("general")) == 2


async def ask_without_answer(stage: Scene) -> dict[str, Any]:
    """Ask on a server that loses answers: the question's own answer is put in place directly."""
    asked = {"_id": "question-of-the-user", "rid": stage.chat.rooms["general"]}
    message = {**asked, "msg": f"@{BOT} tell me all"}
    for _ in range(4):
        try:
            await stage.chat.call("user", "POST", "chat.sendMessage", {"message": message})
        except Exception:  # noqa: BLE001, S112 - the answer was lost, which is what is wanted
            continue
        break
    return asked


async def test_a_server_that_fails_for_a_while(stage: Scene) -> None:
    await stage.start()
    asked = await ask(stage)
    await stage.chat.set_modes(fail_requests=12)
    assert await stage.finished(asked) == "You asked: tell me all"


async def test_too_many_requests_are_waited_out(stage: Scene) -> None:
    modes = {"rate_limit": "everybody", "rate_limit_calls": 2, "rate_limit_seconds": 0.5}
    stage.gateway.script = lambda body: [*echo(body), "end"]
    await stage.start()
    asked = await ask(stage)
    await stage.chat.set_modes(**modes)
    assert await stage.finished(asked) == "You asked: tell me all end"


async def test_a_workspace_that_may_not_write_is_named_once_and_waited_for(stage: Scene) -> None:
    hold = asyncio.Event()
    stage.gateway.script = lambda _body: ["half", hold, " whole"]
    await stage.start()
    asked = await ask(stage)
    await eventually(lambda: stage.text(asked) == "half ▍", lambda: stage.text(asked))
    with capture_logs() as lines:
        await stage.chat.set_modes(restricted_workspace=True)
        hold.set()
        state = await connection(stage, lambda state: not state["connected"])
        assert "restricted-workspace" in state["reason"]
        await stage.chat.set_modes(restricted_workspace=False)
        assert await stage.finished(asked) == "half whole"
    assert [line["event"] for line in lines].count("chat_obstacle") == 1
    assert await connection(stage, lambda state: state["connected"]) == {
        "connected": True,
        "reason": "",
    }


async def test_while_nothing_can_be_written_nothing_is_asked_of_the_model(stage: Scene) -> None:
    await stage.start()
    await connection(stage, lambda state: state["connected"])
    stage.pair.move(None)
    asked = await ask(stage)
    await stage.chat.set_modes(restricted_workspace=True)
    stage.pair.move(1)
    await connection(stage, lambda state: not state["connected"])
    assert stage.gateway.asked == []
    await stage.chat.set_modes(restricted_workspace=False)
    assert await stage.finished(asked) == "You asked: tell me all"


@pytest.mark.parametrize(
    "first",
    [
        [problem(503, "model_unavailable", "the model is ill")],
        [problem(429, "too_many_answers", "busy", **{"Retry-After": "0"})],
        ["half", None],
        [None],
    ],
    ids=["503", "429", "cut", "cut at once"],
)
async def test_a_gateway_that_fails_is_asked_again(stage: Scene, first: list[Step]) -> None:
    steps = [first]
    stage.gateway.script = lambda body: steps.pop() if steps else echo(body)
    await stage.start()
    asked = await ask(stage)
    assert await stage.finished(asked) == "You asked: tell me all"
    assert len(stage.gateway.asked) == 2


async def test_a_model_that_stays_away_is_told_in_the_askers_language(stage: Scene) -> None:
    stage.gateway.script = lambda _body: [problem(503, "model_unavailable", "model jest chory.")]
    await stage.start()
    asked = await ask(stage, "dlaczego nie działa?")
    assert await stage.finished(asked) == "Nie udało się odpowiedzieć: model jest chory."
    assert len(stage.gateway.asked) == assistant_pour.ATTEMPTS_MAX
    assert stage.gateway.asked[0]["language"] == "pl"


async def test_an_answer_that_breaks_off_for_good_keeps_what_there_was(stage: Scene) -> None:
    stage.gateway.script = lambda _body: ["half of it", None]
    await stage.start()
    asked = await ask(stage)
    text = "half of it\n\nI could not answer: the model of this core does not answer."
    assert await stage.finished(asked) == text


async def test_a_conversation_too_large_for_the_gateway_is_asked_without_its_history(
    stage: Scene,
) -> None:
    def script(body: Mapping[str, Any]) -> list[Step]:
        if len(body["messages"]) > 1:
            return [problem(413, "message_too_large", "too large")]
        return echo(body)

    stage.gateway.script = script
    await stage.start()
    first = await ask(stage, "one")
    await stage.finished(first)
    second = await stage.chat.post("user", "general", "two", thread_id=first["_id"])
    assert await stage.finished(second) == "You asked: two"
    third = await ask(stage, "three")
    stage.gateway.script = lambda _body: [problem(413, "message_too_large", "It is too long.")]
    await stage.finished(third)
    fourth = await ask(stage, "four")
    assert await stage.finished(fourth) == "I could not answer: It is too long."


async def test_a_reply_that_an_admin_removes_comes_back_once(stage: Scene) -> None:
    words = [asyncio.Event() for _ in range(3)]
    stage.gateway.script = lambda _body: ["one", words[0], " two", words[1], " three", words[2]]
    await stage.start()
    asked = await ask(stage)
    removal = {"roomId": asked["rid"], "msgId": reply_id(asked["_id"])}
    await eventually(lambda: stage.text(asked) == "one ▍", lambda: stage.text(asked))
    await stage.chat.api("admin", "chat.delete", **removal)
    words[0].set()
    await eventually(lambda: stage.text(asked) == "one two ▍", lambda: stage.text(asked))
    await stage.chat.api("admin", "chat.delete", **removal)
    words[1].set()
    await eventually(lambda: stage.gateway.open == 0, "it is given up")
    assert stage.text(asked) == ""
    other = await ask(stage, "another one")
    stage.gateway.script = echo
    words[2].set()
    await stage.finished(other)
    assert stage.text(asked) == ""


async def test_a_room_in_which_the_bot_may_not_write_costs_one_line(stage: Scene) -> None:
    await stage.chat.api("admin", "channels.setReadOnly", roomId="GENERAL", readOnly=True)
    with capture_logs() as lines:
        await stage.start()
        refused = await ask(stage, user="admin")
        room = await stage.chat.direct("user", BOT)
        asked = await stage.chat.post("user", room, "and here?")
        assert await stage.finished(asked) == "You asked: and here?"
    assert stage.text(refused) == ""
    closed = {line["event_id"]: line for line in lines if line["event"] == "question_closed"}
    line = closed[refused["_id"]]
    assert (line["outcome"], line["log_level"]) == ("dropped", "warning")
    assert "readonly" in line["reason"]


async def test_a_token_that_is_revoked_is_named_and_the_unit_goes_on(stage: Scene) -> None:
    core = await stage.start()
    accounts = stage.chat.workspace.accounts
    bot = accounts.get(stage.chat.ids[BOT])
    assert bot is not None
    accounts.revoke(bot)
    await stage.chat.drop_sockets()
    state = await connection(stage, lambda state: not state["connected"] and bool(state["reason"]))
    assert not core.task.done()
    assert stage.chat.tokens[BOT] not in json.dumps(state)


async def test_an_unsupported_version_is_named_and_things_are_tried(stage: Scene) -> None:
    await stage.chat.set_modes(version="7.4.0")
    await stage.start()
    asked = await ask(stage)
    await stage.finished(asked)
    state = await connection(stage, lambda state: "7.4" in state["reason"])
    assert state["connected"] is True


async def test_bad_input_is_told_so_and_the_next_message_works(stage: Scene) -> None:
    await stage.chat.api("admin", "settings/Message_MaxAllowedSize", value=200_000)
    await stage.start()
    room = await stage.chat.direct("user", BOT)
    binary = await stage.chat.post("user", room, "\x00\x01\x02\x03 x")
    assert "text only" in await stage.finished(binary)
    mentions = " ".join(f"@somebody{n}" for n in range(500))
    many = await stage.chat.post("user", "general", f"@{BOT} @admin who are they? {mentions}")
    assert (await stage.finished(many)).startswith("You asked: @admin who are they?")
    large = await stage.chat.post("user", room, "x" * 100_000)
    stage.gateway.script = lambda _body: [problem(413, "message_too_large", "It is too long.")]
    assert "It is too long." in await stage.finished(large)
    stage.gateway.script = echo
    fine = await stage.chat.post("user", room, "and now?")
    assert await stage.finished(fine) == "You asked: and now?"


async def test_an_empty_mention_is_helped(stage: Scene) -> None:
    await stage.start()
    asked = await stage.chat.post("user", "general", f"@{BOT}")
    assert "`status`" in await stage.finished(asked)
    assert stage.gateway.asked == []


async def test_another_bot_gets_no_answer(stage: Scene) -> None:
    await stage.start()
    allowed = [{"_id": "view-full-other-user-info", "roles": ["admin", "bot"]}]
    await stage.chat.api("admin", "permissions.update", permissions=allowed)
    await stage.chat.api("admin", "roles.addUserToRole", roleId="bot", username="user")
    ignored = await ask(stage)
    asked = await ask(stage, user="admin")
    await stage.finished(asked)
    assert stage.text(ignored) == ""


async def test_the_life_of_a_question_is_in_the_spool_without_its_words(stage: Scene) -> None:
    core = await stage.start()
    asked = await ask(stage, "where is my secret?")
    await stage.finished(asked)
    await core.stop()
    spool: Spool = stage.settings.spool
    text = "".join(path.read_text() for path in spool.directory.glob("assistant-*.jsonl"))
    events = [json.loads(line) for line in text.splitlines()]
    states = [e["payload"]["state"] for e in events if e["subject"] == asked["_id"]]
    assert states == ["accepted", "answering", "answered", "delivered"]
    assert events[0]["actor"] == "rocketchat:user"
    assert "secret" not in text
