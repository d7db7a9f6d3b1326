"""Unit `health`: alone judges its core and writes keepalived's track file."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable

import uvloop
from aiohttp import web

from heyken_glue import logs
from heyken_glue.adapters.keepalived.track_file import TrackFile
from heyken_glue.credentials import Credentials
from heyken_glue.domain.events import Event, Kind, Outcome
from heyken_glue.domain.sentences import Sentence
from heyken_glue.domain.switching import Vrrp, why_not_step_down
from heyken_glue.domain.verdict import (
    Damping,
    PeerView,
    Phase,
    Steadiness,
    StepDown,
    Verdict,
    VerdictAnswer,
    judge,
    track_value,
)
from heyken_glue.runtime import exposition, http
from heyken_glue.runtime.clock import Clock
from heyken_glue.runtime.daemon import Daemon
from heyken_glue.runtime.spool import Spool
from heyken_glue.services.health_eyes import Eyes, eyes_of
from heyken_glue.services.health_facts import FactFinder
from heyken_glue.services.health_figures import HealthFigures
from heyken_glue.services.health_looks import Looker
from heyken_glue.services.peers import PeerDoor, only_peer, own_core_id
from heyken_glue.settings import Health, Settings, section

UNIT = "health"
# it wakes up some hundred times a second, for next to nothing each time
loop_factory = uvloop.new_event_loop
# a machine that is only slow gets another look before systemd is told that the loop hangs
HEART_SECONDS = 4.0
_log = logs.get(__name__)


class HealthUnit:
    """Joins looks, peer and hand-over into one verdict."""

    def __init__(
        self,
        settings: Settings,
        *,
        looker: Looker,
        facts: FactFinder,
        door: PeerDoor,
        track: TrackFile,
        spool: Spool,
        clock: Clock,
    ) -> None:
        self._settings, self._looker, self._door = settings, looker, door
        self._facts = facts
        self._track, self._spool, self._clock = track, spool, clock
        self._health = section(settings.health, "[health]")
        self._model = section(settings.ollama, "[ollama]").general_model
        self._core_id = own_core_id(settings)
        self._damping = Damping(
            self._health.recover_looks,
            self._health.relapse_seconds,
            self._health.recover_looks_max,
        )
        self._steady = Steadiness(needed=self._health.recover_looks)
        self._step_down = StepDown()
        self.looks = self.falls = 0
        self._peer_answer: tuple[float, VerdictAnswer] | None = None
        self._peer_asked = False
        self._peer_holds = False
        self._last: tuple[bool, int] | None = None
        self.verdict = self._judge()

    def look(self) -> None:
        """Look once, judge, and tell keepalived; called every `interval_seconds`."""
        self._looker.look_at_processes()
        seen = self._looker.checks
        good = bool(seen) and all(check.ok for check in seen)
        now, was_capable = self._clock.monotonic(), self._steady.capable
        self._steady = self._steady.after(good=good, now=now, damping=self._damping)
        self.looks += 1
        self.falls += was_capable and not self._steady.capable
        self._step_down = self._step_down.advance(
            now, peer_holds=self._peer_holds, peer_counts=self._peer_counts()
        )
        self.verdict = self._judge()
        if self._decided():
            self._tell_keepalived()

    async def ask_peer(self) -> None:
        """Ask the other core how it is, and while handing over whether it took the address."""
        answer = await self._door.verdict()
        self._peer_asked = True
        if answer is not None:
            self._peer_answer = (self._clock.monotonic(), answer)
        if self._step_down.phase is Phase.ASKED:
            self._peer_holds = await self._door.role() is Vrrp.MASTER

    def ask_to_step_down(self, *, reason: Sentence, requested_by: str) -> Sentence | None:
        """Begin to hand over; returns why not, or None when it began."""
        refusal = why_not_step_down(
            self._peer(),
            self._step_down,
            peer_name=self._door.peer.name,
            stale_seconds=self._health.peer_stale_seconds,
        )
        if refusal is None:
            self._peer_holds = False
            now = self._clock.monotonic()
            self._step_down = StepDown(Phase.ASKED, now, reason, requested_by)
            self.verdict = self._judge()
            self._tell_keepalived()
        self._record(
            Kind.STEP_DOWN,
            actor=requested_by or UNIT,
            cause=reason.en,
            outcome=Outcome.OK if refusal is None else Outcome.REFUSED,
            refusal=refusal.en if refusal is not None else "",
        )
        return refusal

    def _decided(self) -> bool:
        """Tell whether enough was seen: until then the file keeps what it says."""
        return self._steady.capable or (bool(self._looker.checks) and self._peer_asked)

    def _judge(self) -> Verdict:
        seen = self._looker.checks
        return Verdict(
            core_id=self._core_id,
            capable=self._steady.capable,
            sentence=judge(
                core=self._settings.host.name,
                model=self._model,
                checks=seen,
                steady=self._steady,
            ),
            checks=seen,
            time=self._clock.now(),
            step_down=self._step_down,
            peer=self._peer(),
            facts=self._facts.facts,
            was_capable=self._steady.capable or self.falls > 0,
            answers=self._looker.findings.answers,
        )

    def _peer(self) -> PeerView | None:
        if self._peer_answer is None:
            return None
        heard, answer = self._peer_answer
        return PeerView(
            core_id=self._door.peer.core_id,
            name=self._door.peer.name,
            capable=answer.capable,
            age_seconds=self._clock.monotonic() - heard,
            sentence=answer.sentence,
            stepping_down=answer.stepping_down,
        )

    def _peer_counts(self) -> bool:
        peer = self._peer()
        return peer is not None and peer.counts(stale_seconds=self._health.peer_stale_seconds)

    def _tell_keepalived(self) -> None:
        value = track_value(
            stepping_down=self._step_down.active,
            capable=self.verdict.capable,
            peer_counts=self._peer_counts(),
        )
        try:
            self._track.write(value)
        except OSError as error:
            _log.error("track_file_not_written", error=str(error), value=value)
            return
        if self._last != (self.verdict.capable, value):
            self._last = (self.verdict.capable, value)
            _log.info("verdict_changed", capable=self.verdict.capable, value=value,
                      sentence=self.verdict.sentence.en)  # fmt: skip
            self._record(Kind.VERDICT_CHANGED, cause=self.verdict.sentence.en, value=value)

    def _record(
        self,
        kind: Kind,
        *,
        cause: str,
        actor: str = UNIT,
        outcome: Outcome = Outcome.OK,
        **payload: object,
    ) -> None:
        self._spool.append(
            Event(
                id=uuid.uuid4().hex,
                time=self._clock.now(),
                host=self._settings.host.name,
                actor=actor,
                kind=kind,
                subject=self._settings.host.name,
                cause=cause,
                outcome=outcome,
                payload={"capable": self.verdict.capable, **payload},
            )
        )


def routes(unit: HealthUnit) -> web.RouteTableDef:
    """Return what the other units of this host may ask."""
    table = web.RouteTableDef()

    @table.get("/verdict")
    async def verdict(_request: web.Request) -> web.Response:
        return web.json_response(unit.verdict.to_body())

    @table.post("/step_down")
    async def step_down(request: web.Request) -> web.Response:
        body = await http.read_json(request)
        english = str(body.get("reason", ""))
        reason = Sentence(english, str(body.get("reason_pl", english)))
        requested_by = str(body.get("requested_by", ""))
        refusal = unit.ask_to_step_down(reason=reason, requested_by=requested_by)
        if refusal is None:
            return web.json_response({"success": True})
        answer = {"success": False, "error": refusal.en, "error_pl": refusal.pl}
        return web.json_response(answer, status=409)

    return table


async def _every(
    daemon: Daemon, what: Callable[[], Awaitable[None]], seconds: Callable[[], float]
) -> None:
    """Call again and again; a failure is logged and the loop goes on."""
    while not daemon.stopping.is_set():
        try:
            await what()
        except Exception as error:  # noqa: BLE001 - the top of a loop: logged, the next round comes
            _log.error("look_failed", what=getattr(what, "__name__", ""), exc_info=error)
        await daemon.pause(seconds())


async def _loops(daemon: Daemon, unit: HealthUnit, eyes: Eyes, health: Health) -> None:
    looker = eyes.looker
    heart = daemon.heart("look", allowance=max(HEART_SECONDS, 5 * health.interval_seconds))
    said = ""

    async def look() -> None:
        nonlocal said
        unit.look()
        heart.beat()
        if unit.verdict.sentence.en != said:
            said = unit.verdict.sentence.en
            daemon.status(said)

    def soon() -> float:
        return looker.interval_seconds

    async with asyncio.TaskGroup() as group:
        group.create_task(_every(daemon, look, soon))
        group.create_task(
            _every(daemon, looker.look_at_gateway, lambda: looker.gateway_interval_seconds)
        )
        group.create_task(_every(daemon, eyes.prober.step, lambda: 2 * health.interval_seconds))
        group.create_task(_every(daemon, unit.ask_peer, lambda: health.peer_interval_seconds))
        group.create_task(
            _every(daemon, looker.look_at_models, lambda: health.model_interval_seconds)
        )
        group.create_task(_every(daemon, eyes.facts.look, lambda: eyes.facts.pause_seconds))


async def run(settings: Settings, daemon: Daemon) -> None:
    """Run the unit until it shall stop."""
    health, vip = section(settings.health, "[health]"), section(settings.vip, "[vip]")
    gateway = section(settings.gateway, "[gateway]")
    tls = http.client_tls(
        ca_file=settings.tls.ca_file,
        certificate_file=settings.tls.certificate_file,
        key_file=Credentials.of_unit(UNIT).path("tls_key"),
    )
    runtime = settings.paths.runtime_directory
    spool = Spool(settings.spool.directory, UNIT, limit_bytes=settings.spool.limit_mib << 20)
    door = PeerDoor(only_peer(settings), port=gateway.port, tls=tls)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(spool.close)
        stack.push_async_callback(door.close)
        eyes = await eyes_of(settings, daemon.clock, stack)
        unit = HealthUnit(
            settings,
            looker=eyes.looker,
            facts=eyes.facts,
            door=door,
            track=TrackFile(vip.verdict_file),
            spool=spool,
            clock=daemon.clock,
        )
        socket_path = runtime / UNIT / "http.sock"
        figures = exposition.handler(HealthFigures(unit, eyes.looker.findings))
        table = routes(unit)
        table.get(exposition.PATH)(figures)
        await stack.enter_async_context(http.unix_server(socket_path, table))
        daemon.ready()
        await _loops(daemon, unit, eyes, health)
