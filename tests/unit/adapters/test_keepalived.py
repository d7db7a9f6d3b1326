"""A real FIFO, as keepalived treats it; and the file that it tracks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from heyken_glue.adapters.keepalived.fifo import FifoReader, Transition, parse
from heyken_glue.adapters.keepalived.track_file import TrackFile


class Keepalived:
    """Holds the FIFO open for reading and writing, as keepalived does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = -1

    def start(self) -> None:
        if not self.path.exists():
            os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)

    def say(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def killed(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def stop(self) -> None:
        self.path.unlink()
        self.killed()


@pytest.fixture
async def keepalived(tmp_path: Path) -> AsyncIterator[Keepalived]:
    daemon = Keepalived(tmp_path / "notify.fifo")
    yield daemon
    daemon.killed()


@pytest.fixture
async def reader(keepalived: Keepalived) -> AsyncIterator[AsyncIterator[Transition]]:
    transitions = FifoReader(keepalived.path, "heyken").transitions()
    async with aclosing(transitions):  # type: ignore[type-var]
        yield transitions


async def _next(reader: AsyncIterator[Transition]) -> Transition:
    return await asyncio.wait_for(anext(reader), 5)


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ('INSTANCE "heyken" MASTER 254\n', "MASTER"),
        ('INSTANCE "heyken" FAULT 253', "FAULT"),
        ('GROUP "heyken" MASTER 254', None),
        ('INSTANCE "heyken" MASTER_PRIORITY 254', None),
        ('INSTANCE "heyken" MASTER', None),
        ("", None),
    ],
)
def test_lines(line: str, state: str | None) -> None:
    transition = parse(line)
    assert (transition.state if transition else None) == state


async def test_lines_written_before_anybody_reads_are_not_lost(
    keepalived: Keepalived, reader: AsyncIterator[Transition]
) -> None:
    keepalived.start()
    keepalived.say('INSTANCE "heyken" BACKUP 254\nINSTANCE "heyken" MASTER 254\n')
    assert [(await _next(reader)).state, (await _next(reader)).state] == ["BACKUP", "MASTER"]


async def test_a_line_in_two_parts_and_other_instances(
    keepalived: Keepalived, reader: AsyncIterator[Transition]
) -> None:
    keepalived.start()
    keepalived.say('INSTANCE "other" FAULT 1\nnoise\nINSTANCE "hey')
    pending = asyncio.ensure_future(_next(reader))
    await asyncio.wait({pending}, timeout=0.05)
    assert not pending.done()
    keepalived.say('ken" MASTER 254\n')
    assert (await pending).state == "MASTER"


async def test_a_fifo_that_comes_late_is_found(
    keepalived: Keepalived, reader: AsyncIterator[Transition]
) -> None:
    pending = asyncio.ensure_future(_next(reader))
    await asyncio.wait({pending}, timeout=0.05)
    keepalived.start()
    keepalived.say('INSTANCE "heyken" BACKUP 254\n')
    assert (await pending).state == "BACKUP"


async def test_a_fifo_made_anew_after_a_stop_is_read(
    keepalived: Keepalived, reader: AsyncIterator[Transition]
) -> None:
    keepalived.start()
    keepalived.say('INSTANCE "heyken" MASTER 254\n')
    assert (await _next(reader)).state == "MASTER"
    keepalived.say('INSTANCE "heyken" STOP 254\n')
    keepalived.stop()
    stopped = await _next(reader)
    assert (stopped.state, stopped.lost) == ("STOP", False)
    keepalived.start()
    keepalived.say('INSTANCE "heyken" BACKUP 254\n')
    assert (await _next(reader)).state == "BACKUP"


async def test_a_killed_keepalived_counts_as_stopped(
    keepalived: Keepalived, reader: AsyncIterator[Transition]
) -> None:
    keepalived.start()
    keepalived.say('INSTANCE "heyken" MASTER 254\n')
    assert (await _next(reader)).state == "MASTER"
    keepalived.killed()
    lost = await _next(reader)
    assert (lost.state, lost.lost) == ("STOP", True)
    keepalived.start()
    keepalived.say('INSTANCE "heyken" BACKUP 254\n')
    assert (await _next(reader)).state == "BACKUP"


async def test_a_fifo_replaced_while_nobody_wrote_is_noticed(
    keepalived: Keepalived, reader: AsyncIterator[Transition]
) -> None:
    os.mkfifo(keepalived.path)
    pending = asyncio.ensure_future(_next(reader))
    await asyncio.wait({pending}, timeout=0.05)
    keepalived.path.unlink()
    keepalived.start()
    keepalived.say('INSTANCE "heyken" MASTER 254\n')
    assert (await pending).state == "MASTER"


async def test_a_fifo_replaced_while_the_former_is_still_held_open_is_noticed(
    keepalived: Keepalived, reader: AsyncIterator[Transition]
) -> None:
    keepalived.start()
    keepalived.say('INSTANCE "heyken" MASTER 254\n')
    assert (await _next(reader)).state == "MASTER"
    former = keepalived.fd
    keepalived.path.unlink()
    keepalived.start()
    try:
        keepalived.say('INSTANCE "heyken" BACKUP 254\n')
        assert [(await _next(reader)).state for _ in range(2)] == ["STOP", "BACKUP"]
    finally:
        os.close(former)


def test_the_track_file_is_overwritten_in_place(tmp_path: Path) -> None:
    path = tmp_path / "verdict"
    path.write_text("1\n")
    inode = path.stat().st_ino
    track = TrackFile(path)
    assert track.write(0) is True
    assert track.write(0) is False
    assert (path.read_text(), path.stat().st_ino) == ("0\n", inode)


def test_a_track_file_that_is_missing_or_odd_is_made_right(tmp_path: Path) -> None:
    path = tmp_path / "verdict"
    track = TrackFile(path)
    assert track.read() is None
    assert track.write(1) is True
    path.write_text("nonsense, and long")
    assert track.write(0) is True
    assert path.read_text() == "0\n"
