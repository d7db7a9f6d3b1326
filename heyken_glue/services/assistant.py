"""Unit `assistant`: people talk to it in Rocket.Chat.

It is connected on both cores and acts on the holder. Whatever it has to remember stands in
Rocket.Chat itself, so the other core goes on wherever this one stops.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from heyken_glue import errors, logs
from heyken_glue.adapters.etcd.client import EtcdClient
from heyken_glue.adapters.rocketchat.client import Conduct, Login, RocketChatClient
from heyken_glue.adapters.rocketchat.realtime import (
    Connected,
    Deleted,
    Lost,
    RealtimeFeed,
    Rejected,
    Seen,
    Signal,
)
from heyken_glue.credentials import Credentials
from heyken_glue.domain.chat import User
from heyken_glue.runtime import clock, http
from heyken_glue.runtime.daemon import Daemon
from heyken_glue.runtime.spool import Spool
from heyken_glue.services import assistant_journal
from heyken_glue.services.assistant_announcer import Announcer
from heyken_glue.services.assistant_desk import Base, Desk, Outside
from heyken_glue.services.assistant_digest import Digester
from heyken_glue.services.assistant_door import Door
from heyken_glue.services.assistant_gateway import GatewayModel
from heyken_glue.services.assistant_inbox import LANES
from heyken_glue.services.assistant_jobs import UNIT, Tasks
from heyken_glue.services.assistant_role import LOOK_SECONDS, Permit
from heyken_glue.services.assistant_sheet import Obstacles, is_workspace_wide, reason_of
from heyken_glue.services.assistant_units import CoreManagerUnit, EtcdLanguages
from heyken_glue.services.assistant_writer import Pace
from heyken_glue.services.lease import UnitLease
from heyken_glue.services.peers import own_core_id
from heyken_glue.settings import Settings, section

SUPPORTED_MAJORS = ("8", "9")
_ETCD_SECONDS = 0.5
_CHAT_SECONDS = 30.0
_UNIT_SECONDS = 5.0
_ASK_AGAIN_SECONDS = 5.0
_log = logs.get(__name__)


class Assistant:
    """The unit's loops over its parts."""

    def __init__(
        self, base: Base, outside: Outside, daemon: Daemon, *, announcer: Announcer, desk: Desk
    ) -> None:
        settings, rocketchat = base.settings, section(base.settings.rocketchat, "[rocketchat]")
        self._daemon, self._outside, self._obstacles = daemon, outside, base.obstacles
        self.desk, self.announcer = desk, announcer
        self.digester = Digester(
            chat=outside.herald,
            journal=outside.journal,
            clock=base.clock,
            host=settings.host.name,
            language=settings.deployment.language,
            channel=rocketchat.logs_channel,
            seconds=rocketchat.digest_seconds,
        )
        self._tasks = Tasks()

    async def live(self) -> None:
        """Run all loops until the daemon shall stop, or one of them fails."""
        loops = [self._keep_role(), self._listen(), *self._slow_loops()]
        loops += [self.desk.inbox.work(number) for number in range(LANES)]
        running = {asyncio.ensure_future(loop) for loop in loops}
        stop = asyncio.ensure_future(self._daemon.stopping.wait())
        try:
            done, _ = await asyncio.wait({*running, stop}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stop}:
                task.result()
        finally:
            for task in (*running, stop):
                task.cancel()
            await asyncio.wait({*running, stop})
            await self._tasks.close()
            await self.desk.close()

    def _slow_loops(self) -> list[Coroutine[Any, Any, None]]:
        heart = self._daemon.heart
        return [
            self.desk.pen.keep_watch(),
            self.desk.lookout.keep_looking(heart("lookout", allowance=300.0)),
            self.announcer.keep_telling(heart("announcer", allowance=120.0)),
            self.digester.keep_telling(heart("digest", allowance=300.0)),
        ]

    async def _keep_role(self) -> None:
        """Follow `core-manager`; this is also the heart of the event loop."""
        heart = self._daemon.heart("role", allowance=4.0)
        while True:
            await self.desk.holder.look()
            heart.beat()
            await asyncio.sleep(LOOK_SECONDS)

    async def _listen(self) -> None:
        """Take in what the live feed tells, for ever."""
        async with contextlib.aclosing(self._outside.feed.signals()) as signals:
            async for signal in signals:
                self._hear(signal)

    def _hear(self, signal: Signal) -> None:
        match signal:
            case Seen(message):
                self.desk.inbox.seen(message)
                self.desk.pen.seen(message)
            case Deleted(_, message_id):
                self.desk.answers.deleted(message_id)
            case Connected():
                self._obstacles.clear("feed")
                self._daemon.status("connected")
                self._tasks.add(asyncio.ensure_future(self._connected()))
            case Lost(reason) | Rejected(reason):
                self._obstacles.note("feed", reason, is_logged=True)  # the feed itself logged it
                self._daemon.status(reason)

    async def _connected(self) -> None:
        await self.desk.connected()
        with contextlib.suppress(errors.HeykenError):
            self._judge_version(await self._outside.chat.version())

    def _judge_version(self, version: str) -> None:
        if not version or version.split(".", maxsplit=1)[0] in SUPPORTED_MAJORS:
            self._obstacles.clear("version")
            return
        supported = ", ".join(SUPPORTED_MAJORS)
        reason = f"Rocket.Chat {version} is not supported, only {supported}: things may fail"
        self._obstacles.note("version", reason)


