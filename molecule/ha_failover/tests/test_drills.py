"""The product's own drills, as an operator runs them: broken, measured, mended, kept, told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.support.pair import Pair, healthy, wait_for

# What a drill may cost is what `bench` and operators look at: here the machine is shared, and what
# counts is that nothing is lost, that all is mended, and that it is kept.
PATIENCE_SECONDS = 900
MARKS = "mkdir -p /run/heyken-drill && ls /run/heyken-drill"
STATES = "cat /proc/[0-9]*/stat | sed 's/.*) //' | cut -d' ' -f1"


def _heyken(pair: Pair, *words: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "heyken_glue", *words, "--json"],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE_SECONDS,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HEYKEN_CLIENT_FILE": str(pair.client_file)},
    )
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["core", "hang", "network", "disk", "chat", "witness"])
def test_a_drill(pair: Pair, kind: str) -> None:
    before = pair.holder()
    code, told = _heyken(pair, "drill", kind, "--yes", "--seconds", "5")
    drill = told["drill"]
    assert drill is not None, "nothing was kept"
    measures = drill["payload"]["measures"]
    assert measures is not None, drill
    lost = {name: measures[name] for name in ("characters_lost", "characters_doubled")}
    assert set(lost.values()) == {0}, drill
    assert measures["answers_lost"] == 0, drill
    assert measures["whole_ms"] is not None, drill
    assert (code == 0) == (drill["outcome"] == "ok"), drill
    healthy(pair)
    assert drill["payload"]["core"] == before
    if kind in {"chat", "witness"}:
        assert measures["requests_failed"] == 0, "the other ways in need neither"
    for host in pair.hosts.values():
        assert "broken" not in host.run(MARKS).split(), host.name
        assert "heyken_drill" not in host.run("nft list tables")
    history = _heyken(pair, "drill", "history")[1]
    assert history["drills"][0] == drill
    assert history["running"] is None


def test_a_deployments_own_proof_makes_the_status_green(pair: Pair) -> None:
    code, answer = _heyken(pair, "prove", "What is the capital of Poland?")
    assert (code, bool(answer["response"].strip())) == (0, True)
    status = wait_for("the proof is known", lambda: _proven(pair))
    assert status["status"] == "online", status
    assert status["proof"]["kind"] == "deploy", status


def _proven(pair: Pair) -> dict[str, Any] | None:
    status = pair.status()
    return status if status["proof"]["passed"] else None


def test_a_host_mends_itself_when_the_deploying_machine_is_gone(pair: Pair) -> None:
    host = pair.hosts[pair.holder()]
    call = [sys.executable, "-m", "heyken_glue", "drill", "hang", "--yes", "--seconds", "5"]
    with subprocess.Popen(  # noqa: S603 - our own program
        call,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "HEYKEN_CLIENT_FILE": str(pair.client_file)},
    ) as conductor:
        try:
            wait_for("something is broken", lambda: "broken" in host.run(MARKS), seconds=300)
        finally:
            os.killpg(conductor.pid, signal.SIGKILL)
    wait_for("the host has mended itself", lambda: "broken" not in host.run(MARKS))
    assert "T" not in host.run(STATES).split(), "the model still stands"
    healthy(pair)
    running = _heyken(pair, "drill", "history")[1]["running"]
    assert running["kind"] == "hang", "it keeps others out until it is over"
    pair.end_drill(running["id"])
    assert _heyken(pair, "drill", "history")[1]["drills"][0]["outcome"] == "refused"
