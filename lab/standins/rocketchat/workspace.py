"""The workspace: everything the server knows, put together."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.standins.rocketchat.errors import failure
from lab.standins.rocketchat.kept.accounts import Accounts
from lab.standins.rocketchat.kept.files import Files
from lab.standins.rocketchat.kept.messages import Messages
from lab.standins.rocketchat.kept.people import User
from lab.standins.rocketchat.kept.rooms import Rooms
from lab.standins.rocketchat.kept.settings import Settings
from lab.standins.rocketchat.kept.store import Store
from lab.standins.rocketchat.modes import Modes
from lab.standins.rocketchat.realtime.events import Events
from lab.standins.rocketchat.realtime.sockets import Sockets
from lab.standins.rocketchat.realtime.streams import Streams
from lab.standins.rocketchat.rest.limits import RateLimiter
from lab.standins.rocketchat.rules.permissions import Permissions
from lab.standins.rocketchat.rules.rights import Rights

PASSWORD_COST = 2**14


@dataclass(frozen=True, kw_only=True)
class Config:
    """What the environment says at the start; `password_cost` is scrypt's N."""

    data: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    modes: Modes = field(default_factory=Modes)
    host: str = "0.0.0.0"  # noqa: S104 - a container publishes what it wants to
    port: int = 3000
    forwarded_count: int = 0
    tokens_secret: str = ""
    ping_seconds: float = 17.5
    pong_seconds: float = 15.0
    password_cost: int = PASSWORD_COST


class Workspace:
    """The parts, made in their order and handed to whoever answers a call."""

    def __init__(self, config: Config, *, clock: Callable[[], float]) -> None:
        self.config, self.modes = config, config.modes
        self._clock = clock
        self.store = Store(config.data)
        self.settings = Settings(self.store, config.environment)
        self.permissions = Permissions(self.store, self.now_ms)
        self.accounts = Accounts(self.store, self.now_ms, password_cost=config.password_cost)
        self.rooms = Rooms(self.store, self.now_ms)
        self.messages = Messages(self.store, self.now_ms)
        self.files = Files(self.store, self.now_ms)
        self.rights = Rights(self.permissions, self.rooms, self.settings)
        self.streams, self.sockets = Streams(), Sockets()
        self.closing = asyncio.Event()
        self.limiter = RateLimiter(self.now_ms)
        # Codes that a real server would mail, by user id; nobody reads a stand-in's mail.
        self.mailed_codes: dict[str, str] = {}
        self.events = Events(
            self.streams,
            accounts=self.accounts,
            rooms=self.rooms,
            rights=self.rights,
            modes=lambda: self.modes,
        )

    def now_ms(self) -> int:
        """Return the time in milliseconds since 1970."""
        return int(self._clock() * 1000)

    @property
    def restricted(self) -> bool:
        """Whether writing is refused: a licence lifts what the mode imposes."""
        return self.modes.restricted_workspace and not self.settings.text("Enterprise_License")

    def refuse_if_restricted(self) -> None:
        """Raise what a workspace without licence and registration answers to any writing."""
        if self.restricted:
            raise failure("restricted-workspace")

    def online(self, user_id: str) -> bool:
        """Tell whether a user has a connection."""
        return user_id in self.streams.present

    def mail_code(self, user: User) -> None:
        """Make a code for a user's second factor."""
        self.mailed_codes[user.id] = f"{secrets.randbelow(10**6):06d}"

    def close(self) -> None:
        """Close the store."""
        self.store.close()
