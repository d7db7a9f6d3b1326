"""A channel gets a digest of what the units warned of, once per span and never a flood."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest

from heyken_glue import errors
from heyken_glue.adapters.rocketchat.client import RefusedError
from heyken_glue.domain.chat import Room, RoomKind
from heyken_glue.services import assistant_journal
from heyken_glue.services.assistant_digest import GRACE_SECONDS, KEPT_MAX, Digester
from tests.support.assistant import Scene, eventually

from .conftest import HeldClock

SPAN = 600.0


class Channel:
    """The chat server as far as a digest needs it."""

    def __init__(self) -> None:
        self.posted: dict[str, str] = {}
        self.error: Exception | None = None
        self.exists = True

    async def room_named(self, name: str) -> Room | None:
        assert name == "heyken-logs"
        return Room(id="r", kind=RoomKind.CHANNEL) if self.exists else None

    async def send(self, _room_id: str, text: str, *, message_id: str) -> None:
        if self.error is not None:
            raise self.error
        self.posted.setdefault(message_id, text)


class Journal:
    """Records by span; each read is remembered."""

    def __init__(self) -> None:
        self.read: list[tuple[float, float]] = []
        self.records: list[Mapping[str, object]] = [record("warning", "chat_lost")]
        self.error: Exception | None = None

    async def __call__(self, start: float, end: float) -> AsyncGenerator[Mapping[str, object]]:
        self.read.append((start, end))
        if self.error is not None:
            raise self.error
        for each in self.records:
            yield each


def record(level: str, event: str, unit: str = "heyken@gateway.service") -> dict[str, object]:
    message = json.dumps({"level": level, "event": event})
    return {"MESSAGE": message, "PRIORITY": "6", "_SYSTEMD_UNIT": unit}


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def journal() -> Journal:
    return Journal()


def digester(
    channel: Any, journal: Journal, clock: HeldClock, language: str = "en", *, host: str = "core1"
) -> Digester:
    return Digester(
        chat=channel,
        journal=journal,
        clock=clock,
        host=host,
        language=language,
        channel="heyken-logs",
        seconds=SPAN,
    )


async def test_a_span_is_summed_up_when_it_is_over(
    channel: Channel, journal: Journal, clock: HeldClock
) -> None:
    clock.time = 6000.0 + GRACE_SECONDS
    journal.records *= 3
    journal.records += [record("error", "look_failed"), record("info", "vip_taken")]
    await digester(channel, journal, clock).tick()
    assert journal.read == [(5400.0, 6000.0)]
    (text,) = channel.posted.values()
    assert text.split("\n") == [
        "*core1*, warnings from 01:30:00 to 01:40:00 UTC:",
        "• 1× gateway, error: `look_failed`",
        "• 3× gateway, warning: `chat_lost`",
    ]


async def test_a_restart_posts_nothing_twice(
    channel: Channel, journal: Journal, clock: HeldClock
) -> None:
    clock.time = 6010.0
    await digester(channel, journal, clock).tick()
    await digester(channel, journal, clock).tick()
    assert len(journal.read) == 2
    assert len(channel.posted) == 1


async def test_two_cores_have_two_digests(
    channel: Channel, journal: Journal, clock: HeldClock
) -> None:
    clock.time = 6010.0
    for host in ("core1", "core2"):
        await digester(channel, journal, clock, host=host).tick()
    assert len(channel.posted) == 2


async def test_nothing_to_tell_is_nothing(
    channel: Channel, journal: Journal, clock: HeldClock
) -> None:
    journal.records = [record("info", "vip_taken")]
    clock.time = 6010.0
    await digester(channel, journal, clock).tick()
    assert channel.posted == {}


async def test_while_the_server_is_away_digests_wait_within_bounds(
    channel: Channel, journal: Journal, clock: HeldClock
) -> None:
    told = digester(channel, journal, clock)
    channel.error = errors.TransientError("no answer")
    for _ in range(KEPT_MAX + 5):
        clock.time += SPAN
        with pytest.raises(errors.TransientError):
            await told.tick()
    channel.error = None
    await told.tick()
    assert len(channel.posted) == KEPT_MAX


async def test_after_a_long_sleep_only_the_newest_spans_are_told(
    channel: Channel, journal: Journal, clock: HeldClock
) -> None:
    told = digester(channel, journal, clock)
    clock.time += 100 * SPAN
    await told.tick()
    assert len(journal.read) == KEPT_MAX


@pytest.mark.parametrize("code", ["room-is-read-only", "error-not-allowed"])
async def test_a_channel_that_refuses_is_no_reason_to_stop(
    channel: Channel, journal: Journal, clock: HeldClock, code: str
) -> None:
    told = digester(channel, journal, clock)
    channel.error = RefusedError("POST was refused", code=code)
    clock.time += 2 * SPAN
    await told.tick()
    channel.error, channel.exists = None, False
    clock.time += SPAN
    await told.tick()
    channel.exists = True
    clock.time += SPAN
    await told.tick()
    assert len(channel.posted) == 1


async def test_a_journal_that_cannot_be_read_costs_that_span(
    channel: Channel, journal: Journal, clock: HeldClock
) -> None:
    told = digester(channel, journal, clock)
    journal.error = errors.TransientError("journalctl failed")
    clock.time += 2 * SPAN
    await told.tick()
    journal.error = None
    clock.time += SPAN
    await told.tick()
    assert len(channel.posted) == 1


async def test_a_flood_is_a_few_messages_the_reader_can_read(
    channel: Channel, journal: Journal, clock: HeldClock
) -> None:
    journal.records = [
        record("warning", f"{chr(0x4E00 + n % 3000)} happened {n}") for n in range(20_000)
    ]
    clock.time = 6010.0
    await digester(channel, journal, clock, "pl").tick()
    text = "\n".join(channel.posted.values())
    assert text.startswith("*core1*, ostrzeżenia od")
    assert "× gateway, ostrzeżenie: `" in text
    assert "…i jeszcze " in text
    assert len(channel.posted) <= 2


async def test_both_cores_tell_of_their_own_units(stage: Scene) -> None:
    assert stage.settings.rocketchat is not None
    changed = stage.settings.rocketchat.model_copy(update={"digest_seconds": 0.5})
    stage.settings = stage.settings.model_copy(update={"rocketchat": changed})
    stage.journal = [record("warning", "chat_lost")]
    await stage.start(1)
    await stage.start(2)
    messages, room = stage.chat.workspace.messages, stage.chat.rooms["heyken-logs"]

    def heads() -> set[str]:
        found = messages.updated_since(room, 0)
        return {str(each["msg"]).partition(",")[0] for each in found if "t" not in each}

    await eventually(lambda: heads() == {"*core1*", "*core2*"}, lambda: str(heads()))


def printing(tmp_path: Path, *lines: str, code: int = 0, errors_text: str = "") -> list[str]:
    """Return a call that prints these lines as journalctl would."""
    (tmp_path / "lines").write_text("".join(f"{line}\n" for line in lines))
    script = (
        "import sys; sys.stdout.write(open(sys.argv[1]).read());"
        " sys.stderr.write(sys.argv[2]); sys.exit(int(sys.argv[3]))"
    )
    return [sys.executable, "-c", script, str(tmp_path / "lines"), errors_text, str(code)]


async def read(call: list[str]) -> list[Mapping[str, object]]:
    return [each async for each in assistant_journal.records(call)]


async def test_the_journal_is_read_line_by_line(tmp_path: Path) -> None:
    lines = ('{"MESSAGE":"a"}', "nonsense", "[]", '{"MESSAGE":"b"}')
    assert await read(printing(tmp_path, *lines)) == [{"MESSAGE": "a"}, {"MESSAGE": "b"}]


async def test_a_line_without_end_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant_journal, "_LINE_MAX", 1000)
    long = json.dumps({"MESSAGE": "x" * 10_000})
    found = await read(printing(tmp_path, long, '{"MESSAGE":"b"}'))
    assert found[-1] == {"MESSAGE": "b"}
    assert len(found) == 1


async def test_a_journal_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(errors.TransientError, match="No journal files"):
        await read(printing(tmp_path, code=1, errors_text="No journal files were opened"))
    with pytest.raises(errors.TransientError, match="cannot run"):
        await read([str(tmp_path / "nothing")])


async def test_a_journal_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant_journal, "READ_SECONDS", 0.1)
    with pytest.raises(errors.TransientError, match="too long"):
        await read([sys.executable, "-c", "import time; time.sleep(60)"])


def test_the_call_names_units_and_span() -> None:
    call = assistant_journal.command(1.0, 601.5)
    assert call[0] == "journalctl"
    assert "--since=@1.000000" in call
    assert "--until=@601.500000" in call
    assert "--unit=heyken@*" in call
