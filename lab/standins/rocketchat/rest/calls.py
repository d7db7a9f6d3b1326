"""A REST call as its handler sees it: who calls, with what; wrong values are refused here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from aiohttp import web

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.ejson import Document
from lab.standins.rocketchat.errors import ApiError, invalid, not_logged_in
from lab.standins.rocketchat.kept.messages import Window
from lab.standins.rocketchat.kept.people import Caller, User
from lab.standins.rocketchat.workspace import Workspace

_NUMBER_MAX = 1 << 31


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call; `values` is the query of a GET and the body of anything else."""

    workspace: Workspace
    request: web.Request
    parts: tuple[str, ...]
    values: Mapping[str, Any]
    caller: Caller | None

    @property
    def user(self) -> User:
        """Who calls; handlers of calls without login look at `caller` instead."""
        if self.caller is None:
            raise not_logged_in()
        return self.caller.user

    def text(self, name: str) -> str:
        """Return a text that has to be there."""
        value = self.optional_text(name)
        if not value:
            raise missing(name) if value is None else too_short()
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a text, or None if it was not sent."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid("must be string")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a truth value; in a query it is a word."""
        value = self.optional_flag(name)
        return default if value is None else value

    def optional_flag(self, name: str) -> bool | None:
        """Return a truth value, or None if it was not sent."""
        value = self.values.get(name)
        if value in ("true", "1", "false", "0") and isinstance(value, str):
            return value in {"true", "1"}
        if value is not None and not isinstance(value, bool):
            raise invalid("must be boolean")
        return value

    def texts(self, name: str) -> list[str] | None:
        """Return a list of texts, or None if it was not sent."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            raise invalid("must be array")
        if not all(isinstance(item, str) for item in value):
            raise invalid("must be string")
        return value

    def document(self, name: str) -> Document | None:
        """Return an object, or None if it was not sent."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, dict):
            raise invalid("must be object")
        return value

    def number(self, name: str, *, default: int) -> int:
        """Return a whole number that is not negative."""
        value = self.values.get(name)
        if value is None or value == "":
            return default
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:  # noqa: PLR2004
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _NUMBER_MAX:
            raise invalid("must be number")
        return value

    def moment(self, name: str) -> int | None:
        """Return a time in milliseconds, or None if it was not sent."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        ms = ejson.ms_from_iso(value) if isinstance(value, str) else ejson.ms_of(value)
        if ms is None:
            code = f"error-{name}-param-invalid"
            raise ApiError(f'The "{name}" query parameter must be a valid date.', code)
        return ms

    def window(self, **more: Any) -> Window:  # noqa: ANN401 - the fields of a Window
        """Return the part of a list that is wanted, within the workspace's limits."""
        settings = self.workspace.settings
        count = self.number("count", default=settings.number("API_Default_Count"))
        upper = settings.number("API_Upper_Count_Limit")
        if count > upper or (count == 0 and not settings.flag("API_Allow_Infinite_Count")):
            count = upper
        return Window(offset=self.number("offset", default=0), count=count, **more)

    def listing(self, name: str, items: list[Document], **more: object) -> Document:
        """Return the wanted part of a list that is at hand whole."""
        window = self.window()
        items = self._sorted(items)
        end = window.offset + window.count if window.count else None
        part = items[window.offset : end]
        return {
            name: part,
            "count": len(part),
            "offset": window.offset,
            "total": len(items),
        } | more

    def _sorted(self, items: list[Document]) -> list[Document]:
        """Return a list in the order that `sort` asks for: `{"<field>": 1 or -1}`."""
        text = self.optional_text("sort")
        if not text:
            return items
        try:
            order = ejson.decode(text)
        except ejson.MalformedError:
            order = None
        if not isinstance(order, dict) or any(it not in (1, -1) for it in order.values()):
            raise ApiError(f'Invalid sort parameter provided: "{text[:80]}"', "error-invalid-sort")
        for field, direction in reversed(order.items()):
            items = sorted(items, key=_sort_key(field), reverse=direction == -1)
        return items


def _sort_key(field: str) -> Callable[[Document], tuple[str, str]]:
    """Return what to sort by; values of different types do not compare, so types come first."""

    def key(item: Document) -> tuple[str, str]:
        value = item.get(field)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return type(value).__name__, f"{value:030.6f}" if number else str(value)

    return key


def missing(name: str) -> ApiError:
    """Return the refusal of a call that lacks a value."""
    return invalid(f"must have required property '{name}'")


def too_short() -> ApiError:
    """Return the refusal of an empty value."""
    return invalid("must NOT have fewer than 1 characters")


Handler: TypeAlias = Callable[[Call], "Document | Awaitable[Document]"]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What answers a call, and what the caller needs.

    - login: the call is refused without one.
    - permission: the call as such is refused with 403 without it.
    - second_factor: the call is sensitive.
    - limited: the rate limiter counts it.
    """

    handler: Handler
    login: bool = True
    permission: str | None = None
    second_factor: bool = False
    limited: bool = True


class Registry:
    """All endpoints by method, name and number of further path parts."""

    def __init__(self) -> None:
        self._endpoints: dict[tuple[str, str, int], Endpoint] = {}

    def get(self, name: str, handler: Handler, *, parts: int = 0, **needs: Any) -> None:  # noqa: ANN401
        """Register a GET."""
        self._endpoints["GET", name, parts] = Endpoint(handler=handler, **needs)

    def post(self, name: str, handler: Handler, *, parts: int = 0, **needs: Any) -> None:  # noqa: ANN401
        """Register a POST."""
        self._endpoints["POST", name, parts] = Endpoint(handler=handler, **needs)

    def __iter__(self) -> Iterator[tuple[str, str, int]]:
        """Yield method, name and number of further path parts of each endpoint."""
        return iter(self._endpoints)

    def find(self, method: str, name: str, parts: int) -> Endpoint | None:
        """Return what answers."""
        return self._endpoints.get((method, name, parts))

    def methods(self, name: str, parts: int) -> list[str]:
        """Return which methods a path knows."""
        return sorted(key[0] for key in self._endpoints if key[1:] == (name, parts))
