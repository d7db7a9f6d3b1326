"""Telling a channel who is active and why, and when a core falls ill or recovers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from heyken_glue import errors, logs
from heyken_glue.domain.conversation import reply_id
from heyken_glue.domain.switching import Cause
from heyken_glue.runtime.clock import Clock
from heyken_glue.runtime.daemon import Heart
from heyken_glue.services import assistant_texts as say
from heyken_glue.services.assistant_ports import Chat, CoreState, Manager, PairState
from heyken_glue.services.assistant_role import Holder, Nudge
from heyken_glue.services.assistant_sheet import Patience, is_workspace_wide, reason_of
from heyken_glue.services.lease import Lease
from heyken_glue.texts import Text

LOOK_SECONDS = 2.0
STEADY_LOOKS = 2
EPOCH_SECONDS = ALONE_SECONDS = 10.0
LEAST_SECONDS = 1.0
KEPT_MAX = 20
_UNKNOWN = "unknown"
_HEALTHY = "healthy"
_log = logs.get(__name__)


@dataclass(frozen=True)
class Notice:
    """Something to tell; its id follows from what happened, so it is told once.

    What both cores could see at the same time `needs_lease`: each would make another id of it.
    """

    id: str
    text: str
    noted: float
    needs_lease: bool = False


class HealthWatch:
    """Notices when a core's health turns, once it has stayed so for some looks."""

    def __init__(self) -> None:
        self._steady: dict[int, str] = {}
        self._seen: dict[int, tuple[str, int]] = {}

    def turned(self, cores: tuple[CoreState, ...]) -> list[CoreState]:
        """Return the cores whose health is another than before; the first look tells nothing."""
        return [core for core in cores if self._turned(core)]

    def forget(self) -> None:
        """Begin anew."""
        self._steady.clear()
        self._seen.clear()

    def _turned(self, core: CoreState) -> bool:
        if core.status == _UNKNOWN:
            return False
        status, looks = self._seen.get(core.core_id, ("", 0))
        looks = looks + 1 if status == core.status else 1
        self._seen[core.core_id] = (core.status, looks)
        if looks < STEADY_LOOKS:
            return False
        former = self._steady.get(core.core_id)
        self._steady[core.core_id] = core.status
        return former is not None and former != core.status


