"""What the assistant remembers for a while about rooms, threads and people, within bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from heyken_glue import errors, logs
from heyken_glue.adapters.rocketchat.client import RefusedError
from heyken_glue.domain import commands
from heyken_glue.domain.chat import Message, Room, User
from heyken_glue.domain.conversation import first_replies
from heyken_glue.runtime.clock import Clock
from heyken_glue.services.assistant_jobs import Recent
from heyken_glue.services.assistant_ports import Chat, Languages
from heyken_glue.services.assistant_sheet import is_workspace_wide

KEPT_SECONDS = 300.0
STORE_AWAY_SECONDS = 30.0
_BOT = "bot"
_log = logs.get(__name__)


class Rooms:
    """Rooms by id."""

    def __init__(self, chat: Chat, clock: Clock) -> None:
        self._chat, self._clock = chat, clock
        self._known: Recent[tuple[Room, float]] = Recent(1000)

    def learn(self, rooms: Iterable[Room]) -> None:
        """Keep what a list of rooms said."""
        for room in rooms:
            self._known[room.id] = (room, self._clock.monotonic())

    async def get(self, room_id: str) -> Room | None:
        """Return a room, None if there is none to see."""
        if room_id in self._known:
            room, when = self._known[room_id]
            if self._clock.monotonic() - when < KEPT_SECONDS:
                return room
        found = await self._chat.room(room_id)
        if found is not None:
            self.learn([found])
        return found


class Threads:
    """When the assistant first wrote in each thread it has read."""

    def __init__(self, chat: Chat, clock: Clock, *, own: User, keep_seconds: float) -> None:
        self._chat, self._clock, self._own, self._keep = chat, clock, own, keep_seconds
        self._firsts: Recent[tuple[float | None, float]] = Recent(2000)

    @property
    def firsts(self) -> Mapping[str, float | None]:
        """What is known: the time by the server, or None where we have written nothing."""
        oldest = self._clock.monotonic() - self._keep
        known = ((thread, self._firsts[thread]) for thread in self._firsts)
        return {thread: first for thread, (first, read) in known if read >= oldest}

    def note(self, message: Message) -> None:
        """Take note of a message of ours in a thread where there was none."""
        thread = message.thread_id or ""
        if thread in self._firsts and self._firsts[thread][0] is None:
            self._firsts[thread] = (message.time, self._firsts[thread][1])

    async def read(self, thread_id: str) -> tuple[Message, ...]:
        """Read a thread and keep when we first wrote there."""
        messages = await self._chat.thread(thread_id)
        own = (message for message in messages if message.author.id == self._own.id)
        first = first_replies(own).get(thread_id)
        self._firsts[thread_id] = (first, self._clock.monotonic())
        return messages


class People:
    """Which roles people have, and the language they read."""

    def __init__(self, chat: Chat, languages: Languages, clock: Clock, *, default: str) -> None:
        self._chat, self._languages, self._clock = chat, languages, clock
        self._default = default
        self._roles: Recent[tuple[frozenset[str], float]] = Recent(1000)
        self._chosen: Recent[str | None] = Recent(1000)
        self._store_away_until = 0.0

    async def roles(self, user_id: str, *, fresh: bool = False) -> frozenset[str]:
        """Return somebody's roles; none if the server does not tell us."""
        now = self._clock.monotonic()
        if user_id in self._roles and not fresh:
            roles, when = self._roles[user_id]
            if now - when < KEPT_SECONDS:
                return roles
        try:
            roles = await self._chat.roles_of(user_id)
        except RefusedError as error:
            if is_workspace_wide(error):
                raise
            roles = frozenset()
        self._roles[user_id] = (roles, now)
        return roles

    async def is_bot(self, user_id: str) -> bool:
        """Tell whether somebody is a bot: two of them would talk for ever."""
        return _BOT in await self.roles(user_id)

    async def language(self, user_id: str, text: str) -> str:
        """Return the language chosen, else that of the text, else the deployment's."""
        chosen = await self._choice(user_id)
        return chosen or commands.language_of(text) or self._default

    async def choose(self, user_id: str, language: str) -> None:
        """Keep a choice; TransientError when that was impossible."""
        await self._languages.put(user_id, language)
        self._chosen[user_id] = language

    def forget_choices(self) -> None:
        """Read choices anew: another core may have kept newer ones."""
        self._chosen.clear()

    async def _choice(self, user_id: str) -> str | None:
        if user_id in self._chosen:
            return self._chosen[user_id]
        if self._clock.monotonic() < self._store_away_until:
            return None
        try:
            self._chosen[user_id] = await self._languages.get(user_id)
        except errors.HeykenError as error:
            # the text itself says enough until the store is back
            self._store_away_until = self._clock.monotonic() + STORE_AWAY_SECONDS
            _log.warning("languages_unknown", reason=error.tried)
            return None
        return self._chosen[user_id]


class ServerTime:
    """The chat server's time, as far as messages told it; else the clock of this core."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._offset = clock, 0.0

    def note(self, message: Message) -> None:
        """Learn from a message that has just come in; it is a little late rather than early."""
        self._offset = message.updated - self._clock.now()

    def now(self) -> float:
        """Return the server's time, in seconds since 1970."""
        return self._clock.now() + self._offset
