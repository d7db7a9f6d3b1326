"""Drills as the core manager knows them: one at a time, announced, judged, and kept in etcd.

What breaks and mends a host comes from the deploying machine; this keeps drills apart, tells people
and remembers what came of it. The core that began a drill may be the one that it breaks: everything
needed to end it is in etcd.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from heyken_glue import errors, logs
from heyken_glue.adapters.etcd.client import EtcdClient
from heyken_glue.domain import drills
from heyken_glue.domain.drills import DrillKind, Measures, Proof, Running
from heyken_glue.domain.events import Event, Kind, Outcome
from heyken_glue.domain.sentences import NOTHING, Sentence, say
from heyken_glue.domain.status import Pair, active_core, why_not_whole
from heyken_glue.runtime.clock import Clock
from heyken_glue.runtime.spool import Spool
from heyken_glue.services.core_manager_chat import ChatLink
from heyken_glue.services.core_manager_switch import Answer, refusal
from heyken_glue.settings import Settings

KEEP_SECONDS = 5.0
ATTEMPTS = 5
TELL_ATTEMPTS, TELL_PAUSE_SECONDS = 10, 3.0
REASON_MAX = 500
_OK = 200
_log = logs.get(__name__)


class DrillStore:
    """The history, newest event first, and the lock; a majority of etcd's members has both."""

    def __init__(self, etcd: EtcdClient, deployment: str, *, keep: int) -> None:
        self._etcd, self._keep = etcd, keep
        self._history_key = f"/heyken/{deployment}/drills/history"
        self._lock_key = f"/heyken/{deployment}/drills/lock"

    async def history(self) -> tuple[Event, ...]:
        """Return all events that are kept."""
        return (await self._read())[0]

    async def append(self, event: Event) -> None:
        """Keep an event; one that is kept already stays as it is. The oldest go."""
        for _ in range(ATTEMPTS):
            events, revision = await self._read()
            if any(known.id == event.id for known in events):
                return
            lines = [one.to_line() for one in (event, *events)[: self._keep]]
            value = json.dumps(lines, ensure_ascii=False).encode()
            if await self._etcd.put_if(self._history_key, value, since=revision):
                return
        raise errors.TransientError("The history of drills changes faster than it can be written")

    async def running(self) -> Running | None:
        """Return the drill that is under way."""
        stored = await self._etcd.get(self._lock_key)
        if stored is None:
            return None
        try:
            return Running.from_json(json.loads(stored.value))
        except (KeyError, TypeError, ValueError):
            _log.warning("drill_lock_unreadable")
            return None

    async def lock(self, running: Running) -> bool:
        """Keep other drills out; False if one is under way. It ends by itself after a while."""
        grant = await self._etcd.grant(running.seconds + drills.AROUND_SECONDS)
        value = json.dumps(running.to_json()).encode()
        with contextlib.suppress(errors.HeykenError):
            made = await self._etcd.create_if(
                self._lock_key,
                value,
                lease_id=grant.lease_id,
                unchanged=self._lock_key,
                since=0,
            )
            if made:
                return True
        with contextlib.suppress(errors.HeykenError):
            await self._etcd.revoke(grant.lease_id)
        return False

    async def unlock(self, drill_id: str) -> None:
        """Let the next drill in, if it is still this one that keeps it out."""
        running, stored = await self.running(), await self._etcd.get(self._lock_key)
        if running is not None and running.id == drill_id and stored is not None:
            await self._etcd.revoke(stored.lease_id)

    async def _read(self) -> tuple[tuple[Event, ...], int]:
        stored = await self._etcd.get(self._history_key)
        if stored is None:
            return (), 0
        try:
            return tuple(Event.from_line(line) for line in json.loads(stored.value)), (
                stored.revision
            )
        except (TypeError, ValueError):
            _log.error("drill_history_unreadable", revision=stored.revision)
            return (), stored.revision