class Announcer:
    """Posts as the holder only; what could not be posted yet is kept."""

    def __init__(
        self,
        *,
        chat: Chat,
        manager: Manager,
        lease: Lease,
        holder: Holder,
        patience: Patience,
        clock: Clock,
        core_id: int,
        deployment: str,
        language: str,
        channel: str,
        keep_seconds: float,
    ) -> None:
        self._chat, self._manager, self._holder, self._lease = chat, manager, holder, lease
        self._patience, self._clock, self._core_id = patience, clock, core_id
        self._deployment, self._language, self._channel = deployment, language, channel
        self._keep_seconds = keep_seconds
        self._watch, self._told_since = HealthWatch(), 0.0
        self._held_since = clock.monotonic()
        self._acted, self._told_alone = clock.monotonic(), False
        self._waiting: deque[Notice] = deque(maxlen=KEPT_MAX)
        self.nudge = Nudge()

    def turn(self, held: bool) -> None:
        """Begin anew with each term."""
        self._watch.forget()
        self._held_since = self._acted = self._clock.monotonic()
        self._told_alone = False
        self._waiting.clear()
        if held:
            self.nudge.now()

    async def keep_telling(self, heart: Heart) -> None:
        """Look at the pair again and again, for ever."""
        while True:
            heart.beat()
            try:
                if self._holder.held:
                    await self.look()
            except errors.HeykenError as error:
                _log.debug("pair_not_seen", reason=error.tried)
            except Exception as error:  # noqa: BLE001 - the top of a loop: logged, the next round comes
                _log.error("announcing_failed", exc_info=error)
            await self.nudge.wait(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once, and tell what is new."""
        pair = await self._manager.status(self._language)
        self._note_holder(pair)
        self._note_effects(pair)
        for core in self._watch.turned(pair.cores):
            what = f"health-{core.core_id}-{core.status}-{self._clock.now():.3f}"
            text = say.turned(core.name, core.status, core.sentence)
            self._note(self._key(pair, what), text, needs_lease=True)
        await self._post()

    def _note_holder(self, pair: PairState) -> None:
        since = pair.since
        if pair.active_core != self._core_id or since is None or since == self._told_since:
            return
        if self._clock.now() - since > self._keep_seconds:
            self._told_since = since  # so old that everybody knows
            return
        key = self._key_of(pair, since)
        if key is not None:
            self._told_since = since
            self._note(key, self._announcement(pair))

    def _note_effects(self, pair: PairState) -> None:
        """Tell once in a term that nothing but answering is done, and that this is over."""
        if not pair.only_answers:
            self._acted = self._clock.monotonic()
            if self._told_alone:
                self._told_alone = False
                key = self._key(pair, f"acts-{self._clock.now():.3f}")
                self._note(key, say.acts_again(self._name(pair)), needs_lease=True)
        elif not self._told_alone and self._clock.monotonic() - self._acted >= ALONE_SECONDS:
            self._told_alone = True
            # each core says this of itself alone, so it needs nobody's consent
            key = self._key(pair, f"alone-{self._core_id}-{pair.since}")
            self._note(key, say.only_answers(self._name(pair), pair.only_answers))

    def _name(self, pair: PairState) -> str:
        names = {core.core_id: core.name for core in pair.cores}
        return names.get(self._core_id, f"core{self._core_id}")

    def _key(self, pair: PairState, what: str) -> str:
        return f"{what}-{self._deployment}-{pair.epoch}"

    def _key_of(self, pair: PairState, since: float) -> str | None:
        """Return what the id follows from: epoch and time, or if etcd is away for long the time."""
        if pair.epoch is not None:
            # etcd that lost its data counts anew, and the chat server remembers
            return f"epoch-{self._deployment}-{pair.epoch}-{since:.3f}"
        if self._clock.monotonic() - self._held_since < EPOCH_SECONDS:
            return None
        return f"since-{self._deployment}-{self._core_id}-{since:.3f}"

    def _announcement(self, pair: PairState) -> Text:
        core = pair.holder or f"core{self._core_id}"
        others = [each.name for each in pair.cores if each.core_id != self._core_id]
        if pair.cause in (Cause.DEPLOY, Cause.START) or not others:
            return say.announced_first(pair, core=core)
        return say.announced(pair, core=core, former=", ".join(others))

    def _note(self, key: str, text: Text, *, needs_lease: bool = False) -> None:
        rendered, now = text.render(self._language), self._clock.now()
        self._waiting.append(Notice(reply_id(key), rendered, now, needs_lease))

    async def _post(self) -> None:
        for notice in tuple(self._waiting):
            if not await self._may_post(notice):
                continue
            room = await self._patience.read(lambda: self._chat.room_named(self._channel))
            if room is None:
                _log.warning("announcement_dropped", reason=f"there is no #{self._channel}")
            else:
                await self._send(room.id, notice)
            self._forget(notice)

    async def _may_post(self, notice: Notice) -> bool:
        """Tell whether a notice may be posted now; what waited too long is no news any more."""
        if not notice.needs_lease or await self._lease.held(LEAST_SECONDS) is not None:
            return True
        if self._clock.now() - notice.noted > self._keep_seconds:
            _log.warning("announcement_dropped", reason=self._lease.reason.en)
            self._forget(notice)
        return False

    def _forget(self, notice: Notice) -> None:
        if notice in self._waiting:
            self._waiting.remove(notice)

    async def _send(self, room_id: str, notice: Notice) -> None:
        try:
            await self._patience.once(
                lambda: self._chat.send(room_id, notice.text, message_id=notice.id)
            )
        except errors.PermanentError as error:
            if is_workspace_wide(error):
                raise
            _log.warning("announcement_dropped", reason=reason_of(error))
