"""The conversation in a request: one question, or the turns before it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heyken_glue.domain.turns import Role, Turn
from heyken_glue.gateway.bodies import demand_text, message_of
from heyken_glue.gateway.problems import Problem
from heyken_glue.texts import Text
from heyken_glue.texts import text as _

TURNS_MAX = 500
SHOWN_LENGTH = 64


def conversation_of(body: Mapping[str, Any], *, limit_bytes: int) -> tuple[Turn, ...]:
    """Return the turns in `body`, the last one from the user; else Problem (400, 413).

    `message` is one question; `messages` is a list of {"role", "content"} with the question last.
    """
    if "messages" not in body:
        return (Turn(Role.USER, message_of(body, limit_bytes=limit_bytes)),)
    turns = turns_of(body, limit_bytes=limit_bytes)
    if turns[-1].role is not Role.USER:
        raise _refused(_("the last one has to be from the user"))
    message_of({"message": turns[-1].content}, limit_bytes=limit_bytes)
    return turns


def demand_model(body: Mapping[str, Any], name: str) -> None:
    """Refuse a `model` that is not the one that answers here: Problem (400, 404)."""
    wanted = body.get("model", name)
    if not isinstance(wanted, str):
        raise Problem(400, "unknown_model", _("“model” has to be a text."))
    if wanted.removesuffix(":latest") != name.removesuffix(":latest"):
        text = _(
            "There is no model “{wanted}” here. Ask “{name}”, or leave “model” out.",
            wanted=wanted[:SHOWN_LENGTH],
            name=name,
        )
        raise Problem(404, "unknown_model", text)


def turns_of(body: Mapping[str, Any], *, limit_bytes: int) -> tuple[Turn, ...]:
    """Return the turns in `messages`, whoever has the last word; else Problem (400, 413)."""
    entries = body.get("messages")
    if not isinstance(entries, list) or not 0 < len(entries) <= TURNS_MAX:
        raise _refused(_("it has to be a list of 1 to {count} objects", count=TURNS_MAX))
    return tuple(_turn(entry, limit_bytes) for entry in entries)


def _turn(entry: object, limit_bytes: int) -> Turn:
    if not isinstance(entry, dict):
        raise _refused(_("each one has to be an object"))
    role, content = entry.get("role"), entry.get("content")
    if role not in tuple(Role):
        raise _refused(_("“role” is one of {roles}", roles=", ".join(Role)))
    if not isinstance(content, str):
        raise _refused(_("“content” has to be a text"))
    demand_text(content, limit_bytes=limit_bytes)
    return Turn(Role(role), content)


def _refused(why: Text) -> Problem:
    text = _("“messages” cannot be used: {why}.", why=why)
    return Problem(400, "messages_invalid", text)
