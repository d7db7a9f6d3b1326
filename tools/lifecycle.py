"""Stop, start and destroy a lab."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import ExitStack

from lab import containers, engine
from lab.artifacts import terraform as terraform_program
from lab.problem import Problem
from lab.progress import Progress
from lab.settings import Lab
from tools import client_file, deploy, exclusive, inventory, programs

CONSEQUENCES = {
    "lab": "This destroys the lab '{name}' and its secrets.",
    "hosts": "This forgets the deployment '{name}' and its secrets; its machines stay as they are.",
}


def stop(lab: Lab, progress: Progress) -> None:
    """Stop the hosts; everything on them stays."""
    _require(lab)
    with exclusive.only_one(lab), progress.phase("stop"):
        names = containers.stop(lab)
    told = ", ".join(names) or "nothing ran"
    progress.say(f"stopped: {told}; {lab.make('start')} brings it back")


def start(lab: Lab, progress: Progress) -> None:
    """Start engine and hosts, and wait until a question is answered."""
    _require(lab)
    with exclusive.only_one(lab):
        with progress.phase("engine"):
            engine.ensure(progress)
        with progress.phase("start"):
            containers.start(lab)
    with progress.phase("proof", estimate="the models load"):
        answer = _patiently(lab)
    progress.say(f"core {answer['core']} answers")


def _require(lab: Lab) -> None:
    if lab.environment != "lab":
        raise Problem(
            f"{lab.name} runs on machines of yours",
            why="only the containers of a lab can be stopped and started from here",
            todo="stop the machines themselves, first the core that is not active",
        )
    if not lab.deployed:
        raise Problem(
            f"there is no lab {lab.name}",
            why=f"{lab.state} has no state",
            todo=lab.make("deploy"),
        )


def destroy(lab: Lab, progress: Progress) -> None:
    """Remove the lab: hosts, networks, volumes, state, secrets, and the engine if it was ours."""
    confirm(lab)
    with ExitStack() as stack:
        if lab.state.exists():
            stack.enter_context(exclusive.only_one(lab))
        if lab.environment == "lab":  # machines of one's own have no engine that we may touch
            _remove_hosts(lab, progress)
        _forget(lab, progress)
        if lab.is_default:
            programs.unlink()
    if lab.environment == "lab":
        with progress.phase("engine"):
            ended = engine.stop_own()
        if ended:
            progress.say("the engine that the deployment had started has ended")
    progress.say(f"the artefacts stay in {lab.cache}")


def _remove_hosts(lab: Lab, progress: Progress) -> None:
    """Remove hosts, networks and volumes; Problem if the engine that has them does not answer."""
    made = (lab.state / "terraform").exists()
    if made:
        _wake(lab, progress)
    with progress.phase("destroy"):
        if made:
            _terraform_destroy(lab, progress)
        swept = containers.sweep(lab)
    for thing in swept:
        progress.say(f"was left over: {thing}")


def _wake(lab: Lab, progress: Progress) -> None:
    """Start the engine that holds the hosts: after a reboot nothing else may have done so."""
    if engine.connect() is not None:
        return
    if not engine.data_directory().exists():
        # An engine made anew would know nothing of the hosts, and they would seem to be gone.
        raise Problem(
            f"the hosts of {lab.name} cannot be removed",
            why="no Docker engine answers, and none that we could start has data here",
            todo=f"start the engine that has them, then {lab.make('destroy')}; "
            f"if they are gone for good: rm -r {lab.state}",
        )
    with progress.phase("engine"):
        engine.ensure(progress)


def confirm(lab: Lab) -> None:
    """Ask for the lab's name, unless CONFIRM gives it."""
    given = os.environ.get("CONFIRM")
    if given is None:
        sys.stdout.write(f"{CONSEQUENCES[lab.environment].format(name=lab.name)} Type its name: ")
        sys.stdout.flush()
        given = sys.stdin.readline().strip()  # a person's, or what a pipe holds
    if given != lab.name:
        raise Problem(
            f"lab {lab.name} was not destroyed",
            why=f"its name was not confirmed (got '{given}')",
            todo=f"type {lab.name} when asked, or: {lab.make('destroy')} CONFIRM={lab.name}",
        )


def _terraform_destroy(lab: Lab, progress: Progress) -> None:
    terraform = deploy.root(lab, terraform_program.find(lab.cache, progress))
    try:
        terraform.destroy()
    except Problem as problem:
        # What the state does not know is found by its label; the sweep that follows takes it.
        progress.say(f"[yellow]{problem.what}: {problem.why.splitlines()[0]}[/]")


def _forget(lab: Lab, progress: Progress) -> None:
    kept = inventory.remove(lab.inventory)
    if kept and not lab.is_default:
        progress.say(f"your own files stay: {', '.join(str(path) for path in kept)}")
    client_file.unlink(lab.client_file)
    shutil.rmtree(lab.state, ignore_errors=True)


def _patiently(lab: Lab) -> dict[str, object]:
    attempts = 30
    for attempt in range(attempts):
        try:
            return deploy.heyken(lab, "ask", deploy.QUESTION, "--json")
        except Problem:
            if attempt == attempts - 1:
                raise
            time.sleep(1)
    raise AssertionError
