"""How soon a person sees the first words after `heyken ask`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Figure
from bench.pair import Pair

LIMIT_SECONDS = 1.0
QUESTION = "What is the capital of Poland?"


def measure(pair: Pair, repeats: int) -> list[Figure]:
    """Time `heyken ask` until its first byte, beside `heyken version`, which asks nobody."""
    pair.wait_whole()
    asked = [_first_byte(pair, "ask", QUESTION) for _ in range(repeats)]
    bare = statistics.median(_first_byte(pair, "version") for _ in range(repeats))
    median = statistics.median(asked)
    return [
        Figure(
            name="first token after heyken ask",
            value=f"median {median:.2f} s, max {max(asked):.2f} s of {repeats}",
            reference=f"heyken version {bare:.2f} s",
            ratio=median / bare,
            target=f"≤ {LIMIT_SECONDS:.0f} s",
            reached=max(asked) <= LIMIT_SECONDS,
        )
    ]


def _first_byte(pair: Pair, *words: str) -> float:
    program = Path(sys.executable).with_name("heyken")
    begun = time.monotonic()
    with subprocess.Popen(
        [str(program), *words],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HEYKEN_CLIENT_FILE": str(pair.lab.client_file)},
    ) as process:
        assert process.stdout is not None  # noqa: S101 - Popen with PIPE
        process.stdout.read(1)
        took = time.monotonic() - begun
        process.stdout.read()
    return took
