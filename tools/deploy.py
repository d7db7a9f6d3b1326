"""`make deploy`: from a bare machine to an answered question, and again without a change."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from heyken_glue.cli.environment import CLIENT_FILE
from lab import catalog, containers, engine, preflight, prepare, realtime
from lab.artifacts import ollama
from lab.problem import Problem
from lab.progress import Progress
from lab.settings import REPOSITORY, Lab
from tools import (
    chat,
    check_inventory,
    client_file,
    components,
    exclusive,
    inventory,
    playbook,
    programs,
    secrets,
    summary,
)
from tools.client import require
from tools.terraform import Terraform

QUESTION = "What is the capital of Poland?"


def deploy(lab: Lab, progress: Progress) -> None:
    """Check, prepare, provision, configure, prove; print the summary.

    Raises Problem at the first thing that a person has to mend; running it again goes on.
    """
    with _only_one_checked(lab, progress):
        prepared, addresses = _provision(lab, progress)
        with progress.phase("Ansible"):
            playbook.run("site.yml", inventory=lab.inventory, state=lab.state)
        with progress.phase("proof"):
            # the answer is kept as a proof, without which the status is not green
            answer = {"question": QUESTION, **heyken(lab, "prove", QUESTION, "--json")}
            status = heyken(lab, "status", "--json")
    if lab.is_default:
        for place in programs.link():
            progress.say(f"linked {place}")
    _summarise(lab, prepared, addresses, status=status, answer=answer, progress=progress)


def provision(lab: Lab, progress: Progress) -> None:
    """Check, prepare, make secrets, hosts and networks, and write the inventory."""
    with _only_one_checked(lab, progress):
        _provision(lab, progress)


def plan(lab: Lab, progress: Progress) -> None:
    """Say whether Terraform would change something; it changes nothing.

    For a lab that is not there it looks at the machine as deploying does, and keeps nothing.
    """
    with _home_of_plan(lab, progress) as home:
        prepared = prepare.prepare(lab, progress, chat_may_be_official=chat.may_be_official(lab))
        with progress.phase("terraform plan"):
            terraform = root(home, prepared.terraform)
            terraform.init(prepared.provider.directory if prepared.provider else None)
            changes = terraform.plan(variables(home, prepared.image))
        progress.say(terraform.show() if changes else "nothing would change")


@contextmanager
def _only_one_checked(lab: Lab, progress: Progress) -> Iterator[None]:
    """Look at the machine and the inventory; then keep others from this lab until all is done."""
    with progress.phase("checks"):
        check_inventory.check(REPOSITORY / "inventory" / inventory.COMMITTED, lab.inventory)
        if lab.environment == "lab":
            preflight.check(lab)
        lab.remember()
    with exclusive.only_one(lab):
        yield


@contextmanager
def _home_of_plan(lab: Lab, progress: Progress) -> Iterator[Lab]:
    """Give the lab to plan for: itself if it is deployed, else one with a passing state."""
    if lab.deployed:
        with exclusive.only_one(lab):
            yield lab
        return
    with progress.phase("checks"):
        if lab.environment == "lab":
            preflight.check(lab)
    with tempfile.TemporaryDirectory(prefix="heyken-plan-") as place:
        home = dataclasses.replace(lab, state=Path(place))
        secrets.ensure(home.state, home.name, chat_users=chat.users(lab))
        yield home


def _provision(lab: Lab, progress: Progress) -> tuple[prepare.Prepared, Mapping[str, str]]:
    """Return what was prepared and the addresses people use."""
    official = chat.may_be_official(lab)
    prepared = prepare.prepare(lab, progress, chat_may_be_official=official)
    with progress.phase("secrets"):
        if secrets.ensure(lab.state, lab.name, chat_users=chat.users(lab)):
            progress.say(f"generated what was missing of CA, tokens, passwords in {lab.state}")
    return prepared, _describe(lab, prepared, _terraform(lab, prepared, progress))


def verify(lab: Lab, progress: Progress) -> None:
    """Check the deployed lab: one holder, two healthy cores, an answer."""
    require(lab)
    with progress.phase("verify"):
        playbook.run("verify.yml", inventory=lab.inventory, state=lab.state)


def _terraform(lab: Lab, prepared: prepare.Prepared, progress: Progress) -> dict[str, Any]:
    """Let Terraform make hosts and networks, and return its outputs."""
    with progress.phase("Terraform"):
        terraform = root(lab, prepared.terraform)
        terraform.init(prepared.provider.directory if prepared.provider else None)
        if lab.environment == "lab":
            since = terraform.cut_since()
            for thing in (
                containers.drop_unknown(lab, terraform.ids(), since=since) if since else ()
            ):
                progress.say(f"removed what an interrupted run left half made: {thing}")
            containers.start(lab)  # a stopped host would look like a difference
        if terraform.plan(variables(lab, prepared.image)):
            terraform.apply()
        outputs = terraform.outputs()
        if lab.environment == "lab":
            containers.write_known_hosts(lab, outputs["hosts"])
            _grant_realtime(lab, outputs["hosts"], progress)
    return outputs


def _grant_realtime(lab: Lab, hosts: Mapping[str, Any], progress: Progress) -> None:
    """Let keepalived of the cores run in time, however busy the machine is."""
    if not realtime.available():
        return
    if not engine.is_own():
        progress.say("the engine is the machine's own: its real-time settings stay as they are")
        return
    addresses = {host["address"] for host in hosts.values() if "cores" in host["groups"]}
    chosen = [one for one in containers.all_of(lab) if containers.address(one) in addresses]
    for told in realtime.grant(chosen):
        progress.say(told)


def root(lab: Lab, program: Path) -> Terraform:
    """Return the lab's Terraform root module."""
    home = lab.state / "terraform"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Terraform(program, tree=REPOSITORY / "terraform", environment=lab.environment, home=home)


