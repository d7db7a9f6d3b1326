"""Reading this host's journal: what the units of the pair wrote in a span of time."""

from __future__ import annotations

import asyncio
import contextlib
import json
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Mapping, Sequence

from heyken_glue import errors

UNITS = ("heyken@*", "ollama.service", "keepalived.service", "etcd.service")
READ_SECONDS = 60.0
_LINE_MAX = 1 << 20
_FIELDS = "MESSAGE,PRIORITY,UNIT,_SYSTEMD_UNIT"


def command(start: float, end: float) -> list[str]:
    """Return the call of journalctl for a span of seconds since 1970."""
    return [
        "journalctl",
        "--quiet",
        "--no-pager",
        "--output=json",
        f"--output-fields={_FIELDS}",
        f"--since=@{start:.6f}",
        f"--until=@{end:.6f}",
        *(f"--unit={unit}" for unit in UNITS),
    ]


async def records(call: Sequence[str]) -> AsyncGenerator[Mapping[str, object], None]:
    """Yield the records journalctl prints, one at a time; TransientError if it fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            *call, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, limit=_LINE_MAX
        )
    except OSError as error:
        raise errors.TransientError(f"journalctl cannot run: {error.strerror}") from error
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for line in _lines(process):
                yield line
            await _check(process)
    except TimeoutError as error:
        raise errors.TransientError("journalctl took too long") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _lines(process: Process) -> AsyncGenerator[Mapping[str, object], None]:
    assert process.stdout is not None  # noqa: S101 - it was asked for above
    while True:
        try:
            line = await process.stdout.readline()
        except ValueError:
            continue  # longer than anything worth counting
        if not line:
            return
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                yield record


async def _check(process: Process) -> None:
    assert process.stderr is not None  # noqa: S101
    said = (await process.stderr.read(500)).decode(errors="replace").strip()
    if await process.wait():
        raise errors.TransientError(f"journalctl failed: {said or process.returncode}")
