"""T12-T18, T39: the gateway as a server, on loopback, beside nginx and HAProxy.

On while it is measured: TLS on both sides of every comparison, tokens, routing, both limits, turns,
metrics, the log, the spool, and copies in two Redis servers. The request is a question whose answer
is one piece of text, asked for as JSON; nginx and HAProxy pass the same on to the same model.
"""

from __future__ import annotations

import concurrent.futures
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from bench import gateway_plot
from bench.figures import Figure, tell
from bench.gateway_probe import Probe, Seen
from bench.gateway_stage import Stage

QUESTION = "play 1 0"
# nothing but the gateway itself shall set a limit here
WIDE = (
    "concurrent_answers_max = 2048",
    "answers_per_token_max = 2048",
    "queue_length_max = 2048",
    "queue_length_per_token_max = 2048",
)
# what a deployment has, but one token may use all of it
USUAL = (
    "concurrent_answers_max = 8",
    "answers_per_token_max = 8",
    "queue_length_per_token_max = 64",
)
ROUNDS_MAX = 10
ROOM_FOR_PROBES = 64  # connections of those who ask as usual, and to the model
SERVERS = ("direct", "nginx", "haproxy", "gateway")
MS, PATIENCE_SECONDS = 1000.0, 30.0


def measure(repeats: int, requests: int, *, draws: bool) -> list[Figure]:
    """Measure everything; at most ten rounds of what is interleaved. draws: the picture, too."""
    rounds = min(repeats, ROUNDS_MAX)
    with Stage(WIDE) as stage:
        throughputs = throughput(stage, rounds)
        capacity = statistics.median(throughputs["gateway"])
        alone = latencies(stage, rounds, rate=100, connections=1)
        busy = latencies(stage, rounds, rate=max(20.0, capacity / 2), connections=64)
        streams = many_streams(stage, min(rounds, 3))
        found = [
            _throughput(throughputs),
            _added("T13 added p50, one at a time", alone, 0.5, 0.25),
            _added("T14 added p99 at half capacity", busy, 0.99, 2.0),
            *_streams(streams),
            held(stage),
            slow_clients(stage),
        ]
    with Stage(WIDE) as stage:
        found.append(memory(stage, requests))
    with Stage(USUAL) as stage:
        found.append(overload(stage))
    if draws:
        gateway_plot.write(
            {
                "requests/s at c=32": {
                    name: statistics.median(v) for name, v in throughputs.items()
                },
                "p50 one at a time, ms": _quantiles(alone, 0.5),
                "p99 at the gateway's half capacity, ms": _quantiles(busy, 0.99),
                "p99 of a streamed piece, ms": {
                    n: _quantile(_pieces(v), 0.99) for n, v in streams.items()
                },
            }
        )
    return found


def throughput(stage: Stage, rounds: int) -> dict[str, list[float]]:
    """Return requests a second at 32 connections, a closed loop, the servers in turn."""
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        for name in ("nginx", "haproxy", "aiohttp", "gateway"):
            got = stage.wrk(name, QUESTION, connections=32, seconds=2)
            found.setdefault(name, []).append(got)
        tell(f"throughput {number + 1}/{rounds}: {found['gateway'][-1]:.0f}/s")
    return found


def latencies(
    stage: Stage, rounds: int, *, rate: float, connections: int
) -> dict[str, list[list[float]]]:
    """Return the seconds that requests took, an open loop, for each server and round."""
    found: dict[str, list[list[float]]] = {}
    for number in range(rounds):
        for name in SERVERS:
            count = max(100, int(rate * 2))
            task = stage.task(name, QUESTION, count=count, rate=rate, connections=connections)
            seen = Probe(task).seen()
            found.setdefault(name, []).append([one.took for one in _good(name, seen)])
        tell(f"{rate:.0f}/s over {connections} connections, {number + 1}/{rounds}")
    return found


def many_streams(stage: Stage, rounds: int) -> dict[str, list[Seen]]:
    """Play 100 streams of 50 frames a second for 5 seconds to each server in turn."""
    found: dict[str, list[Seen]] = {}
    for number in range(rounds):
        for name in SERVERS:
            task = stage.task(
                name, "play 250 0.02", count=100, rate=50, connections=100, stream=True
            )
            found.setdefault(name, []).extend(_good(name, Probe(task).seen()))
        tell(f"100 streams, {number + 1}/{rounds}")
    return found


