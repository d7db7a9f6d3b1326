"""Stopping, destroying and planning: who may, when, and what is left behind."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import containers, engine, preflight
from lab.problem import Problem
from lab.progress import Progress
from lab.settings import REPOSITORY, Lab, Networks
from tools import client_file, deploy, inventory, lifecycle

NOBODY = "nobody"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    networks = Networks("10.251.0.0/24", "10.251.1.0/24")
    return Lab(NOBODY, "lab", networks, tmp_path / "state" / NOBODY, tmp_path / "cache")


@pytest.fixture
def deployed(lab: Lab) -> Lab:
    """A lab that looks deployed; no engine has anything of it."""
    (lab.state / "terraform").mkdir(parents=True)
    (lab.state / "terraform" / "terraform.tfstate").write_text("{}")
    return lab


@contextmanager
def at_work(lab: Lab) -> Iterator[None]:
    """Hold the lab's lock, as a running deployment does."""
    with (lab.state / "deploy.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tools(lab: Lab, action: str, *, answer: str = "", **variables: str) -> tuple[int, str]:
    """Run `python -m tools <action>`; return its exit code and all it printed."""
    environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    environment |= {"HEYKEN_LAB": lab.name, "HEYKEN_STATE_DIR": str(lab.state.parent), **variables}
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "tools", action],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        input=answer,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("action", ["stop", "start"])
def test_nothing_stops_or_starts_under_a_running_deployment(deployed: Lab, action: str) -> None:
    with at_work(deployed):
        code, said = tools(deployed, action)
    assert code == 1
    assert f"another deployment of {NOBODY} is at work" in said
    assert not (deployed.state.parent / "engine").exists(), "it started an engine for nothing"


def test_nothing_is_destroyed_under_a_running_deployment(deployed: Lab) -> None:
    with at_work(deployed):
        code, said = tools(deployed, "destroy", CONFIRM=NOBODY)
    assert code == 1
    assert "another deployment" in said
    assert deployed.deployed


@pytest.mark.parametrize(
    ("answer", "variables"),
    [("", {}), ("other\n", {}), ("", {"CONFIRM": "other"}), (f"{NOBODY}\n", {"CONFIRM": ""})],
)
def test_destroying_needs_the_right_name(
    deployed: Lab, answer: str, variables: dict[str, str]
) -> None:
    code, said = tools(deployed, "destroy", answer=answer, **variables)
    assert code == 1
    assert "was not destroyed" in said
    assert deployed.deployed


