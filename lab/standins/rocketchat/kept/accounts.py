"""Accounts: users, their passwords and their tokens in the store."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import ApiError, invalid, refused
from lab.standins.rocketchat.kept import passwords
from lab.standins.rocketchat.kept.people import Caller, Token, User, user_from_row
from lab.standins.rocketchat.kept.store import Store, new_id

DAY_MS = 24 * 3600 * 1000
COMPARISONS_MAX = 2
LOGIN, PERSONAL = "login", "personalAccessToken"


class Accounts:
    """All accounts; users are few and asked for all the time, so they are kept in memory too."""

    def __init__(self, store: Store, now_ms: Callable[[], int], *, password_cost: int) -> None:
        self._store, self._now_ms, self._cost = store, now_ms, password_cost
        # A comparison takes 16 MiB on purpose; many at once would take them many times.
        self._comparing = asyncio.Semaphore(COMPARISONS_MAX)
        rows = store.all("SELECT doc FROM users ORDER BY created, id")
        self._users = {user.id: user for user in (user_from_row(row[0]) for row in rows)}

    def __iter__(self) -> Iterator[User]:
        return iter(list(self._users.values()))

    def get(self, user_id: str) -> User | None:
        """Return a user by id."""
        return self._users.get(user_id)

    def named(self, username: str) -> User | None:
        """Return a user by name; case does not matter."""
        return self._found("SELECT id FROM users WHERE username_key = ?", username.lower())

    def with_email(self, email: str) -> User | None:
        """Return a user by address; case does not matter."""
        return self._found("SELECT id FROM users WHERE email_key = ?", email.lower())

    def add(self, user: User, password: str | None) -> User:
        """Make an account; names and addresses are unique."""
        self._check_unique(user)
        now = self._now_ms()
        user = dataclasses.replace(user, id=user.id or new_id(), created=now, updated=now)
        self._store.write(
            "INSERT INTO users (id, username_key, email_key, password, created, doc) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (
                user.id,
                user.username.lower(),
                user.email.lower() or None,
                None if password is None else self._kept(password),
                now,
                user.row(),
            ),
        )
        self._users[user.id] = user
        return user

    def change(self, user: User) -> User:
        """Write a changed user."""
        self._check_unique(user)
        user = dataclasses.replace(user, updated=self._now_ms())
        self._store.write(
            "UPDATE users SET username_key = ?, email_key = ?, doc = ? WHERE id = ?",
            (user.username.lower(), user.email.lower() or None, user.row(), user.id),
        )
        self._users[user.id] = user
        return user

    def remove(self, user: User) -> None:
        """Delete an account and its tokens."""
        self.revoke_all(user)
        self._store.write("DELETE FROM users WHERE id = ?", (user.id,))
        self._users.pop(user.id, None)

    def set_password(self, user: User, password: str) -> None:
        """Give a user another password."""
        kept = self._kept(password)
        self._store.write("UPDATE users SET password = ? WHERE id = ?", (kept, user.id))

    async def knows_password(self, user: User, password: object) -> bool:
        """Tell whether a password, plain or digested, is the user's."""
        digest = passwords.digest_of(password)
        row = self._store.one("SELECT password FROM users WHERE id = ?", (user.id,))
        if digest is None or row is None or row[0] is None:
            return False
        async with self._comparing:
            return await passwords.matches(digest, row[0])

    def issue(
        self,
        user: User,
        kind: str = LOGIN,
        *,
        days: int | None = None,
        name: str = "",
        bypass_second_factor: bool = False,
    ) -> str:
        """Return a new token; without `days` it does not expire."""
        token, now = new_id(43), self._now_ms()
        self._store.write(
            "INSERT INTO tokens (hash, user_id, kind, name, last_part, bypass_second_factor, "
            "created, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                passwords.token_hash(token),
                user.id,
                kind,
                name,
                token[-6:],
                int(bypass_second_factor),
                now,
                None if days is None else now + days * DAY_MS,
            ),
        )
        return token

    def caller(self, user_id: str, token: str) -> Caller | None:
        """Return whose token it is, if it is this active user's and still good."""
        user = self._users.get(user_id)
        found = self._token(token)
        if user is None or not user.active or found is None or found[0] != user_id:
            return None
        return Caller(user, found[1])

    def caller_by_token(self, token: str) -> Caller | None:
        """The same for a token alone, as a resumed login has it."""
        found = self._token(token)
        return None if found is None else self.caller(found[0], token)

    def remember_second_factor(self, token: Token, until: int) -> None:
        """Note that this token has shown its second factor."""
        self._store.write(
            "UPDATE tokens SET second_factor_until = ? WHERE hash = ?", (until, token.hash)
        )

    def revoke(self, user: User, *, only: str | None = None, keep: str | None = None) -> None:
        """Forget login tokens: all of them, the one with this hash, or all but one."""
        if only is not None:
            self._store.write("DELETE FROM tokens WHERE hash = ?", (only,))
            return
        self._store.write(
            "DELETE FROM tokens WHERE user_id = ? AND kind = ? AND hash <> ?",
            (user.id, LOGIN, keep or ""),
        )

    def revoke_all(self, user: User) -> None:
        """Forget every token, the personal ones too: the server keeps them in one list."""
        self._store.write("DELETE FROM tokens WHERE user_id = ?", (user.id,))

    def personal_tokens(self, user: User) -> list[Document]:
        """Return the personal access tokens of a user, without their secrets."""
        rows = self._store.all(
            "SELECT name, created, last_part, bypass_second_factor FROM tokens "
            "WHERE user_id = ? AND kind = ? ORDER BY created",
            (user.id, PERSONAL),
        )
        return [
            {
                "name": name,
                "createdAt": ejson.date(created),
                "lastTokenPart": last_part,
                "bypassTwoFactor": bool(bypass),
            }
            for name, created, last_part, bypass in rows
        ]

    def remove_personal(self, user: User, name: str) -> bool:
        """Remove a personal access token by name; tells whether there was one."""
        touched = self._store.write(
            "DELETE FROM tokens WHERE user_id = ? AND kind = ? AND name = ?",
            (user.id, PERSONAL, name),
        )
        return touched > 0

    def _token(self, token: str) -> tuple[str, Token] | None:
        row = self._store.one(
            "SELECT user_id, kind, bypass_second_factor, second_factor_until, expires "
            "FROM tokens WHERE hash = ?",
            (passwords.token_hash(token),),
        )
        if row is None or (row[4] is not None and row[4] < self._now_ms()):
            return None
        return row[0], Token(passwords.token_hash(token), row[1], bool(row[2]), row[3])

    def _found(self, query: str, key: str) -> User | None:
        row = self._store.one(query, (key,))
        return None if row is None else self._users[row[0]]

    def _kept(self, password: str) -> str:
        digest = passwords.digest_of(password)
        if not password or digest is None:
            raise invalid("must NOT have fewer than 1 characters")
        return passwords.keep(digest, cost=self._cost)

    def _check_unique(self, user: User) -> None:
        other = self.named(user.username)
        if other is not None and other.id != user.id:
            raise _taken(user.username)
        other = self.with_email(user.email) if user.email else None
        if other is not None and other.id != user.id:
            raise _taken(user.email)


def _taken(what: str) -> ApiError:
    return refused("error-field-unavailable", f"{what} is already in use :(")
