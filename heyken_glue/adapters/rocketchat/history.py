"""Pages of what was written: what changed in a room since a moment, and the replies of a thread."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from heyken_glue.adapters.rocketchat import models, refusals
from heyken_glue.adapters.rocketchat.rest import Rest

THREAD_PAGE = 100
# a page has to fit into one answer even where messages may be long
SYNC_PAGE = 50
_CURSOR = re.compile(r"[0-9]{1,15}")
_SYNC, _THREAD = "/api/v1/chat.syncMessages", "/api/v1/chat.getThreadMessages"


async def changes(rest: Rest, room_id: str, since: float) -> AsyncIterator[list[Any]]:
    """Yield pages of messages that changed since that time; a server without pages gives one."""
    cursor = str(_milliseconds(since))
    while cursor:
        result = await _changed(rest, room_id, cursor)
        yield models.entries(result.get("updated"))
        cursor = _following(result, cursor)


async def replies(rest: Rest, thread_id: str, *, limit: int) -> AsyncIterator[list[Any]]:
    """Yield pages of a thread, the newest first, until `limit` replies were there to see."""
    offset, total = 0, limit
    while offset < min(total, limit):
        content = await rest.read(
            _THREAD, tmid=thread_id, offset=str(offset), count=str(THREAD_PAGE), sort='{"ts":-1}'
        )
        page = models.entries(content.get("messages"))
        yield page
        offset += len(page)
        # without a total, or with a page that is empty after all, this was the last one
        total = models.whole(content.get("total")) or 0 if page else 0


async def _changed(rest: Rest, room_id: str, cursor: str) -> Mapping[str, Any]:
    try:
        content = await rest.read(
            _SYNC, roomId=room_id, next=cursor, type="UPDATED", count=str(SYNC_PAGE)
        )
    except refusals.RefusedError as error:
        if error.status != refusals.BAD_REQUEST:
            raise
        content = await rest.read(_SYNC, roomId=room_id, lastUpdate=iso(int(cursor) / 1000))
    return models.mapping(content.get("result", content))


def _following(result: Mapping[str, Any], cursor: str) -> str:
    """Return where the next page starts, "" at the end or if it would not go forward."""
    told = models.mapping(result.get("cursor")).get("next")
    following = int(told) if isinstance(told, str) and _CURSOR.fullmatch(told) else 0
    if following <= int(cursor):
        return ""
    # messages of the same millisecond may stand on both sides of the edge: see them again
    return str(max(following - 1, int(cursor) + 1))


def iso(seconds: float) -> str:
    """Return a moment as REST wants it."""
    moment = dt.datetime.fromtimestamp(_milliseconds(seconds) / 1000, tz=dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(seconds: float) -> int:
    return int(max(0.0, seconds) * 1000)
