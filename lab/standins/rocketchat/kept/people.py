"""Values about people: users, their tokens, and how both are shown."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document


@dataclass(frozen=True, kw_only=True)
class User:
    """A person or a program with an account; times in milliseconds."""

    id: str
    username: str
    name: str = ""
    email: str = ""
    verified: bool = False
    roles: tuple[str, ...] = ("user",)
    active: bool = True
    kind: str = "user"
    created: int = 0
    updated: int = 0
    status_text: str = ""
    default_status: str = "online"
    password_change_required: bool = False
    custom_fields: Document = field(default_factory=dict)
    preferences: Document = field(default_factory=dict)

    @property
    def short(self) -> Document:
        """The user as messages and rooms name them."""
        return {"_id": self.id, "username": self.username, "name": self.name}

    def row(self) -> str:
        """Return the user as the store keeps them."""
        return ejson.encode(dataclasses.asdict(self))


def user_from_row(text: str) -> User:
    """Parse what `User.row` made."""
    values = ejson.decode(text)
    values["roles"] = tuple(values["roles"])
    return User(**values)


@dataclass(frozen=True)
class Token:
    """A login token or a personal access token; the secret itself is not kept."""

    hash: str
    kind: str
    bypass_second_factor: bool
    second_factor_until: int


@dataclass(frozen=True)
class Caller:
    """Who calls, and with which token."""

    user: User
    token: Token


def public_document(user: User, *, online: bool) -> Document:
    """Return what everybody may know of a user."""
    return {
        "_id": user.id,
        "username": user.username,
        "name": user.name,
        "type": user.kind,
        "active": user.active,
        "status": user.default_status if online else "offline",
        "statusText": user.status_text,
        "nameInsensitive": user.name.lower(),
        "utcOffset": 0,
    }


def full_document(user: User, *, online: bool) -> Document:
    """Return what the user and those who administer users may know."""
    emails = [{"address": user.email, "verified": user.verified}] if user.email else []
    return public_document(user, online=online) | {
        "emails": emails,
        "roles": list(user.roles),
        "createdAt": ejson.date(user.created),
        "_updatedAt": ejson.date(user.updated),
        "customFields": user.custom_fields,
        "requirePasswordChange": user.password_change_required,
        "settings": {"profile": {}, "preferences": user.preferences, "calendar": {}},
        "statusConnection": "online" if online else "offline",
        "statusDefault": user.default_status,
        "services": {"password": {"exists": True}},
    }


def own_document(user: User, *, online: bool, root_url: str) -> Document:
    """Return what `login` and `me` tell users about themselves."""
    document = full_document(user, online=online)
    document["email"] = user.email
    document["isOAuthUser"] = False
    return document | {"avatarUrl": f"{root_url}/avatar/{user.username}"}
