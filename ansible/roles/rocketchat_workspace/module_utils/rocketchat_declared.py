"""What a declaration of a Rocket.Chat workspace means: looked at, compared, changed.

Each part takes the declaration, and what was declared at the last run (`applied`): that is how what
was taken out of the declaration is told from what people did by themselves, which stays.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any

from ansible.module_utils.rocketchat_api import Answer, Api, Refused

MISSING = (400, 404)
# Settings whose values are nobody's business.
SECRET = re.compile(r"(?i)pass|secret|token|key|licen[cs]e")


class Problem(Exception):  # noqa: N818 - shown to people
    """Something that a person has to mend."""


class Changes:
    """Notes changes and, outside check mode, makes them as the administrator."""

    def __init__(self, admin: Api, *, check_mode: bool) -> None:
        self.admin = admin
        self.check_mode = check_mode
        self.made: list[str] = []

    def make(self, what: str, path: str, body: Answer) -> Answer:
        """Note a change, make it, and return the server's answer; in check mode an empty one."""
        self.made.append(what)
        return {} if self.check_mode else self.admin.post(path, body)


def settings(changes: Changes, declared: dict[str, Any]) -> None:
    """Give settings their declared values."""
    for name, wanted in sorted(declared.items()):
        try:
            found = changes.admin.get(f"settings/{name}").get("value")
        except Refused as refusal:
            raise Problem(f"there is no setting {name} ({refusal})") from refusal
        if found != wanted:
            secret = SECRET.search(name)
            values = "" if secret else f": {found!r} becomes {wanted!r}"
            changes.make(f"setting {name}{values}", f"settings/{name}", {"value": wanted})


def permissions(
    changes: Changes, declared: dict[str, list[str]], applied: dict[str, list[str]]
) -> None:
    """Give permissions to the declared roles; others that hold them keep them."""
    names = sorted({**declared, **applied})
    listed = changes.admin.get("permissions.listAll")["update"] if names else []
    holders = {entry["_id"]: set(entry["roles"]) for entry in listed}
    for name in names:
        if name not in holders:
            raise Problem(f"there is no permission {name}")
        wanted = set(declared.get(name, []))
        roles = sorted((holders[name] | wanted) - (set(applied.get(name, [])) - wanted))
        if set(roles) != holders[name]:
            body = {"permissions": [{"_id": name, "roles": roles}]}
            changes.make(f"permission {name}: {', '.join(roles)}", "permissions.update", body)


class Users:
    """The declared users. `prints` remembers which password was set, without holding it."""

    def __init__(
        self, changes: Changes, passwords: dict[str, str], applied: dict[str, str]
    ) -> None:
        self._changes, self._passwords, self._applied = changes, passwords, applied
        self._ids: dict[str, str | None] = {}
        self.prints: dict[str, str] = {}

    def make(self, declared: list[Answer]) -> None:
        """Create and change users; deactivate those that are declared no more."""
        for user in declared:
            self.prints[user["username"]] = self._print_of(user["username"])
            found = self._find(user["username"])
            if found is None:
                self._create(user)
            else:
                self._update(user, found)
        for name in sorted(self._applied.keys() - self.prints.keys()):
            gone = self._find(name)
            if gone and gone.get("active", True):
                self._activate(name, gone["_id"], active=False)

    def id_of(self, name: str) -> str | None:
        """Return a user's id; None in check mode for one that would be made."""
        if name not in self._ids and self._find(name) is None:
            raise Problem(f"{name} is to be a member of a channel, and there is no such user")
        return self._ids[name]

    def _find(self, name: str) -> Answer | None:
        try:
            found: Answer = self._changes.admin.get("users.info", username=name)["user"]
        except Refused as refusal:
            if refusal.status in MISSING and "not found" in refusal.text.lower():
                return None
            raise
        self._ids[name] = found["_id"]
        return found

    def _create(self, wanted: Answer) -> None:
        name = wanted["username"]
        # A verified address would bring codes by mail into the way of a machine's login.
        body = {**wanted, "password": self._passwords[name], **_UNVERIFIED}
        made = self._changes.make(f"user {name}: created", "users.create", body)
        self._ids[name] = made.get("user", {}).get("_id")

    def _update(self, wanted: Answer, found: Answer) -> None:
        name, before = wanted["username"], self._applied.get(wanted["username"])
        differs = {
            "name": found.get("name") != wanted["name"],
            "email": wanted["email"] not in [e["address"] for e in found.get("emails") or []],
            "roles": set(found.get("roles", [])) != set(wanted["roles"]),
            "password": before is not None and before != self.prints[name],
        }
        values = {**wanted, "password": self._passwords[name]}
        data = {key: values[key] for key, differ in differs.items() if differ}
        if data:
            what = f"user {name}: {', '.join(sorted(data))}"
            self._changes.make(what, "users.update", {"userId": found["_id"], "data": data})
        if not found.get("active", True):
            self._activate(name, found["_id"], active=True)

    def _activate(self, name: str, user_id: str, *, active: bool) -> None:
        body: Answer = {"userId": user_id, "activeStatus": active}
        if not active:
            body["confirmRelinquish"] = True  # also where they are the last owner of a room
        word = "activated" if active else "not declared any more, deactivated"
        self._changes.make(f"user {name}: {word}", "users.setActiveStatus", body)

    def _print_of(self, name: str) -> str:
        """Return a fingerprint that only the same password gives again."""
        salt = self._applied.get(name, "").partition("$")[0] or secrets.token_hex(8)
        password = self._passwords[name].encode()
        digest = hashlib.scrypt(password, salt=salt.encode(), n=4096, r=8, p=1)
        return f"{salt}${digest.hex()}"


