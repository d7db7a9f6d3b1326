"""Lets the official typings judge what the server said: answers and live events.

Each sample becomes a line of TypeScript that only compiles if the type fits. A second line says
42 in its place and has to be refused, so that a type which takes anything is found as well.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.official import clients

COMPILE_SECONDS = 300
HEAD = """\
import type { IMessage, Serialized } from '@rocket.chat/core-typings';
import type { StreamerEvents } from '@rocket.chat/ddp-client';
import type { Method, OperationResult, PathPattern } from '@rocket.chat/rest-typings';

type Result<M extends Method, P extends PathPattern> = OperationResult<M, P>;
type Answer<M extends Method, P extends PathPattern> =
    [Result<M, P>] extends [void] ? { success: true } : Serialized<Result<M, P>>;
type Entry<S extends keyof StreamerEvents> = StreamerEvents[S][number];
type Event<S extends keyof StreamerEvents, K extends string> =
    Extract<Entry<S>, { key: K }> extends { args: infer A } ? A : never;
// JSON knows no enums: each member is its text. Nor does a value say which of its parts may change.
type Plain<T> =
    T extends string ? `${T}` : T extends Date | undefined | null ? T :
    T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Value<V> =
    V extends Date ? V : V extends object ? { -readonly [K in keyof V]: Value<V[K]> } : V;
declare function given<const V>(value: V): Value<V>;
declare function fits<T>(value: Plain<T>): void;
"""
OPTIONS = {
    "strict": True,
    "noEmit": True,
    "skipLibCheck": True,
    "module": "nodenext",
    "target": "es2023",
    "types": [],
}


@dataclass(frozen=True)
class Sample:
    """One value, the type that has to take it, and how to call it in a report."""

    name: str
    type: str
    value: Any


def answer(method: str, pattern: str, body: Any) -> Sample:
    """Make a sample of a REST answer; `pattern` is the path as the typings write it."""
    return Sample(f"answer of {method} {pattern}", f"Answer<'{method}', '{pattern}'>", body)


def event(stream: str, key: str, arguments: Any) -> Sample:
    """Make a sample of a live event; `key` is a TypeScript type such as `${string}/typing`."""
    return Sample(f"event {stream} {key}", f"Event<'{stream}', {key}>", arguments)


def check(samples: list[Sample], directory: Path) -> list[str]:
    """Return what the typings have against the samples; `directory` is for scratch files."""
    lines = HEAD.splitlines()
    owners: dict[int, Sample] = {}
    for sample in samples:
        # A value with a name may have more keys than its type; only missing ones are wrong.
        name = f"sample{len(lines)}"
        lines.append(f"const {name} = given({literal(sample.value)});")
        lines.append(f"fits<{sample.type}>({name});")
        owners[len(lines)] = sample
        lines.append("// @ts-expect-error: a type that takes this judges nothing")
        owners[len(lines)] = sample
        lines.append(f"fits<{sample.type}>(42);")
    (directory / "samples.ts").write_text("\n".join(lines) + "\n")
    return [_named(line, owners) for line in _compile(directory)]


def literal(value: Any) -> str:
    """Write a JSON value as TypeScript; a date of the socket becomes a Date."""
    if isinstance(value, dict):
        if value.keys() == {"$date"}:
            return f"new Date({value['$date']})"
        inside = (f"{json.dumps(key)}: {literal(one)}" for key, one in value.items())
        return "{" + ", ".join(inside) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(one) for one in value) + "]"
    return json.dumps(value)


def _compile(directory: Path) -> list[str]:
    project = clients.node_project()
    (directory / "node_modules").symlink_to(project / "node_modules")
    config = {"compilerOptions": OPTIONS, "files": ["samples.ts"]}
    (directory / "tsconfig.json").write_text(json.dumps(config))
    (directory / "package.json").write_text('{"type": "module"}')
    compiler = project / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run(  # noqa: S603 - a fixed command
        [clients.node(), compiler, "--project", directory, "--pretty", "false"],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=COMPILE_SECONDS,
    )
    if done.returncode == 0:
        return []
    # A diagnosis begins at the left margin; what belongs to it is indented.
    return re.split(r"\n(?=\S)", done.stdout.strip())


def _named(diagnosis: str, owners: dict[int, Sample]) -> str:
    found = re.match(r"samples\.ts\((\d+),", diagnosis)
    sample = owners.get(int(found[1])) if found else None
    return f"{sample.name}: {diagnosis}" if sample else diagnosis
