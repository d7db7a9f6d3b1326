"""REST: methods of the realtime interface, bridged; their answers are EJSON in a text."""

from __future__ import annotations

from typing import Any

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import ApiError, invalid, socket_error
from lab.standins.rocketchat.kept.people import User
from lab.standins.rocketchat.realtime import methods
from lab.standins.rocketchat.rest.calls import Call, Registry


def register(registry: Registry) -> None:
    """Register the calls."""
    registry.post("method.call", bridge, parts=1)
    registry.post("method.callAnon", bridge, parts=1, login=False)


class Bridge:
    """A call in place of a connection: there is nothing to log in or to stay connected."""

    def __init__(self, call: Call) -> None:
        self._call = call

    @property
    def user(self) -> User | None:
        """Who calls."""
        return None if self._call.caller is None else self._call.caller.user

    def log_in(self, user: User) -> None:
        """Change nothing: the answer holds the token."""

    def log_out(self) -> None:
        """Change nothing."""

    def typed(self, key: str, arguments: list[Any]) -> None:
        """Drop it: who types has a connection."""


async def bridge(call: Call) -> Document:
    """Call a method; a refusal of the method is an answer too."""
    try:
        frame = ejson.decode(call.text("message"))
    except ejson.MalformedError as error:
        raise invalid("Malformed message", "error-invalid-params") from error
    parameters = frame.get("params", []) if isinstance(frame, dict) else None
    if not isinstance(parameters, list) or frame.get("method") != call.parts[0]:
        raise invalid("Invalid method", "error-invalid-params")
    answer: Document = {"msg": "result", "id": frame.get("id")}
    try:
        result = await methods.call(Bridge(call), call.workspace, call.parts[0], parameters)
        answer |= {} if result is None else {"result": result}
    except ApiError as error:
        answer["error"] = socket_error(error)
    return {"message": ejson.encode(answer)}
