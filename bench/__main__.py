"""`make bench`: measures a lab of its own and prints the table of docs/reference/figures.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable

from bench import (
    answers,
    calm,
    chat,
    crowd,
    deploying,
    faults,
    figures,
    gateway,
    hang,
    home_coming,
    host_loss,
    model_loss,
    partitions,
    survival,
    switchover,
    vip_gap,
)
from bench.pair import Pair
from lab import settings
from lab.problem import Problem
from lab.settings import Lab

# a lab that the environment names (HEYKEN_LAB, deployed already) is measured instead
OWN = {
    "HEYKEN_LAB": "bench",
    "HEYKEN_SYSTEM_SUBNET": "10.79.0.0/24",
    "HEYKEN_SANDBOX_SUBNET": "10.79.1.0/24",
}
Measure = Callable[[Lab, argparse.Namespace], list[figures.Figure]]


def _survival(door: str) -> Measure:
    return lambda lab, chosen: survival.measure(Pair(lab), chosen.repeats, door)


# in this order: the first deploys the lab
CHOICES: dict[str, Measure] = {
    "deploying": lambda lab, _: deploying.measure(lab),
    "answers": lambda lab, chosen: answers.measure(Pair(lab), chosen.repeats),
    "chat": lambda lab, chosen: chat.measure(Pair(lab), chosen.repeats),
    "crowd": lambda lab, _: crowd.measure(lab),
    "vip": lambda lab, chosen: vip_gap.measure(Pair(lab), chosen.repeats, write=chosen.write),
    "switchover": lambda lab, chosen: switchover.measure(Pair(lab), chosen.repeats),
    "model": lambda lab, chosen: model_loss.measure(Pair(lab), chosen.repeats, write=chosen.write),
    "loss": lambda lab, chosen: host_loss.measure(Pair(lab), chosen.repeats),
    "return": lambda lab, chosen: home_coming.measure(Pair(lab), chosen.repeats),
    **{f"survival-{door}": _survival(door) for door in survival.READERS},
    "survival-scripted": lambda lab, chosen: survival.measure_scripted(Pair(lab), chosen.repeats),
    "partitions": lambda lab, chosen: partitions.measure(Pair(lab), chosen.repeats),
    "faults": lambda lab, chosen: faults.measure(Pair(lab), chosen.repeats, write=chosen.write),
    "hang": lambda lab, chosen: hang.measure(Pair(lab), chosen.repeats),
    "gateway": lambda _, chosen: gateway.measure(
        chosen.repeats, chosen.requests, draws=chosen.write
    ),
    "calm": lambda lab, chosen: calm.measure(Pair(lab), chosen.minutes),
}
INTERRUPTED = 130
WITHOUT_LAB = {"gateway"}  # processes on loopback are enough


def main() -> int:
    """Measure what was chosen; exit code 1 when a target was missed."""
    # as Ctrl-C does, so that what a measurement changed is put back
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("what", nargs="*", default=list(CHOICES), help=", ".join(CHOICES))
    parser.add_argument("--repeats", type=int, default=30, help="kills and switches each (30)")
    parser.add_argument("--minutes", type=int, default=10, help="of noise each way (10)")
    parser.add_argument(
        "--requests", type=int, default=1_000_000, help="after which memory is read (1000000)"
    )
    parser.add_argument("--write", action="store_true", help=f"write {figures.PAGE.name}")
    parser.add_argument("--keep", action="store_true", help="leave the measured lab deployed")
    chosen = parser.parse_args()
    if unknown := set(chosen.what) - CHOICES.keys():
        parser.error(f"{', '.join(sorted(unknown))}: choose from {', '.join(CHOICES)}")
    own = not os.environ.get("HEYKEN_LAB")
    if own:
        os.environ |= OWN
    elif "deploying" in chosen.what:
        parser.error(f"deploying would remove the lab {os.environ['HEYKEN_LAB']}: name the others")
    lab = settings.load()
    found = []
    try:
        for name, measure in CHOICES.items():
            if name in chosen.what:
                found += measure(lab, chosen)
        if own and not chosen.keep and set(chosen.what) - WITHOUT_LAB:
            deploying.remove(lab)
    except Problem as problem:
        sys.stderr.write(f"✗ {problem}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("✗ interrupted; what was changed for measuring was put back\n")
        return INTERRUPTED
    command = " ".join(["python -m bench", *sys.argv[1:]])
    page = figures.page(found, command, figures.PAGE.read_text() if chosen.write else "")
    sys.stdout.write(page)
    if chosen.write:
        figures.PAGE.write_text(page)
    return 0 if all(figure.reached for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
