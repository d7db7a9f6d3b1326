"""A planned move is refused with the reason: the other core is not capable, or it is too soon."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from lab import settings
from lab.settings import REPOSITORY
from tests.support.pair import Pair, wait_for

MODEL = "heyken-general"
PROGRAM = "$(readlink -f /proc/$(systemctl show -P MainPID ollama)/exe)"
OLLAMA = f"OLLAMA_HOST=127.0.0.1:11500 HOME=/root {PROGRAM}"
PATIENCE_SECONDS = 120.0


def _stop(pair: Pair, name: str) -> Callable[[], None]:
    pair.hosts[name].stop_unit("ollama.service")
    return lambda: pair.hosts[name].start_unit("ollama.service")


def _remove_model(pair: Pair, name: str) -> Callable[[], None]:
    pair.hosts[name].run(f"{OLLAMA} cp {MODEL} kept && {OLLAMA} rm {MODEL}")
    return lambda: _bring_back(pair, name)


def _bring_back(pair: Pair, name: str) -> None:
    pair.hosts[name].run(f"{OLLAMA} cp kept {MODEL} && {OLLAMA} rm kept")


@pytest.mark.parametrize(
    ("fault", "words"),
    [(_stop, "ollama.service"), (_remove_model, f"model {MODEL} is missing")],
    ids=["stopped", "model missing"],
)
def test_no_switch_to_a_core_that_cannot_answer(
    pair: Pair, fault: Callable[[Pair, str], Callable[[], None]], words: str
) -> None:
    before = _holder(pair)
    twin = pair.other(before)
    mend = fault(pair, twin)
    try:
        wait_for("its health noticed", lambda: words in _sentence(pair, twin))
        refused = pair.switch(int(twin[-1]), force=True)
        assert refused.status_code == 409, refused.text
        assert words in refused.json()["error"], refused.text
        assert _holder(pair) == before
    finally:
        mend()


def _holder(pair: Pair) -> str:
    return str(wait_for("one core holds the address", pair.holders)[0])


def _sentence(pair: Pair, name: str) -> str:
    return str(pair.status()["cores"][name[-1]]["sentence"])


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ((sys.executable, "-m", "heyken_glue", "switch"), "--force"),
        (("make", "--no-print-directory", "switch-core"), "FORCE=1"),
    ],
    ids=["heyken", "make"],
)
def test_a_switch_too_soon_names_the_way_to_force_it(
    pair: Pair, command: tuple[str, ...], advice: str
) -> None:
    first = pair.other(_holder(pair))
    assert pair.switch(int(first[-1]), force=True).ok
    wait_for("the address moved", lambda: pair.holders() == [first])
    environment = {**os.environ, "HEYKEN_CLIENT_FILE": str(settings.load().client_file)}
    done = subprocess.run(  # noqa: S603 - the commands are written above
        command,
        check=False,
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode != 0, done.stdout
    assert advice in done.stderr, done.stderr
    assert _holder(pair) == first