async def run(settings: Settings, daemon: Daemon) -> None:
    """Run the unit until it shall stop."""
    async with contextlib.AsyncExitStack() as stack:
        outside = await connect(settings, Credentials.of_unit(UNIT), stack)
        await serve(settings, daemon, outside)


async def connect(
    settings: Settings, credentials: Credentials, stack: contextlib.AsyncExitStack
) -> Outside:
    """Make the clients of everything outside; `stack` closes them."""
    rocketchat, runtime = section(settings.rocketchat, "[rocketchat]"), settings.paths
    tls = http.client_tls(
        ca_file=settings.tls.ca_file,
        certificate_file=settings.tls.certificate_file,
        key_file=credentials.path("tls_key"),
    )
    token = credentials.rocketchat_token()
    login = Login(token.user_id, token.token)
    chat = await stack.enter_async_context(http.session(tls=tls, total_seconds=_CHAT_SECONDS))
    store = await stack.enter_async_context(http.session(tls=tls, total_seconds=_ETCD_SECONDS))
    sockets = [
        runtime.runtime_directory / unit / "http.sock" for unit in ("gateway", "core-manager")
    ]
    gateway, manager = [
        await stack.enter_async_context(http.unix_session(path, total_seconds=_UNIT_SECONDS))
        for path in sockets
    ]
    etcd = EtcdClient(
        store, section(settings.etcd, "[etcd]").endpoints, timeout_seconds=_ETCD_SECONDS
    )
    permit = Permit()
    return Outside(
        chat=RocketChatClient(chat, rocketchat.url, login, conduct=Conduct(permit=permit.check)),
        herald=RocketChatClient(chat, rocketchat.url, login),
        feed=RealtimeFeed(chat, rocketchat.url, login),
        model=GatewayModel(gateway),
        manager=CoreManagerUnit(manager),
        languages=EtcdLanguages(etcd, settings.deployment.name),
        lease=UnitLease(manager),
        permit=permit,
        journal=lambda start, end: assistant_journal.records(assistant_journal.command(start, end)),
    )


async def serve(
    settings: Settings,
    daemon: Daemon,
    outside: Outside,
    *,
    pace: Pace | None = None,
    boottime: Callable[[], float] = clock.boottime,
) -> None:
    """Serve the socket and run the loops until the daemon shall stop."""
    rocketchat, language = (
        section(settings.rocketchat, "[rocketchat]"),
        settings.deployment.language,
    )
    obstacles = Obstacles()
    spool = Spool(settings.spool.directory, UNIT, limit_bytes=settings.spool.limit_mib << 20)
    door = Door(outside.herald, outside.feed, obstacles, outside.lease, language=language)
    socket_path = settings.paths.runtime_directory / UNIT / "http.sock"
    with contextlib.closing(spool):
        async with http.unix_server(socket_path, door.routes()):
            daemon.ready("looking for the chat server")
            own = await identify(daemon, outside, obstacles)
            if own is None:
                return
            base = Base(
                settings=settings,
                clock=daemon.clock,
                spool=spool,
                own=own,
                obstacles=obstacles,
                pace=pace or Pace(edit=rocketchat.edit_seconds),
                boottime=boottime,
            )
            desk = Desk(base, outside)
            announcer = announcer_of(base, outside, desk)
            await Assistant(base, outside, daemon, announcer=announcer, desk=desk).live()


async def identify(daemon: Daemon, outside: Outside, obstacles: Obstacles) -> User | None:
    """Ask the chat server who we are until it tells; None if the unit shall stop first."""
    while True:
        try:
            own = await outside.chat.me()
        except errors.HeykenError as error:
            obstacles.note("login", reason_of(error))
            daemon.status(error.tried)
            wait = _ASK_AGAIN_SECONDS * (3 if is_workspace_wide(error) else 1)
        else:
            obstacles.clear("login")
            return own
        if await daemon.pause(wait):
            return None


def announcer_of(base: Base, outside: Outside, desk: Desk) -> Announcer:
    """Make the announcer, which begins anew with each term."""
    settings, rocketchat = base.settings, section(base.settings.rocketchat, "[rocketchat]")
    announcer = Announcer(
        chat=outside.chat,
        manager=outside.manager,
        lease=outside.lease,
        holder=desk.holder,
        patience=desk.patience,
        clock=base.clock,
        core_id=own_core_id(settings),
        deployment=settings.deployment.name,
        language=settings.deployment.language,
        channel=rocketchat.system_channel,
        keep_seconds=rocketchat.look_back_seconds,
    )
    desk.holder.listeners.append(announcer.turn)
    return announcer
