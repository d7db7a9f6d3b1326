"""The life of a unit: signals, systemd's notify protocol, watchdog, exit code.

The watchdog is fed only while the event loop turns *and* every heart that the unit declared beats:
a unit whose work loop hangs is restarted although its process is alive. A host that was frozen made
all loops late at once: that is no hang, and nobody is restarted for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping

from heyken_glue import errors, logs
from heyken_glue.runtime.clock import Clock, SystemClock

EXIT_OK, EXIT_BUG, EXIT_USAGE, EXIT_CONFIG = 0, 1, 2, 78
STOP_GRACE_SECONDS = 10.0
# often, so that a freeze may be nearly as long as systemd's patience
PING_SECONDS = 2.0


class Notifier:
    """Sends `sd_notify` datagrams; without $NOTIFY_SOCKET it does nothing."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        own_pid = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(environ.get("WATCHDOG_USEC", "0")) / 1e6 if own_pid else 0.0

    def send(self, **fields: str | int) -> None:
        """Send e.g. `READY=1`; a service manager that is away is no reason to fail."""
        if not self._address:
            return
        text = "\n".join(
            f"{key}={str(value).replace(chr(10), ' ')}" for key, value in fields.items()
        )
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.setblocking(False)
            sender.sendto(text.encode(), self._address)


class Heart:
    """One loop of the unit; late by more than `allowance` seconds means it hangs."""

    def __init__(self, allowance: float, clock: Clock) -> None:
        self._allowance, self._clock = allowance, clock
        self._last = clock.monotonic()

    def beat(self) -> None:
        """Say that the loop came round."""
        self._last = self._clock.monotonic()

    def excuse(self, seconds: float) -> None:
        """Leave out a time in which no loop of this process came round."""
        self._last += seconds

    def beats(self) -> bool:
        """Tell whether the last beat is recent enough."""
        return self._clock.monotonic() - self._last <= self._allowance


class Daemon:
    """What a unit's main coroutine is given."""

    def __init__(self, *, notifier: Notifier | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.stopping = asyncio.Event()
        self.stop_grace_seconds = STOP_GRACE_SECONDS  # a unit that has to finish things sets more
        self._notifier = notifier or Notifier()
        self._hearts: dict[str, Heart] = {}

    def ready(self, status: str = "") -> None:
        """Tell systemd that the unit serves."""
        self._notifier.send(READY=1, **({"STATUS": status} if status else {}))

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self._notifier.send(STATUS=text)

    def stop(self) -> None:
        """Ask the unit to end."""
        if not self.stopping.is_set():
            self._notifier.send(STOPPING=1)
            self.stopping.set()

    def heart(self, name: str, *, allowance: float) -> Heart:
        """Declare a loop that has to come round at least every `allowance` seconds."""
        self._hearts[name] = Heart(allowance, self.clock)
        return self._hearts[name]

    async def pause(self, seconds: float) -> bool:
        """Wait; True as soon as the unit shall stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)
        return self.stopping.is_set()

    async def feed_watchdog(self) -> None:
        """Ping systemd for as long as everything lives."""
        interval = min(self._notifier.watchdog_seconds / 3, PING_SECONDS)
        late_seconds = 0.0
        while interval:
            self.ping(late_seconds=late_seconds)
            due = self.clock.monotonic() + interval
            await asyncio.sleep(interval)
            late_seconds = max(0.0, self.clock.monotonic() - due)

    def ping(self, *, late_seconds: float) -> None:
        """Ping systemd if every loop comes round, leaving out by how much this one was late."""
        for heart in self._hearts.values():
            heart.excuse(late_seconds)
        still = sorted(name for name, heart in self._hearts.items() if not heart.beats())
        if still:
            logs.get(__name__).error("watchdog_withheld", loops=still)
        else:
            self._notifier.send(WATCHDOG=1)


Main = Callable[[Daemon], Awaitable[None]]


def run(main: Main, *, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> int:
    """Run a unit until it ends or a signal ends it, and return the exit code."""
    log = logs.get(__name__)
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(_live(main))
    except errors.ConfigError as error:
        reason = str(error)
        log.critical("configuration_refused", reason=reason, exit_code=EXIT_CONFIG)
        return EXIT_CONFIG
    except Exception as error:
        log.critical("unit_failed", error=repr(error), exc_info=error, exit_code=EXIT_BUG)
        return EXIT_BUG
    return EXIT_OK


async def _live(main: Main) -> None:
    daemon = Daemon()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    watchdog = loop.create_task(daemon.feed_watchdog())
    work = asyncio.ensure_future(main(daemon))
    stopped = loop.create_task(daemon.stopping.wait())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await _finish(work, asked=daemon.stopping.is_set(), grace_seconds=daemon.stop_grace_seconds)
    finally:
        daemon.stop()
        for task in (watchdog, stopped, work):
            task.cancel()


async def _finish(work: asyncio.Future[None], *, asked: bool, grace_seconds: float) -> None:
    done, _ = await asyncio.wait({work}, timeout=grace_seconds)
    if not done:
        logs.get(__name__).warning("unit_cut_off", grace_seconds=grace_seconds)
        return
    work.result()
    if not asked:
        raise errors.PermanentError("The unit ended by itself", hint="This is a bug in the unit")
