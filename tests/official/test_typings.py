"""What the official typings have to say about requests, answers and live events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.official import typings, walk
from tests.official.remote import Remote
from tests.support.rocketchat import StandIn

GENERAL = "GENERAL"
ANSWERS_MIN = 44
# Where the typings promise more than the server keeps (facts of the product, section 5).
KNOWN = {
    "answer of POST /v1/chat.postMessage": "Types of property 'channel' are incompatible",
    "answer of GET /v1/chat.syncMessages": "Property 'cursor' is missing",
    "answer of GET /v1/settings.public": "Types of property 'settings' are incompatible",
    "answer of GET /v1/channels.members": "createdAt, roles, _updatedAt",
}


@pytest.mark.parametrize("version", ["8.8.1", "9.0.0"])
async def test_answers_fit(chat: StandIn, tmp_path: Path, version: str) -> None:
    await chat.set_modes(version=version)
    recorder = walk.Recorder(chat)
    await walk.everything(recorder)
    assert len(recorder.answers) >= ANSWERS_MIN
    problems = typings.check(recorder.answers, tmp_path)
    known = {name for name, part in KNOWN.items() for one in problems if _is(one, name, part)}
    rest = [one for one in problems if not any(_is(one, *known) for known in KNOWN.items())]
    assert not rest, "\n".join(rest)
    assert known == KNOWN.keys(), "an exception is not needed any more"


def _is(problem: str, name: str, part: str) -> bool:
    return problem.startswith(f"{name}:") and part in problem


async def test_live_events_fit(chat: StandIn, ddp_client: Remote, tmp_path: Path) -> None:
    await ddp_client.call("connect", url=chat.url, retries=0, pause=0)
    await ddp_client.call("login", user="user", password=chat.passwords["user"])
    uid = chat.ids["user"]
    for name, key in (
        ("room-messages", GENERAL),
        ("room-messages", "__my_messages__"),
        ("notify-room", f"{GENERAL}/deleteMessage"),
        ("notify-user", f"{uid}/rooms-changed"),
        ("notify-user", f"{uid}/subscriptions-changed"),
    ):
        await ddp_client.call("subscribe", name=name, key=key)
    sent = await chat.post("admin", "general", "@user see #heyken-system and https://example.com")
    await chat.post("admin", "general", "really", thread_id=sent["_id"])
    await chat.api("user", "chat.react", messageId=sent["_id"], emoji=":eyes:")
    await chat.api("admin", "chat.update", roomId=GENERAL, msgId=sent["_id"], text="@user look")
    await chat.api("admin", "channels.setTopic", roomId=GENERAL, topic="all and sundry")
    await chat.api("admin", "chat.delete", roomId=GENERAL, msgId=sent["_id"])
    await ddp_client.event(f"notify-room {GENERAL}/deleteMessage")
    samples = [_sample(one) for one in ddp_client.heard if " " in one["event"]]
    kinds = {sample.type for sample in samples}
    assert len(kinds) == 4, kinds
    problems = typings.check(samples, tmp_path)
    assert not problems, "\n".join(problems)


def _sample(said: dict[str, Any]) -> typings.Sample:
    stream, key = said["event"].split()
    arguments = said["args"]
    if stream == "room-messages":
        # The server adds the room's type for bots; the typings know the message alone.
        return typings.event(stream, "string", arguments[:1])
    return typings.event(stream, f"`${{string}}/{key.partition('/')[2]}`", arguments)


@pytest.mark.parametrize(
    ("what", "sample"),
    [
        ("a missing key", typings.answer("GET", "/v1/me", {"success": True})),
        ("a wrong type", typings.answer("POST", "/v1/im.create", {"room": 1, "success": True})),
        ("no such call", typings.answer("GET", "/v1/no.such", {"success": True})),
        ("a text for a date", typings.event("room-messages", "string", [{"ts": "today"}])),
        ("no such event", typings.event("notify-user", "'no-such'", [])),
    ],
)
def test_the_typings_do_judge(what: str, sample: typings.Sample, tmp_path: Path) -> None:
    problems = typings.check([sample], tmp_path)
    assert problems, what
    assert sample.name in problems[0]
