"""Copies of answers in one Redis: a hash for question and runs, a list of tokens for each run.

    <prefix>:answer:<id>                  question → JSON, <generation>.<core> → {"state", "end"}
    <prefix>:answer:<id>:<generation>.<core>   the texts of the tokens

Every failure is a TransientError, also that the store is full. Nothing is repeated here: whoever
writes knows how far the store has come and writes all of it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import hiredis
from redis.asyncio import ConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, RedisError

from heyken_glue import errors
from heyken_glue.domain.copies import (
    Copy,
    Portion,
    Run,
    RunName,
    RunState,
    latest,
    question_from,
)

QUESTION = "question"
READERS_MAX = 8


@dataclass(frozen=True)
class Access:
    """How to reach a store: mutual TLS, a user with a password; the prefix of all keys.

    timeout_seconds: for connecting, and for each reply.
    ttl_seconds: a copy that nobody writes to any more goes after this time.
    """

    address: str
    port: int
    user: str
    password: str
    ca_file: Path
    certificate_file: Path
    key_file: Path
    prefix: str
    timeout_seconds: float
    ttl_seconds: int


class QuickConnection(SSLConnection):
    """Has commands packed by hiredis: the library's own way took half of the time of a copy."""

    def pack_command(self, *args: Any) -> list[bytes]:  # noqa: ANN401 - as the library has it
        """Return one command as it goes over the wire."""
        # half of a surrogate pair, as models make them, is a question mark, as with the library
        encoded: Any = tuple(
            arg.encode(errors="replace") if isinstance(arg, str) else arg for arg in args
        )
        return [hiredis.pack_command(encoded)]


class RedisCopies:
    """One store; close it in the end."""

    def __init__(self, access: Access) -> None:
        self.name = access.address
        # after a loss all readers come at once; more connections would not make it faster
        self._reading = asyncio.Semaphore(READERS_MAX)
        self._prefix, self._ttl = f"{access.prefix}:answer:", access.ttl_seconds
        self._pool = ConnectionPool(
            connection_class=QuickConnection,
            host=access.address,
            port=access.port,
            username=access.user,
            password=access.password,
            ssl_ca_certs=str(access.ca_file),
            ssl_certfile=str(access.certificate_file),
            ssl_keyfile=str(access.key_file),
            socket_timeout=access.timeout_seconds,
            socket_connect_timeout=access.timeout_seconds,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            decode_responses=True,
            encoding_errors="replace",
            max_connections=16,
            driver_info=None,
        )
        self._redis = Redis(connection_pool=self._pool)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._pool.aclose()

    async def ping(self) -> None:
        """Return if the store answers."""
        with self._told():
            await self._redis.ping()

    async def write(self, portions: Sequence[Portion]) -> list[int]:
        """Write in one go; return for each portion how many tokens of its run the store has now."""
        pipeline = self._redis.pipeline(transaction=False)
        places: list[int | None] = []
        for portion in portions:
            counts = self._queue(pipeline, portion)
            places.append(len(pipeline) - 1 if counts else None)
            self._queue_state(pipeline, portion)
        with self._told():
            replies = await pipeline.execute()
        return [
            portion.base if place is None else int(replies[place])
            for portion, place in zip(portions, places, strict=True)
        ]

    async def read(self, answer_id: str) -> Copy | None:
        """Return the latest run of an answer, or None."""
        async with self._reading:
            return await self._read(answer_id)

    async def _read(self, answer_id: str) -> Copy | None:
        with self._told():
            fields = cast("Mapping[str, str]", await self._redis.hgetall(self._key(answer_id)))
            question = question_from(fields.get(QUESTION, ""))
            name = latest(fields)
            if question is None or name is None:
                return None
            tokens = await self._redis.lrange(self._key(answer_id, name), 0, -1)
        return Copy(question, _run(name, fields[str(name)], tuple(map(str, tokens))))

    async def forget(self, runs: Sequence[tuple[str, RunName]]) -> None:
        """Remove answers before their time."""
        keys = [key for id_, run in runs for key in (self._key(id_), self._key(id_, run))]
        with self._told():
            await self._redis.delete(*keys)

    def _key(self, answer_id: str, run: RunName | None = None) -> str:
        return f"{self._prefix}{answer_id}" + ("" if run is None else f":{run}")

    def _queue(self, pipeline: Any, portion: Portion) -> bool:  # noqa: ANN401 - the library's
        """Queue the tokens; True if the last command's reply is their number in the store."""
        tokens = self._key(portion.answer_id, portion.run)
        if not portion.base:
            pipeline.delete(tokens)
            if portion.texts:
                pipeline.rpush(tokens, *portion.texts)
        elif portion.texts:  # a store that was restarted has no such list, and must not begin one
            pipeline.rpushx(tokens, *portion.texts)
        elif portion.state is not RunState.RUNNING:
            pipeline.llen(tokens)
        else:
            return False
        return bool(portion.base or portion.texts)

    def _queue_state(self, pipeline: Any, portion: Portion) -> None:  # noqa: ANN401 - the library's
        if portion.base and portion.state is RunState.RUNNING:
            return
        key = self._key(portion.answer_id)
        state = json.dumps({"state": portion.state, "end": dict(portion.end)})
        fields = {str(portion.run): state}
        if not portion.base:
            fields[QUESTION] = portion.question.to_json()
        pipeline.hset(key, mapping=fields)
        pipeline.expire(key, self._ttl)
        pipeline.expire(self._key(portion.answer_id, portion.run), self._ttl)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, OSError, TimeoutError) as error:
            # the library's own words quote commands, and those hold what people asked
            why = "it is full" if isinstance(error, OutOfMemoryError) else type(error).__name__
            raise errors.TransientError(
                f"The store of answers in flight failed: {why}", against=self.name
            ) from None


def _run(name: RunName, text: str, texts: tuple[str, ...]) -> Run:
    state, end = RunState.RUNNING, {}
    with contextlib.suppress(ValueError, KeyError, TypeError):
        fields = json.loads(text)
        state, end = RunState(fields["state"]), dict(fields["end"])
    return Run(name, state, end, texts)