def held(stage: Stage, *, streams: int = 1000, frames: int = 150) -> Figure:
    """Hold many streams at ten frames a second."""
    task = stage.task(
        "gateway", f"play {frames} 0.1", count=streams, rate=100, connections=0, stream=True
    )
    seen = Probe(task).seen()
    got = sum(len(one.pieces) for one in seen)
    complete = sum(one.complete and len(one.pieces) == frames for one in seen)
    late = _quantile([delay for one in seen for delay in one.pieces], 0.99)
    return Figure(
        name="T16 streams held at 10 frames/s each, copies on",
        value=f"{complete} of {streams}, {streams * frames - got} of {streams * frames} "
        f"frames lost, p99 of a frame {late:.0f} ms",
        reference=f"{streams} streams",
        ratio=complete / streams,
        target="1,000, no frame lost",
        reached=complete == streams,
    )


def memory(stage: Stage, requests: int) -> Figure:
    """Ask many questions and look at the process' memory at rest, in the middle and in the end."""
    rest, done, sizes = stage.memory_mib("gateway"), 0.0, [(0.0, stage.memory_mib("gateway"))]
    while done < requests:
        done += 10 * stage.wrk("gateway", QUESTION, connections=32, seconds=10)
        sizes.append((done, stage.memory_mib("gateway")))
        tell(f"{done:.0f} requests, {sizes[-1][1]:.1f} MiB")
    half = next(size for count, size in sizes if count >= done / 2)
    end = sizes[-1][1]
    return Figure(
        name=f"T17 memory of the gateway after {requests:,} requests",
        value=f"{end:.1f} MiB after {done:.0f}, {end - half:+.1f} MiB in the last half",
        reference=f"{rest:.1f} MiB at rest",
        ratio=end / rest,
        target="≤ 60 MB after 10⁶, growth ≤ 1 MB in the last half",
        reached=end * 1.048576 <= 60 and end - half <= 1,
    )


def overload(stage: Stage) -> Figure:
    """Ask for twice of what eight turns of 50 ms at once can do."""
    what, nominal, seconds = "play 5 0.01", 8 / 0.05, 8
    peak, _ = _goodput(stage, what, rate=nominal, seconds=seconds)
    good, seen = _goodput(stage, what, rate=2 * nominal, seconds=seconds)
    refused = [one for one in seen if one.status in (429, 503)]
    others = len(seen) - len(refused) - sum(one.status == 200 for one in seen)
    slowest = _quantile([one.took for one in refused], 0.99)
    told = all(one.retry_after for one in refused)
    return Figure(
        name="T18 goodput at twice the capacity (8 turns of 50 ms)",
        value=f"{good:.0f}/s, {len(refused)} of {len(seen)} refused, p99 in {slowest:.1f} ms, "
        f"{'all' if told else 'NOT all'} with Retry-After, {others} others",
        reference=f"{peak:.0f}/s at capacity",
        ratio=good / peak,
        target="≥ 0.9; the rest 429/503 with Retry-After in ≤ 50 ms",
        reached=good >= 0.9 * peak and told and not others and slowest <= 50,
    )


def slow_clients(stage: Stage, *, count: int = 2000, seconds: float = 20.0) -> Figure:
    """Have thousands of slow clients, and ask like everybody else meanwhile."""
    usual = stage.task("gateway", QUESTION, count=600, rate=50, connections=16)
    idle = _quantile([one.took for one in _good("gateway", Probe(usual).seen())], 0.99)
    plan = {"port": usual.port, "ca_file": usual.ca_file, "token": stage.token}
    plan |= {"count": count, "seconds": seconds}
    command = [sys.executable, "-m", "bench.gateway_slow"]
    with (
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as crowd,
        concurrent.futures.ThreadPoolExecutor() as beside,
    ):
        assert crowd.stdin is not None  # noqa: S101
        assert crowd.stdout is not None  # noqa: S101
        files = stage.files("gateway")
        crowd.stdin.write(json.dumps(plan) + "\n")
        crowd.stdin.flush()
        crowd.stdout.readline()
        emptied = beside.submit(_emptied, stage, files + ROOM_FOR_PROBES, seconds)
        attacked = [one.took for one in _good("gateway", Probe(usual).seen())]
        heard = json.loads(crowd.stdout.read())
    p99, last = _quantile(attacked, 0.99), max([emptied.result(), *heard.values()])
    told = [f"{kind} {after:.1f} s" for kind, after in sorted(heard.items())]
    return Figure(
        name=f"T39 p99 while {count:,} clients are slow with head, body, reading",
        value=f"{p99:.1f} ms; all cut after {last:.1f} s ({', '.join(told)})",
        reference=f"{idle:.1f} ms without them",
        ratio=p99 / idle,
        target="≤ 2, all cut in ≤ 10 s",
        reached=p99 <= 2 * idle and last <= 10,
    )


