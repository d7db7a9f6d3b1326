"""T8: answers in the terminal whose core is killed at a random token go on at the other core."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from bench.figures import Figure, tell
from bench.pair import Pair
from lab.problem import Problem

# in English, in Polish, and code: what a model writes is cut into tokens differently
QUESTIONS = (
    "Write a long story about a lighthouse keeper and the sea.",
    "Napisz długą opowieść o latarniku i morzu.",
    "Write a Python program that sorts a list of words, with comments.",
)
PATIENCE_SECONDS, LIMIT_SECONDS = 120.0, 0.6
EARLIEST, LATEST = 0.1, 0.8  # of the answer's characters


@dataclass(frozen=True)
class Broken:
    """An answer whose core was killed: what came before that, all of it, the longest silence."""

    before: str
    text: str
    code: int
    silent_seconds: float


def measure(pair: Pair, repeats: int) -> list[Figure]:
    """Kill the holder in the middle of `repeats` answers."""
    pair.wait_whole()
    undisturbed = [_whole(pair, question) for question in QUESTIONS]
    seen: list[tuple[str, Broken]] = []
    for number in range(repeats):
        expected = undisturbed[number % len(QUESTIONS)]
        broken = _broken(pair, QUESTIONS[number % len(QUESTIONS)], len(expected))
        tell(
            f"killed in the middle: {len(broken.text)} of {len(expected)} characters, silent for "
            f"{broken.silent_seconds:.2f} s, {'equal' if broken.text == expected else 'different'}"
        )
        seen.append((expected, broken))
    # the command ends well only after the answer's last event; what it wrote before has to be right
    complete = sum(
        one.code == 0 and one.text != one.before and expected.startswith(one.before)
        for expected, one in seen
    )
    equal = sum(one.text == expected for expected, one in seen)
    silent = [one.silent_seconds for _, one in seen]
    return [
        Figure(
            name="T8 answers in the terminal that outlive their core",
            value=f"{complete} of {repeats} complete, {equal} equal to the undisturbed text",
            reference=f"{repeats} kills at random tokens",
            ratio=complete / repeats,
            target="all complete",
            reached=complete == repeats,
        ),
        Figure(
            name="T8 longest silence after the break",
            value=f"median {statistics.median(silent):.2f} s, max {max(silent):.2f} s",
            reference="0.07 s until the address moved",
            ratio=statistics.median(silent) / 0.07,
            target=f"≤ {LIMIT_SECONDS:.1f} s and the time to read the text so far",
            reached=statistics.median(silent) <= LIMIT_SECONDS,
        ),
    ]


def _command(pair: Pair, question: str, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "heyken_glue", "ask", question, *more],
        env={**os.environ, "HEYKEN_CLIENT_FILE": str(pair.lab.client_file)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _whole(pair: Pair, question: str) -> str:
    with _command(pair, question, "--json") as asked:
        told, why = asked.communicate(timeout=PATIENCE_SECONDS)
    if asked.returncode != 0:
        raise Problem("nothing was answered", why=why.decode(errors="replace"), todo="make status")
    return str(json.loads(told)["response"])


def _broken(pair: Pair, question: str, length: int) -> Broken:
    pair.wait_whole()
    holder = pair.holder()
    until_characters = int(length * random.uniform(EARLIEST, LATEST))  # noqa: S311 - no secret
    with _command(pair, question) as asked:
        assert asked.stdout is not None  # noqa: S101 - it was asked for
        text, before, heard, silent = b"", b"", time.monotonic(), 0.0
        while piece := os.read(asked.stdout.fileno(), 4096):
            now = time.monotonic()
            if before:
                silent = max(silent, now - heard)
            text, heard = text + piece, now
            if not before and len(text) >= until_characters:
                pair.cores[holder].kill()
                before = text
        asked.wait(timeout=PATIENCE_SECONDS)
    pair.cores[holder].start()
    if not before:
        raise Problem(
            "the answer was over before its core was killed",
            why="it came at once",
            todo="measure again",
        )
    told = text.decode(errors="replace").rstrip("\n")
    return Broken(before.decode(errors="ignore"), told, asked.returncode, silent)
