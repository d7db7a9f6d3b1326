"""Switch, kill, hang, wrong model: one holder before, another one after, and an answer from it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from bench.pair import TAKEN
from lab import settings
from lab.faults import Host, hosts, models, units
from lab.settings import REPOSITORY
from tests.support.pair import Pair, healthy, wait_for

QUESTION = "What is the capital of Poland?"
LONG_QUESTION = "Write a long story about a lighthouse keeper and the sea."
MANY = 20  # tokens or characters that only a long answer has
ASKED_MEANWHILE = 6
OLLAMA = "ollama.service"
SLOW, SLOW_SECONDS = 0.25, 10.0  # of a processor
VIP_UNIT = "heyken-vip-address.service"
MAIN_PID = "systemctl show -P MainPID keepalived"


def assert_moved(pair: Pair, before: str, *, cause: str) -> None:
    after = pair.other(before)
    wait_for(f"{after} holds the address", lambda: pair.holders() == [after])
    answer = wait_for("an answer", lambda: pair.ask(QUESTION))
    assert f"core{answer['core']}" == after, answer
    assert answer["response"].strip(), answer
    status = wait_for("the status knows", lambda: _status_of(pair, after))
    assert status["cause"] == cause, status
    assert status["reason"], status


def _status_of(pair: Pair, holder: str) -> dict[str, object] | None:
    status = pair.status()
    return status if status["holder"] == holder else None


def test_a_planned_switch_moves_the_address_there_and_back(pair: Pair) -> None:
    before = pair.holder()
    for start in (before, pair.other(before)):
        target = pair.other(start)
        response = pair.switch(int(target[-1]), force=True)
        assert response.status_code == 200, response.text
        assert response.json() == {
            "success": True,
            "active_core": int(target[-1]),
            "changed": True,
        }
        assert_moved(pair, start, cause="planned")


@pytest.mark.parametrize(
    ("folder", "playbook"),
    [(".", "ansible/playbooks/switch_core.yml"), ("ansible/playbooks", "switch_core.yml")],
    ids=["by its path", "from its folder"],
)
def test_the_playbook_moves_the_address(pair: Pair, folder: str, playbook: str) -> None:
    before = pair.holder()
    named = f"core_id={pair.other(before)[-1]}"
    # as a person calls it, who has none of molecule's settings
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    done = subprocess.run(  # noqa: S603 - our own playbook
        [str(Path(sys.executable).with_name("ansible-playbook")), playbook,
         "--extra-vars", named, "--extra-vars", "force=true"],
        cwd=REPOSITORY / folder,
        env=kept,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert_moved(pair, before, cause="planned")


def test_a_switch_to_the_holder_changes_nothing(pair: Pair) -> None:
    holder = pair.holder()
    response = pair.switch(int(holder[-1]))
    assert response.status_code == 200, response.text
    assert response.json()["changed"] is False
    assert pair.holder() == holder


def test_a_second_switch_at_once_is_refused_with_the_reason(pair: Pair) -> None:
    first = pair.other(pair.holder())
    response = pair.switch(int(first[-1]), force=True)
    assert response.ok, response.text
    wait_for("the address moved", lambda: pair.holders() == [first])
    response = pair.switch(int(pair.other(first)[-1]))
    assert response.status_code == 409, response.text
    assert response.json()["error"]
    assert pair.holder() == first


def test_a_core_that_does_not_exist_is_refused(pair: Pair) -> None:
    response = pair.switch(3)
    assert response.status_code == 400, response.text


def _effects(pair: Pair) -> tuple[int, bool]:
    effects = pair.status()["effects"]
    return effects["core"], effects["allowed"]


def test_a_killed_core_is_replaced_without_being_asked(pair: Pair) -> None:
    before = pair.holder()
    pair.hosts[before].kill()
    assert_moved(pair, before, cause="failover")
    after = int(pair.other(before)[-1])
    wait_for("it may act", lambda: _effects(pair) == (after, True))
    pair.hosts[before].start()
    healthy(pair)
    assert pair.holder() == pair.other(before), "the returning core must not take the address back"


def test_an_open_stream_outlives_a_planned_switch(pair: Pair) -> None:
    before = pair.holder()
    events = pair.stream(LONG_QUESTION)
    seen = [next(events), next(events)]
    assert pair.switch(int(pair.other(before)[-1]), force=True).ok
    wait_for("the address moved", lambda: pair.holders() == [pair.other(before)])
    seen += events
    assert seen[-1] == "done", seen[-5:]
    assert seen.count("token") > MANY, "the answer was over before the switch: this proves nothing"


def test_without_the_second_chance_that_stream_is_cut(pair: Pair) -> None:
    """Or the test before proves nothing: the new holder answers for what it does not know."""
    before = pair.holder()
    after = pair.other(before)
    taking = pair.hosts[after]
    taking.run("nft delete table ip heyken_second_chance")
    try:
        events = pair.stream(LONG_QUESTION)
        assert next(events), "nothing was answered"
        with contextlib.suppress(requests.RequestException):  # its own connection is cut, too
            pair.switch(int(after[-1]), force=True)
        with pytest.raises(requests.RequestException):
            assert "done" not in list(events), "it came to its end"
    finally:
        taking.run(f"systemctl reload {VIP_UNIT}")
    assert "heyken_second_chance" in taking.run("nft list tables ip")
    wait_for("the address moved", lambda: pair.holders() == [after])


def _with_address(pair: Pair) -> list[str]:
    """Return the cores that would answer for the address: that on lo does not count."""
    look = f"ip -o -4 address show scope global to {settings.load().vip}/32"
    return [name for name, host in pair.hosts.items() if host.run(look).strip()]


KILLS = {
    "its first process": "kill -KILL $(systemctl show -P MainPID keepalived)",
    "all of it": "systemctl kill --signal=SIGKILL keepalived",
}


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS)
def test_a_killed_keepalived_leaves_no_address_behind(pair: Pair, kill: str) -> None:
    before = pair.holder()
    after = pair.other(before)
    assert _with_address(pair) == [before]
    wait_for("the other one stands by", lambda: pair.vrrp(after) == "BACKUP")
    host = pair.hosts[before]
    former = host.run(MAIN_PID)
    host.run(kill)
    wait_for("the other one took the address", lambda: pair.holders() == [after])
    wait_for("keepalived runs again", lambda: host.run(MAIN_PID) not in {former, "0\n"})
    wait_for("only one has the address", lambda: _with_address(pair) == [after])
    healthy(pair)
    assert _with_address(pair) == [after] == pair.holders()


def test_a_question_in_the_terminal_outlives_the_loss_of_its_core(pair: Pair) -> None:
    before = pair.holder()
    with pair.ask_in_terminal(LONG_QUESTION) as terminal:
        assert terminal.stdout is not None
        assert terminal.stdout.read(1), "nothing was answered"
        pair.hosts[before].kill()
        rest, told = terminal.communicate(timeout=60)
    assert terminal.returncode == 0, told
    assert not told.strip(), "the answer began anew: nothing of it was known at the other core"
    assert len(rest) > MANY, told
    assert_moved(pair, before, cause="failover")


def test_nobody_is_turned_away_while_a_gateway_is_restarted(pair: Pair) -> None:
    before = pair.holder()
    pair.hosts[before].run("systemctl restart --no-block heyken@gateway")
    for _ in range(ASKED_MEANWHILE):
        with pair.ask_in_terminal(QUESTION) as terminal:
            answer, told = terminal.communicate(timeout=60)
        assert terminal.returncode == 0, told
        assert answer.strip(), told


Fault = Callable[[Host], contextlib.AbstractContextManager[None]]
FAULTS: dict[str, Fault] = {
    "stopped": lambda host: units.stopped(host, OLLAMA),
    "hung": lambda host: units.hung(host, OLLAMA),
    "wrong": models.changed,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_core_whose_model_is(pair: Pair, fault: Fault) -> None:
    before = pair.holder()
    with fault(pair.hosts[before]):
        assert_moved(pair, before, cause="failover")
        sentence = pair.status()["cores"][before[-1]]["sentence"]
        assert "model" in sentence.lower() or "ollama" in sentence.lower(), sentence


def test_a_slow_holder_still_answers_and_the_address_does_not_flap(pair: Pair) -> None:
    holder, begun = pair.holder(), time.time()
    with hosts.slow(pair.hosts[holder], SLOW):
        for _ in range(3):
            assert pair.ask(QUESTION)["response"].strip()
        time.sleep(SLOW_SECONDS)  # long enough to be taken for dead or hung again and again
    moves = sum(int(host.run(TAKEN.format(begun))) for host in pair.hosts.values())
    assert moves <= 1, "it came and went"


def test_without_any_capable_core_people_get_the_reason(pair: Pair) -> None:
    with contextlib.ExitStack() as stack:
        for host in pair.hosts.values():
            stack.enter_context(units.stopped(host, OLLAMA))
        response = wait_for("the refusal", lambda: _refusal(pair))
        assert response["error"], response
        # For a moment each may believe in the other; then one of them has to stand for both.
        wait_for("one core says it for both", lambda: len(pair.holders()) == 1)


def _refusal(pair: Pair) -> dict[str, object] | None:
    response = pair.chat(QUESTION)
    return response.json() if response.status_code == 503 else None