def _emptied(stage: Stage, files: int, seconds: float) -> float:
    """Return after how many seconds the gateway has let go of its slow clients."""
    began = time.monotonic()
    while (lasted := time.monotonic() - began) < seconds and stage.files("gateway") > files:
        time.sleep(0.1)
    return lasted


def _throughput(found: dict[str, list[float]]) -> Figure:
    median = {name: statistics.median(values) for name, values in found.items()}
    ratios = [ours / ref for ours, ref in zip(found["gateway"], found["nginx"], strict=True)]
    return Figure(
        name="T12 throughput at c=32, whole answers, all on",
        value=f"{median['gateway']:.0f}/s, ratio {min(ratios):.3f}-{max(ratios):.3f}",
        reference=f"nginx {median['nginx']:.0f}/s, HAProxy {median['haproxy']:.0f}/s, "
        f"bare aiohttp proxy {median['aiohttp']:.0f}/s",
        ratio=statistics.median(ratios),
        target="≥ 0.15 of nginx",
        reached=statistics.median(ratios) >= 0.15,
    )


def _added(name: str, found: dict[str, list[list[float]]], share: float, limit_ms: float) -> Figure:
    added = {
        server: [
            _quantile(ours, share) - _quantile(direct, share)
            for ours, direct in zip(found[server], found["direct"], strict=True)
        ]
        for server in ("gateway", "nginx", "haproxy")
    }
    median = {server: statistics.median(values) for server, values in added.items()}
    ours = added["gateway"]
    return Figure(
        name=name,
        value=f"{median['gateway']:.2f} ms ({min(ours):.2f} to {max(ours):.2f})",
        reference=f"nginx {median['nginx']:.2f} ms, HAProxy {median['haproxy']:.2f} ms more than "
        "TLS to the model",
        ratio=median["gateway"] / max(median["nginx"], 0.01),
        target=f"≤ {limit_ms:g} ms",
        reached=median["gateway"] <= limit_ms,
    )


def _streams(found: dict[str, list[Seen]]) -> list[Figure]:
    first = {n: [one.first or 0.0 for one in seen] for n, seen in found.items()}
    pieces = {n: _pieces(seen) for n, seen in found.items()}
    return [
        _stream_row(
            "T15 added time to the first token, p99, 100 streams × 50 frames/s", first, 1.0
        ),
        _stream_row("T15 added time of a frame, p99, 100 streams × 50 frames/s", pieces, 2.0),
    ]


def _stream_row(name: str, found: dict[str, list[float]], limit_ms: float) -> Figure:
    p99 = {server: _quantile(values, 0.99) for server, values in found.items()}
    added = p99["gateway"] - p99["direct"]
    return Figure(
        name=name,
        value=f"{added:.2f} ms (p50 {_quantile(found['gateway'], 0.5):.2f} ms in all)",
        reference=f"nginx {p99['nginx'] - p99['direct']:.2f} ms, "
        f"HAProxy {p99['haproxy'] - p99['direct']:.2f} ms more than TLS to the model",
        ratio=p99["gateway"] / p99["nginx"],
        target=f"≤ {limit_ms:g} ms",
        reached=added <= limit_ms,
    )


def _goodput(stage: Stage, what: str, *, rate: float, seconds: int) -> tuple[float, list[Seen]]:
    """Return answers a second until the last one, and what became of all requests."""
    count = int(rate * seconds)
    task = stage.task("gateway", what, count=count, rate=rate, connections=256)
    seen = Probe(task).seen()
    ends = [number / rate + one.took for number, one in enumerate(seen) if one.status == 200]
    return len(ends) / max(ends), seen


def _good(name: str, seen: list[Seen]) -> list[Seen]:
    """Say which requests failed, and let each of them count as the slowest there can be."""
    bad = [one for one in seen if one.status != 200 or not one.complete]
    if bad:
        tell(f"{name}: {len(bad)} of {len(seen)} requests failed, e.g. with {bad[0].status}")
    for one in bad:
        one.took = one.first = PATIENCE_SECONDS
    return seen


def _pieces(seen: Sequence[Seen]) -> list[float]:
    return [delay for one in seen for delay in one.pieces]


def _quantiles(found: dict[str, list[list[float]]], share: float) -> dict[str, float]:
    return {
        name: statistics.median(_quantile(values, share) for values in rounds)
        for name, rounds in found.items()
    }


def _quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile in milliseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * MS
