"""A unit's life: ready, watchdog, signals, exit codes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from heyken_glue import errors
from heyken_glue.runtime import daemon
from heyken_glue.runtime.daemon import Daemon, Notifier


class HeldClock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield receiver


def _received(receiver: socket.socket) -> str:
    return receiver.recv(4096).decode()


def test_ready_stop_and_exit_code(manager: socket.socket) -> None:
    async def main(unit: Daemon) -> None:
        unit.ready("serving\nnow")
        os.kill(os.getpid(), signal.SIGTERM)
        await unit.stopping.wait()

    assert daemon.run(main) == 0
    assert _received(manager) == "READY=1\nSTATUS=serving now"
    assert _received(manager) == "STOPPING=1"


def test_bad_configuration_exits_with_78() -> None:
    async def main(_unit: Daemon) -> None:
        raise errors.ConfigError("nonsense")

    assert daemon.run(main) == 78


def test_a_bug_exits_with_1() -> None:
    async def main(_unit: Daemon) -> None:
        raise RuntimeError("bug")

    assert daemon.run(main) == 1


def test_a_unit_that_ends_unasked_exits_with_1() -> None:
    async def main(_unit: Daemon) -> None:
        return

    assert daemon.run(main) == 1


def test_a_unit_that_does_not_stop_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "STOP_GRACE_SECONDS", 0.05)

    async def main(unit: Daemon) -> None:
        unit.stop()
        await asyncio.Event().wait()

    assert daemon.run(main) == 0


def test_the_watchdog_is_fed_only_while_every_loop_comes_round(manager: socket.socket) -> None:
    clock, unit = HeldClock(), Daemon()
    unit.clock = clock
    heart = unit.heart("work", allowance=2.0)
    unit.ping(late_seconds=0.0)
    assert _received(manager) == "WATCHDOG=1"
    clock.time += 3.0
    unit.ping(late_seconds=0.0)
    assert _is_silent(manager), "a loop hangs, and systemd was told that all is well"
    heart.beat()
    unit.ping(late_seconds=0.0)
    assert _received(manager) == "WATCHDOG=1"


def test_a_frozen_host_is_no_hang(manager: socket.socket) -> None:
    clock, unit = HeldClock(), Daemon()
    unit.clock = clock
    unit.heart("work", allowance=2.0)
    clock.time += 15.0
    unit.ping(late_seconds=14.0)
    assert _received(manager) == "WATCHDOG=1"
    clock.time += 2.0
    unit.ping(late_seconds=0.0)
    assert _is_silent(manager), "it hangs after it woke up"


async def test_the_watchdog_is_fed_again_and_again(manager: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": os.environ["NOTIFY_SOCKET"], "WATCHDOG_USEC": "30000"}
    feeding = asyncio.ensure_future(Daemon(notifier=Notifier(environ)).feed_watchdog())
    manager.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        for _ in range(3):
            assert await asyncio.wait_for(loop.sock_recv(manager, 4096), 5) == b"WATCHDOG=1"
    finally:
        feeding.cancel()


async def test_the_watchdog_notices_how_late_it_is(manager: socket.socket) -> None:
    clock = HeldClock()
    environ = {"NOTIFY_SOCKET": os.environ["NOTIFY_SOCKET"], "WATCHDOG_USEC": "30000"}
    unit = Daemon(notifier=Notifier(environ), clock=clock)
    unit.heart("work", allowance=2.0)
    feeding = asyncio.ensure_future(unit.feed_watchdog())
    manager.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        assert await asyncio.wait_for(loop.sock_recv(manager, 4096), 5) == b"WATCHDOG=1"
        clock.time += 15.0
        assert await asyncio.wait_for(loop.sock_recv(manager, 4096), 5) == b"WATCHDOG=1"
    finally:
        feeding.cancel()


def _is_silent(receiver: socket.socket) -> bool:
    receiver.setblocking(False)
    try:
        receiver.recv(4096)
    except BlockingIOError:
        return True
    finally:
        receiver.settimeout(5)
    return False


def test_a_watchdog_meant_for_another_process_is_not_fed() -> None:
    assert Notifier({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}).watchdog_seconds == 0.0


def test_without_a_service_manager_nothing_is_sent() -> None:
    Notifier({}).send(READY=1)


async def test_a_pause_ends_as_soon_as_the_unit_shall_stop() -> None:
    unit = Daemon(notifier=Notifier({}))
    assert await unit.pause(0.001) is False
    unit.stop()
    assert await asyncio.wait_for(unit.pause(60), 5) is True