class Engine:
    """Stands for Docker: down at first, with or without data on this machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, data: Path) -> None:
        self.did: list[str] = []
        monkeypatch.setenv("CONFIRM", NOBODY)
        monkeypatch.setattr(engine, "connect", lambda: self if self.did else None)
        monkeypatch.setattr(engine, "data_directory", lambda: data)
        monkeypatch.setattr(engine, "ensure", lambda _: self.did.append("started"))
        monkeypatch.setattr(engine, "stop_own", lambda: self.did.append("ended"))
        monkeypatch.setattr(lifecycle, "_terraform_destroy", lambda *_: self.did.append("removed"))
        monkeypatch.setattr(containers, "sweep", lambda _: [])


def test_destroying_first_starts_the_engine_that_has_the_hosts(
    deployed: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = Engine(monkeypatch, data=tmp_path)
    lifecycle.destroy(deployed, Progress())
    assert docker.did == ["started", "removed", "ended"]
    assert not deployed.state.exists()


def test_nothing_is_forgotten_while_the_hosts_cannot_be_reached(
    deployed: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = Engine(monkeypatch, data=tmp_path / "none")
    with pytest.raises(Problem, match="cannot be removed"):
        lifecycle.destroy(deployed, Progress())
    assert docker.did == []
    assert deployed.deployed


def test_nothing_is_forgotten_when_the_engine_does_not_start(
    deployed: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Progress) -> None:
        raise Problem("the Docker engine does not start", why="its log", todo="mend it")

    Engine(monkeypatch, data=tmp_path)
    monkeypatch.setattr(engine, "ensure", refuse)
    with pytest.raises(Problem, match="does not start"):
        lifecycle.destroy(deployed, Progress())
    assert deployed.deployed


def test_forgetting_machines_of_ones_own_touches_no_engine(
    deployed: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked() -> None:
        raise Problem("the Docker engine does not let you in", why="no root", todo="sudo")

    monkeypatch.setenv("CONFIRM", NOBODY)
    monkeypatch.setattr(engine, "connect", locked)
    monkeypatch.setattr(engine, "stop_own", locked)
    lifecycle.destroy(dataclasses.replace(deployed, environment="hosts"), Progress())
    assert not deployed.state.exists()


def test_an_answer_out_of_a_pipe_counts(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONFIRM", raising=False)
    with (lab.cache.parent / "answer").open("w+") as pipe:
        pipe.write(f"{NOBODY}\n")
        pipe.seek(0)
        monkeypatch.setattr("sys.stdin", pipe)
        lifecycle.confirm(lab)


def test_machines_of_ones_own_are_not_stopped_from_here(deployed: Lab) -> None:
    code, said = tools(deployed, "stop", HEYKEN_ENV="hosts")
    assert code == 1
    assert "runs on machines of yours" in said


def test_destroying_leaves_peoples_own_files_of_an_inventory(tmp_path: Path) -> None:
    place = tmp_path / "inventory" / "second"
    (place / "group_vars" / "cores").mkdir(parents=True)
    (place / "group_vars" / "all").mkdir()
    own = place / "group_vars" / "cores" / "ollama.yml"
    own.write_text("ollama_models: []\n")
    (place / "group_vars" / "cores" / "vip.yml").symlink_to(tmp_path / "shared")
    (place / "group_vars" / "all" / "vault.yml").symlink_to(tmp_path / "vault")
    (place / "hosts.yml").write_text("all: {}\n")
    assert inventory.remove(place) == [own]
    assert not (place / "group_vars" / "all").exists()
    own.unlink()
    assert inventory.remove(place) == []
    assert not place.exists()


def test_planning_a_new_lab_looks_at_the_machine_and_keeps_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(preflight, "check", lambda one: looked.append(one.name))
    with deploy._home_of_plan(lab, Progress()) as home:
        assert (home.state / "ssh" / "id_ed25519.pub").exists()
        assert home.networks == lab.networks
    assert looked == [NOBODY]
    assert not home.state.exists()
    assert not lab.state.exists()


def test_planning_a_new_lab_stops_at_what_is_in_the_way(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(_: Lab) -> None:
        raise Problem("network 10.251.0.0/24 is taken", why="a route", todo="another")

    monkeypatch.setattr(preflight, "check", taken)
    with pytest.raises(Problem, match="is taken"), deploy._home_of_plan(lab, Progress()):
        pass


def test_the_advice_reaches_the_lab_that_was_deployed(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    lab.state.mkdir(parents=True)
    lab.client_file.write_text("")
    assert deploy._command(lab).startswith(f"HEYKEN_CLIENT_FILE={lab.client_file} ")
    client_file.link(lab.client_file)
    assert "HEYKEN_CLIENT_FILE" not in deploy._command(lab)


def test_another_deployments_client_file_stays_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("")
    second.write_text("")
    client_file.link(first)
    client_file.link(second)
    assert client_file.is_default(first)
    first.unlink()
    client_file.link(second)
    assert client_file.is_default(second)


@pytest.mark.parametrize(
    ("given", "forced"),
    [("", False), ("FORCE=0", False), ("FORCE=no", False), ("FORCE=1", True), ("FORCE=yes", True)],
)
def test_force_means_what_it_says(given: str, forced: bool) -> None:
    printed = make("switch-core", *given.split())
    assert printed.returncode == 0, printed.stderr
    assert ("--force" in printed.stdout) is forced


@pytest.mark.parametrize("given", ["FORCE=2", "FORCE=ja", "JSON=2", "LABB=x"])
def test_an_unclear_setting_is_refused(given: str) -> None:
    printed = make("switch-core", given)
    assert printed.returncode != 0
    assert "✗" in printed.stderr


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """Return what make would run."""
    return subprocess.run(  # noqa: S603 - our own Makefile
        [shutil.which("make") or "make", "-n", *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
        timeout=30,
    )