class ProofKeeper:
    """What the history proves, read anew every few seconds; while it is away, what it said last."""

    def __init__(self, settings: Settings, etcd: EtcdClient, clock: Clock) -> None:
        kept, name = settings.drills.history_max, settings.deployment.name
        self.store = DrillStore(etcd, name, keep=kept)
        self._clock, self._days_max = clock, settings.drills.proof_days_max
        self._events: tuple[Event, ...] = ()
        self._read_at, self._remembered = float("-inf"), True

    async def look(self) -> Proof:
        """Return the proof as it is now."""
        if self._clock.monotonic() - self._read_at >= KEEP_SECONDS:
            try:
                self._events, self._remembered = await self.store.history(), False
            except errors.HeykenError:
                self._remembered = True
            self._read_at = self._clock.monotonic()
        return Proof.of(
            self._events,
            now=self._clock.now(),
            days_max=self._days_max,
            remembered=self._remembered,
        )

    def forget(self) -> None:
        """Read anew at the next look."""
        self._read_at = float("-inf")


class DrillBook:
    """Begins and ends drills, and takes note of a deployment's own proof."""

    def __init__(
        self,
        settings: Settings,
        proofs: ProofKeeper,
        observe: Callable[[], Awaitable[Pair]],
        *,
        chat: ChatLink,
        spool: Spool,
        clock: Clock,
    ) -> None:
        self._settings, self._store, self._observe = settings, proofs.store, observe
        self._chat, self._spool, self._clock = chat, spool, clock
        self._proofs, self._telling = proofs, set[asyncio.Task[bool]]()

    async def close(self) -> None:
        """Give up what could not be told yet."""
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def read(self, language: str) -> Answer:
        """Return history and the drill under way, and whether the pair is whole."""
        why = why_not_whole(await self._observe()) or NOTHING
        try:
            events, running = await self._store.history(), await self._store.running()
        except errors.HeykenError:
            return refusal(503, "no_majority", say("drill_unlocked"), language)
        body = {
            "whole": why == NOTHING,
            "reason": why.in_language(language),
            "running": None if running is None else running.to_json(),
            "drills": [json.loads(event.to_line()) for event in events],
        }
        return Answer(_OK, {"success": True, **body})

    async def write(self, wish: Mapping[str, Any], *, language: str) -> Answer:
        """Do one step: `begin`, `end`, or `proof` (of a deployment)."""
        steps = {"begin": self._begin, "end": self._end, "proof": self._prove}
        step = steps.get(str(wish.get("step")))
        if step is None:
            sentence = say("drill_wrong", error=f"“step” is one of {', '.join(steps)}")
            return refusal(400, "drill_wrong", sentence, language)
        try:
            return await step(wish, language)
        except ValueError as error:
            return refusal(400, "drill_wrong", say("drill_wrong", error=error), language)
        except errors.TransientError:
            return refusal(503, "no_majority", say("drill_unlocked"), language)

    async def _begin(self, wish: Mapping[str, Any], language: str) -> Answer:
        kind = wish.get("kind")
        if kind not in list(DrillKind):
            known = ", ".join(DrillKind)
            sentence = say("drill_unknown", kind=kind, known=known)
            return refusal(400, "drill_unknown", sentence, language)
        seconds, pair = drills.seconds_of(wish.get("seconds")), await self._observe()
        why = drills.why_not(DrillKind(kind), pair)
        if why is not None:
            return self._refused(wish, "not_whole", why, language)
        active = active_core(pair.cores)
        running = Running(
            id=uuid.uuid4().hex,
            kind=DrillKind(kind),
            began=self._clock.now(),
            seconds=seconds,
            core=next(core.name for core in pair.cores if core.core_id == active),
            requested_by=str(wish.get("requested_by") or "?"),
        )
        if not await self._store.lock(running):
            other = await self._store.running()
            why = say("drill_unlocked")
            if other is not None:
                why = say("drill_running", kind=other.kind, who=other.requested_by)
            return self._refused(wish, "drill_running", why, language)
        what = say(f"drill_what_{kind}", core=running.core)
        begins = say("drill_begins", seconds=seconds, what=what)
        told = await self._tell(f"{running.id}-begin", begins)
        _log.info("drill_begun", kind=kind, seconds=seconds, core=running.core, told=told)
        return Answer(_OK, {"success": True, "told": told, **running.to_json()})

    def _refused(self, wish: Mapping[str, Any], code: str, why: Sentence, language: str) -> Answer:
        self._spool.append(self._event(str(wish.get("kind")), wish, Outcome.REFUSED, why.en))
        return refusal(409, code, why, language)

    async def _end(self, wish: Mapping[str, Any], language: str) -> Answer:
        running = await self._store.running()
        if running is None or running.id != wish.get("id"):
            return refusal(404, "drill_not_running", say("drill_not_running"), language)
        measures, why = None, None
        if wish.get("measures") is None:
            text = str(wish.get("error") or "?")[:REASON_MAX]
            why = Sentence(text, text)
        else:
            measures = Measures.parse(wish["measures"])
            limits = drills.Limits(self._settings.drills.rto_seconds_max * 1000)
            why = drills.why_failed(measures, limits)
        event = drills.event_of(
            running,
            now=self._clock.now(),
            host=self._settings.host.name,
            measures=measures,
            why=why,
        )
        await self._keep(event)
        await self._store.unlock(running.id)
        self._tell_later(f"{running.id}-end", _told(event, measures, why or NOTHING))
        return Answer(_OK, {"success": True, "drill": json.loads(event.to_line())})

    async def _prove(self, wish: Mapping[str, Any], language: str) -> Answer:
        """Keep that a question was answered through the address while the pair was whole."""
        why = why_not_whole(await self._observe())
        if why is not None:
            return refusal(409, "not_whole", why, language)
        event = self._event(drills.DEPLOY, wish, Outcome.OK, "")
        await self._keep(event)
        return Answer(_OK, {"success": True, "drill": json.loads(event.to_line())})

    def _event(self, subject: str, wish: Mapping[str, Any], outcome: Outcome, why: str) -> Event:
        return Event(
            id=uuid.uuid4().hex,
            time=self._clock.now(),
            host=self._settings.host.name,
            actor=str(wish.get("requested_by") or "?"),
            kind=Kind.DRILL,
            subject=subject[:REASON_MAX],
            cause=why,
            outcome=outcome,
        )

    async def _keep(self, event: Event) -> None:
        await self._store.append(event)
        self._spool.append(event)
        self._proofs.forget()
        _log.info("drill_kept", kind=event.subject, outcome=event.outcome, cause=event.cause)

    def _tell_later(self, key: str, sentence: Sentence) -> None:
        task = asyncio.ensure_future(self._tell(key, sentence, attempts=TELL_ATTEMPTS))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, key: str, sentence: Sentence, *, attempts: int = 1) -> bool:
        """Tell people in both languages; the key keeps it from being told twice. Whether it was."""
        chat = self._settings.rocketchat
        if chat is None:
            return False
        text = f"{sentence.en}\n{sentence.pl}"
        wish = {"room_id": f"#{chat.system_channel}", "text": text, "key": f"drill-{key}"}
        for attempt in range(attempts):
            answer = await self._chat.send(wish, language="en")
            if answer.status == _OK:
                return True
            if attempt < attempts - 1:
                await asyncio.sleep(TELL_PAUSE_SECONDS)
        _log.warning("drill_not_told", status=answer.status, error=str(answer.body.get("error")))
        return False


def _told(event: Event, measures: Measures | None, why: Sentence) -> Sentence:
    if measures is None:
        return say("drill_broken_off", kind=event.subject, why=why)
    if event.outcome is Outcome.OK:
        return say("drill_passed", kind=event.subject, ms=round(measures.rto_ms))
    return say("drill_failed", kind=event.subject, why=why)
