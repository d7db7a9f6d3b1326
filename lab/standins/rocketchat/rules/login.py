"""Logging in, over REST and over the socket, and the second factor."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import bad_login, second_factor
from lab.standins.rocketchat.kept import passwords
from lab.standins.rocketchat.kept.accounts import PERSONAL
from lab.standins.rocketchat.kept.people import Caller, User
from lab.standins.rocketchat.workspace import Workspace

PREFIX = "Accounts_TwoFactorAuthentication_"


@dataclass(frozen=True)
class Session:
    """A login that succeeded; `expires` in milliseconds."""

    user: User
    token: str
    expires: int
    kind: str


async def with_password(workspace: Workspace, name: Mapping[str, object], password: object) -> User:
    """Return whose name and password these are; raises the refusal of a bad login.

    `name` is one of `{"username": …}`, `{"email": …}`, `{"user": …}` (either), `{"id": …}`.
    """
    user = _named(workspace, name)
    if user is None:
        raise bad_login("User not found")
    if not await workspace.accounts.knows_password(user, password):
        raise bad_login()
    if not user.active:
        raise bad_login("User is not activated", "error-user-is-not-activated")
    return user


def open_session(workspace: Workspace, user: User, *, kind: str = "password") -> Session:
    """Issue a login token."""
    days = workspace.settings.number("Accounts_LoginExpiration")
    token = workspace.accounts.issue(user, days=days)
    return Session(user, token, _expires(workspace), kind)


def resume(workspace: Workspace, token: object) -> Session:
    """Continue a login by its token; raises the refusal of a bad login."""
    caller = workspace.accounts.caller_by_token(token) if isinstance(token, str) else None
    if caller is None or not isinstance(token, str):
        raise bad_login("You've been logged out by the server. Please log in again.")
    return Session(caller.user, token, _expires(workspace), "resume")


def check_login_code(workspace: Workspace, user: User, code: object) -> None:
    """Demand the code from a verified address, as the server does at a login."""
    if not _asks(workspace) or not _by_email(workspace, user):
        return
    expected = workspace.mailed_codes.get(user.id)
    if expected is None or not isinstance(code, str) or not _same(code, expected):
        workspace.mail_code(user)
        raise second_factor("email", code_generated=True, available=["email"])
    del workspace.mailed_codes[user.id]


async def check_second_factor(
    workspace: Workspace, caller: Caller, headers: Mapping[str, str]
) -> None:
    """Demand a second factor for a sensitive call, unless it was shown or is not needed."""
    user, token = caller.user, caller.token
    now = workspace.now_ms()
    remembered = workspace.settings.number(f"{PREFIX}RememberFor") * 1000
    if not _asks(workspace) or (token.kind == PERSONAL and token.bypass_second_factor):
        return
    always = workspace.modes.second_factor == "always"
    if token.second_factor_until > now or (now - user.created < remembered and not always):
        return
    method = "email" if _by_email(workspace, user) else "password"
    fallback = workspace.settings.flag(f"{PREFIX}Enforce_Password_Fallback")
    if method == "password" and not fallback and not always:
        return
    if not await _shown(workspace, user, method, headers):
        generated = method == "email"
        if generated:
            workspace.mail_code(user)
        available = ["email"] if generated else []
        raise second_factor(method, code_generated=generated, available=available)
    workspace.accounts.remember_second_factor(token, now + remembered)


async def _shown(workspace: Workspace, user: User, method: str, headers: Mapping[str, str]) -> bool:
    code = ejson.clean(headers.get("x-2fa-code", ""))
    if not code or headers.get("x-2fa-method") != method:
        return False
    if method == "password":
        digest: Document = {"digest": code, "algorithm": "sha-256"}
        known = passwords.digest_of(digest) is not None
        return known and await workspace.accounts.knows_password(user, digest)
    expected = workspace.mailed_codes.pop(user.id, None)
    return expected is not None and _same(code, expected)


def _asks(workspace: Workspace) -> bool:
    mode = workspace.modes.second_factor
    return mode == "always" or (mode == "settings" and workspace.settings.flag(f"{PREFIX}Enabled"))


def _by_email(workspace: Workspace, user: User) -> bool:
    settings = workspace.settings
    opted_in = settings.flag(f"{PREFIX}By_Email_Auto_Opt_In")
    return user.verified and opted_in and settings.flag(f"{PREFIX}By_Email_Enabled")


def _named(workspace: Workspace, name: Mapping[str, object]) -> User | None:
    accounts = workspace.accounts
    for key, value in name.items():
        if not isinstance(value, str) or not value:
            continue
        if key == "id":
            return accounts.get(value)
        if key == "email" or (key == "user" and "@" in value):
            return accounts.with_email(value)
        if key in {"username", "user"}:
            return accounts.named(value)
    return None


def _expires(workspace: Workspace) -> int:
    days = workspace.settings.number("Accounts_LoginExpiration")
    return workspace.now_ms() + days * 24 * 3600 * 1000


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