def variables(lab: Lab, image: str) -> dict[str, Any]:
    """Return the variables of the environment that do not stand in its tfvars."""
    if lab.environment != "lab":
        return {}
    return {
        "name": lab.name,
        "engine_host": engine.URL,
        "image": image,
        "system_subnet": lab.networks.system_subnet,
        "sandbox_subnet": lab.networks.sandbox_subnet,
        "cgroup_version": containers.cgroup_version(),
        "ssh_public_key": (lab.state / "ssh" / "id_ed25519.pub").read_text().strip(),
    }


def heyken(lab: Lab, *words: str) -> dict[str, Any]:
    """Run the command line as a person would and return what it prints as JSON."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("heyken")), *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        env={**os.environ, CLIENT_FILE: str(lab.client_file)},
    )
    if done.returncode != 0:
        raise Problem(
            f"heyken {words[0]} failed ({done.returncode})",
            why=(done.stderr or done.stdout).strip(),
            todo="run make status; then see docs/runbooks/",
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _describe(
    lab: Lab, prepared: prepare.Prepared, outputs: Mapping[str, Any]
) -> Mapping[str, str]:
    """Write inventory and client file; return the addresses people use."""
    artifacts = {
        "ollama": str(prepared.ollama.file(ollama.PROGRAM)),
        "ollama_libraries": ollama.libraries(prepared.ollama),
        "ollama_version": catalog.section("ollama")["version"],
        "ollama_origin": prepared.ollama.origin,
        "glue_bundles": {version: str(path) for version, path in prepared.bundles.items()},
        "model": str(prepared.model.file("model.gguf")),
        "model_sha256": catalog.section("model")["sha256"],
        **chat.artifacts(prepared.chat, prepared.compose),
    }
    stand_ins = ["rocketchat"] if prepared.chat.standin else []
    about = inventory.Deployment(lab.name, lab.environment, stand_ins, artifacts, lab.state)
    inventory.write(lab.inventory, outputs, about)
    doors = client_file.write(
        lab.client_file,
        name=lab.name,
        state=lab.state,
        inventory=lab.inventory,
        outputs=outputs,
        default=lab.is_default,
    )
    return {**chat.addresses(lab, outputs), **doors}


def _summarise(
    lab: Lab,
    prepared: prepare.Prepared,
    addresses: Mapping[str, str],
    *,
    status: Mapping[str, Any],
    answer: Mapping[str, Any],
    progress: Progress,
) -> None:
    summary.show(
        summary.Summary(
            name=lab.name,
            addresses=addresses,
            components=components.of(
                lab, prepared, addresses, heyken_version=str(status.get("version"))
            ),
            status=status,
            answer=answer,
            state=lab.state,
            client_file=lab.client_file,
            command=_command(lab),
            seconds=progress.seconds,
            remarks=components.remarks(lab),
        ),
        progress.console,
    )


def _command(lab: Lab) -> str:
    """Return how a person calls `heyken` for this lab, from any shell."""
    if client_file.is_default(lab.client_file):
        return programs.command()
    return f"{CLIENT_FILE}={lab.client_file} {programs.command()}"
