"""T3: switchovers there and back as short requests, open connections and plain streams see them."""

from __future__ import annotations

import math
import random
import re
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.asking import KEPT, NEW, Asked, Asking, Order
from bench.figures import Figure, tell
from bench.pair import Pair, until
from bench.staging import scripted
from lab.problem import Problem

SHORT = "/readyz"  # over TLS, through the gateway, with health's verdict on this core
PER_SECOND, AT_LEAST = 200, 20_000
OPEN_CONNECTIONS, OPEN_PER_SECOND = 10, 5.0
STREAMS_EACH = 10
EVERY_MS = 50
SHORTEST, LONGEST, LONG_ONE = 5.0, 8.0, 16.0  # seconds of text; who waits for a turn is open longer
ROUND_SECONDS = 8.0
LIMIT_MS = 50
SETTLE_SECONDS, NEAR_SECONDS = 1.0, 2.0
PATIENCE_SECONDS = 90.0
NAMES = {NEW: "short requests on new connections", KEPT: "requests on open connections"}
NUMBER = re.compile(r'^data: {"text":"(\d+) "}$', re.MULTILINE)


@dataclass
class Stream:
    """A plain `curl` that reads an answer and knows nothing of coming back."""

    process: subprocess.Popen[bytes]
    folder: Path
    last: int
    opened: float

    @property
    def text(self) -> str:
        """What it got so far."""
        return (self.folder / "got").read_text()

    def is_whole(self) -> bool:
        """Wait for its end; whether all of the answer came, in one piece."""
        code = self.process.wait(timeout=PATIENCE_SECONDS)
        numbers = [int(number) for number in NUMBER.findall(self.text)]
        return code == 0 and numbers == [*range(1, self.last + 1)] and "event: done" in self.text


def measure(pair: Pair, repeats: int) -> list[Figure]:
    """Move `repeats` times, to the other core each time, and see who notices."""
    vip, ca_file = pair.vip, str(pair.lab.state / "ca.crt")
    order = Order(vip, ca_file, SHORT, PER_SECOND, OPEN_CONNECTIONS, OPEN_PER_SECOND)
    with scripted(pair), tempfile.TemporaryDirectory() as folder:
        begun, streams, moves, holder = time.time(), list[Stream](), list[float](), pair.holder()
        try:
            with Asking(order) as asking:
                for number in range(repeats):
                    due = time.monotonic() + ROUND_SECONDS
                    streams += _open(pair, Path(folder) / str(number))
                    time.sleep(SETTLE_SECONDS)
                    moves.append(_move(pair, holder))
                    holder = pair.other(holder)
                    time.sleep(max(0.0, due - time.monotonic()))
                cut = [stream for stream in streams if not stream.is_whole()]
                time.sleep(max(0.0, begun + 1.02 * AT_LEAST / PER_SECOND - time.time()))
        finally:
            for stream in streams:
                stream.process.kill()
        strays = pair.moves_since(begun) - repeats
    for stream in cut:
        tell(f"cut: {stream.text[-200:]!r}")
    if strays > 0:
        tell(f"{strays} moves that nobody asked for")
    return [
        *(short(asking.of(kind), NAMES[kind], moves) for kind in NAMES),
        _streams(streams, cut, repeats),
    ]


def _open(pair: Pair, folder: Path) -> list[Stream]:
    """Open streams, and return once each of them is answered."""
    streams = []
    for number in range(STREAMS_EACH):
        seconds = LONG_ONE if number == 0 else random.uniform(SHORTEST, LONGEST)  # noqa: S311
        place, last = folder / str(number), round(seconds * 1000 / EVERY_MS)
        place.mkdir(parents=True)
        (place / "asked").write_text(f'{{"message": "Count to {last} every {EVERY_MS} ms"}}')
        command = ["curl", "--silent", "--show-error", "--no-buffer", "--fail"]
        command += ["--config", str(pair.lab.state / "curl.conf"), "--output", str(place / "got")]
        command += ["--header", "Accept: text/event-stream", "--json", f"@{place / 'asked'}"]
        process = subprocess.Popen([*command, f"https://{pair.lab.vip}:{pair.vip[1]}/api/v1/chat"])
        streams.append(Stream(process, place, last, time.monotonic()))
    until(lambda: all(map(_is_open, streams)), "the streams are open", 10, every=0.05)
    return streams


def _is_open(stream: Stream) -> bool:
    got = stream.folder / "got"
    if stream.process.poll() not in {None, 0}:
        raise Problem("a stream did not open", why="curl says it above", todo="make status")
    return got.exists() and got.stat().st_size > 0


def _move(pair: Pair, holder: str) -> float:
    """Move to the other core; return when that was asked for."""
    asked = time.monotonic()
    answer = pair.switch(pair.other(holder))
    if not answer.ok:
        raise Problem("the switch was refused", why=answer.text, todo="make status")
    tell(f"moved from {holder} within {time.monotonic() - asked:.2f} s")
    return asked


def short(asked: Sequence[Asked], name: str, moves: Sequence[float]) -> Figure:
    """Return what became of short requests while the address moved at these moments."""
    failed = [one for one in asked if not one.ok]
    slow = [one for one in asked if one.took * 1000 > LIMIT_MS]
    calm = [one for one in asked if not _is_near(one, moves)]
    calm_slow = len([one for one in slow if not _is_near(one, moves)])
    late = max(one.begun - one.due for one in asked) * 1000
    tell(f"{name}: begun at most {late:.0f} ms late; failed: {[one.outcome for one in failed]}")
    if slow:
        since = [min((one.begun - move for move in moves if move <= one.ended), default=math.inf)
                 for one in slow]  # fmt: skip
        tell(f"{name}: slow ones began so many seconds after a move: {_spread(since)}")
    worst, usual = max(one.took for one in asked), statistics.median(one.took for one in asked)
    return Figure(
        name=f"T3 planned switchover: {name}",
        value=f"{len(failed)} failed, {len(slow)} over {LIMIT_MS} ms of {len(asked)}, longest "
        f"{worst * 1000:.0f} ms, in {len(moves)} switchovers",
        reference=f"{calm_slow} over {LIMIT_MS} ms of {len(calm)} that no switchover was near, "
        f"median {usual * 1000:.1f} ms",
        ratio=len(slow) / max(1, calm_slow),
        target=f"0 failed, 0 over {LIMIT_MS} ms",
        reached=not failed and not slow,
    )


def _spread(seconds: Sequence[float]) -> str:
    counted = Counter(round(value, 1) for value in seconds)
    return ", ".join(f"{value:.1f} ({count})" for value, count in sorted(counted.items()))


def _is_near(one: Asked, moves: Sequence[float]) -> bool:
    return any(moment <= one.ended and one.begun <= moment + NEAR_SECONDS for moment in moves)


def _streams(streams: Sequence[Stream], cut: Sequence[Stream], repeats: int) -> Figure:
    return Figure(
        name="T3 planned switchover: plain curl streams",
        value=f"{len(cut)} cut of {len(streams)} in {repeats} switchovers",
        reference=f"{len(streams)} streams of {SHORTEST:.0f} s and more, a scripted model",
        ratio=len(cut) / len(streams),
        target="0 cut of 200",
        reached=not cut and len(streams) >= STREAMS_EACH * repeats,
    )
