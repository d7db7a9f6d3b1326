"""A core that can be frozen at any moment of its dealings with the outside, and thawed again.

What it has sent already arrives; what it was about to send leaves when it is thawed, although the
look at the role that preceded it is as old as the freeze. What it was told in between it hears
afterwards. Its clock has gone on meanwhile, by as much as the test says.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any

import aiohttp

from heyken_glue.adapters.rocketchat.client import RocketChatClient
from heyken_glue.adapters.rocketchat.signals import Signal
from heyken_glue.domain.lease import Holding
from heyken_glue.domain.sentences import Sentence
from heyken_glue.domain.turns import Turn
from heyken_glue.runtime.clock import boottime
from heyken_glue.services.assistant_desk import Outside
from heyken_glue.services.assistant_ports import Feed, Manager, Model, PairState, Role, Switched
from heyken_glue.services.lease import Lease


class Ice:
    """The freezer of one core; `at` counts down the moments at which it could freeze."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._ahead = 0.0
        self.at: int | None = None
        self.frozen = asyncio.Event()
        self.lease_wanted = asyncio.Event()
        self.unsettled = 0

    def boottime(self) -> float:
        """Return this core's clock."""
        return boottime() + self._ahead

    def freeze(self) -> None:
        """Hold everything still."""
        self.at = None
        self._open.clear()
        self.frozen.set()

    def thaw(self, *, after_seconds: float, unsettled: int) -> None:
        """Go on; the next looks at the role, so many, still find what was before the freeze."""
        self._ahead += after_seconds
        self.unsettled = unsettled
        self._open.set()

    async def moment(self) -> None:
        """Pass a moment at which the core may freeze: between permission and deed, or after it."""
        if self.at is not None:
            self.at -= 1
            if self.at <= 0:
                self.freeze()
        await self._open.wait()

    async def passing(self) -> None:
        """Wait while it is frozen."""
        await self._open.wait()

    def around(self, outside: Outside) -> Outside:
        """Put everything outside behind the ice."""
        assert isinstance(outside.chat, RocketChatClient)
        rest = outside.chat._rest
        rest._session = IcySession(rest._session, self)  # type: ignore[assignment]
        return dataclasses.replace(
            outside,
            feed=IcyFeed(outside.feed, self),
            model=IcyModel(outside.model, self),
            manager=IcyManager(outside.manager, self),
            lease=IcyLease(outside.lease, self),
        )


class IcySession:
    """The way to the chat server: one moment before a request leaves, one before it is answered."""

    def __init__(self, session: aiohttp.ClientSession, ice: Ice) -> None:
        self._session, self._ice = session, ice

    @contextlib.asynccontextmanager
    async def request(self, *args: Any, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request."""
        await self._ice.moment()
        async with self._session.request(*args, **options) as answer:
            await self._ice.moment()
            yield answer


class IcyFeed:
    """The live feed."""

    def __init__(self, feed: Feed, ice: Ice) -> None:
        self._feed, self._ice = feed, ice

    def __getattr__(self, name: str) -> Any:
        return getattr(self._feed, name)

    @property
    def connected(self) -> bool:
        """Tell whether it is connected."""
        return self._feed.connected

    async def signals(self) -> AsyncGenerator[Signal, None]:
        """Tell what comes in, late if it must be."""
        async with contextlib.aclosing(self._feed.signals()) as signals:
            async for signal in signals:
                await self._ice.passing()
                yield signal

    async def watch_deletions(self, room_id: str) -> None:
        """Pass on."""
        await self._feed.watch_deletions(room_id)

    async def unwatch_deletions(self, room_id: str) -> None:
        """Pass on."""
        await self._feed.unwatch_deletions(room_id)

    async def typing(self, room_id: str, username: str, active: bool) -> None:
        """Pass on."""
        await self._feed.typing(room_id, username, active)


class IcyModel:
    """The gateway of the same core, which is frozen with it."""

    def __init__(self, model: Model, ice: Ice) -> None:
        self._model, self._ice = model, ice

    async def stream(
        self, turns: Sequence[Turn], *, asker: str, owner: str, language: str, key: str
    ) -> AsyncGenerator[str, None]:
        """Yield the answer."""
        stream = self._model.stream(turns, asker=asker, owner=owner, language=language, key=key)
        async with contextlib.aclosing(stream) as pieces:
            async for piece in pieces:
                await self._ice.passing()
                yield piece

    async def cancel(self, *, owner: str, key: str) -> None:
        """Pass on."""
        await self._ice.passing()
        await self._model.cancel(owner=owner, key=key)


class IcyManager:
    """core-manager of the same core: it wakes up with the same belief, and knows that it slept."""

    def __init__(self, manager: Manager, ice: Ice) -> None:
        self._manager, self._ice = manager, ice
        self._last = Role(holds=False)

    async def role(self) -> Role:
        """Return the role as it was when it was asked for."""
        await self._ice.passing()
        if self._ice.unsettled > 0:
            self._ice.unsettled -= 1
            return dataclasses.replace(self._last, settled=False)
        self._last = role = await self._manager.role()
        await self._ice.passing()
        return role

    async def status(self, language: str) -> PairState:
        """Return the pair."""
        await self._ice.passing()
        return await self._manager.status(language)

    async def switch(self, core_id: int, *, requested_by: str, language: str) -> Switched:
        """Move the address."""
        await self._ice.passing()
        return await self._manager.switch(core_id, requested_by=requested_by, language=language)


class IcyLease:
    """The lease as it was when it was asked for."""

    def __init__(self, lease: Lease, ice: Ice) -> None:
        self._lease, self._ice = lease, ice

    @property
    def epoch(self) -> int | None:
        """The epoch."""
        return self._lease.epoch

    @property
    def reason(self) -> Sentence:
        """Why not."""
        return self._lease.reason

    async def held(self, least_seconds: float = 0.0) -> Holding | None:
        """Return the right to act, if it is certain now by this core's clock."""
        asked = self._ice.boottime()
        self._ice.lease_wanted.set()
        await self._ice.passing()
        holding = await self._lease.held(least_seconds)
        await self._ice.passing()
        if holding is None:
            return None
        holding = Holding(holding.epoch, asked + 2)
        return holding if holding.lasts(self._ice.boottime(), least_seconds) else None


class Scripted:
    """A model that says its words one at a time; `after` is told of each."""

    def __init__(self, words: Sequence[str], breath_seconds: float) -> None:
        self._words, self._breath = words, breath_seconds
        self.keys: list[str] = []
        self.ended = 0
        self.after: Callable[[], None] = lambda: None

    @property
    def whole(self) -> str:
        """The whole answer as it is shown."""
        return " ".join(self._words)

    async def stream(
        self, turns: Sequence[Turn], *, asker: str, owner: str, language: str, key: str
    ) -> AsyncGenerator[str, None]:
        """Yield the answer."""
        assert turns, (asker, owner, language)
        self.keys.append(key)
        for word in self._words:
            yield f"{word} "
            self.after()
            await asyncio.sleep(self._breath)
        self.ended += 1

    async def cancel(self, *, owner: str, key: str) -> None:
        """Hear it."""
        assert owner
        assert key