_UNVERIFIED = {"verified": False, "joinDefaultChannels": True, "sendWelcomeEmail": False}


class Channels:
    """The declared channels and who is in them."""

    def __init__(self, changes: Changes, users: Users, applied: dict[str, list[str]]) -> None:
        self._changes, self._users, self._applied = changes, users, applied

    def make(self, declared: list[Answer]) -> None:
        """Create and change channels; archive those that are declared no more."""
        for channel in declared:
            room = self._find(channel["name"])
            if room is None:
                self._create(channel)
            else:
                self._update(channel, room)
        for name in sorted(self._applied.keys() - {channel["name"] for channel in declared}):
            room = self._find(name)
            if room and not room.get("archived"):
                what = f"channel {name}: not declared any more, archived"
                self._changes.make(what, f"{_kind(room)}.archive", {"roomId": room["_id"]})

    def _find(self, name: str) -> Answer | None:
        try:
            found: Answer = self._changes.admin.get("rooms.info", roomName=name)["room"]
        except Refused as refusal:
            if refusal.code == "error-room-not-found":
                return None
            if refusal.code in ("not-allowed", "error-not-allowed", "error-forbidden"):
                raise Problem(
                    f"channel {name} is there, private, and the administrator is no member of it:"
                    " let a member invite them"
                ) from refusal
            raise
        return found

    def _create(self, wanted: Answer) -> None:
        name, private = wanted["name"], bool(wanted.get("private"))
        body = {"name": name, "members": wanted["members"]}
        kind, word = ("groups", "group") if private else ("channels", "channel")
        made = self._changes.make(f"channel {name}: created", f"{kind}.create", body)
        room = made.get(word) or {"_id": None, "t": "p" if private else "c"}
        self._topic(wanted, room)

    def _update(self, wanted: Answer, room: Answer) -> None:
        name, private = wanted["name"], room["t"] == "p"
        if private != bool(wanted.get("private")):
            kind = "private" if private else "public"
            raise Problem(f"channel {name} is {kind} and declared otherwise: rename one of them")
        if room.get("archived"):
            body = {"roomId": room["_id"]}
            self._changes.make(f"channel {name}: unarchived", f"{_kind(room)}.unarchive", body)
        self._topic(wanted, room)
        self._members(wanted, room)

    def _topic(self, wanted: Answer, room: Answer) -> None:
        topic = wanted.get("topic")
        if topic is not None and topic != (room.get("topic") or ""):
            body = {"roomId": room["_id"], "topic": topic}
            self._changes.make(f"channel {wanted['name']}: topic", f"{_kind(room)}.setTopic", body)

    def _members(self, wanted: Answer, room: Answer) -> None:
        name, kind = wanted["name"], _kind(room)
        listed = self._changes.admin.pages(f"{kind}.members", "members", roomId=room["_id"])
        found = {entry["username"] for entry in listed}
        missing = sorted(set(wanted["members"]) - found)
        if missing:
            ids = [self._users.id_of(member) for member in missing]
            what = f"channel {name}: {', '.join(missing)} joined"
            self._changes.make(what, f"{kind}.invite", {"roomId": room["_id"], "userIds": ids})
        before = set(self._applied.get(name, []))
        for member in sorted((before - set(wanted["members"])) & found):
            body = {"roomId": room["_id"], "userId": self._users.id_of(member)}
            self._changes.make(f"channel {name}: {member} removed", f"{kind}.kick", body)


def _kind(room: Answer) -> str:
    """Return how calls about a room begin."""
    return "groups" if room["t"] == "p" else "channels"
