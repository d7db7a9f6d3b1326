"""Terraform from Python: one small wrapper around python-terraform that knows its broken calls.

`output(name)`, the default `destroy()`, `import_cmd` and `synchronous=False` of python-terraform
0.10 do not work with current Terraform, and none of its calls has a time limit. So it composes the
commands and this module runs them; nobody else here imports it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import python_terraform

from lab.problem import Problem

VARIABLES = "deployment.auto.tfvars.json"
CHANGED = 2  # what `plan -detailed-exitcode` says when there is something to do
CLI_CONFIG = """provider_installation {{
  filesystem_mirror {{
    path = "{mirror}"
  }}
}}
"""


class Terraform:
    """One environment, run in a copy of the Terraform tree outside the checkout.

    The copy keeps the lock file of a locally built provider, the plugin directory and the state
    away from what is under version control.
    """

    def __init__(self, program: Path, *, tree: Path, environment: str, home: Path) -> None:
        self._home = home
        self._mark = home / "applying"
        self.directory = home / "tree" / "environments" / environment
        _copy(tree, home / "tree")
        self._env = {
            **os.environ,
            "TF_DATA_DIR": str(home / "data"),
            "TF_CLI_CONFIG_FILE": str(home / "terraform.rc"),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }
        self._terraform = python_terraform.Terraform(
            working_dir=str(self.directory), terraform_bin_path=str(program)
        )

    def init(self, mirror: Path | None) -> None:
        """Initialise; with `mirror` providers come from that directory and nowhere else."""
        config = self._home / "terraform.rc"
        text = CLI_CONFIG.format(mirror=mirror) if mirror else ""
        # Once is enough for one set of files: nothing else would make it choose differently.
        stamp, made_from = self._home / "initialised", _fingerprint(self.directory.parents[1], text)
        if stamp.exists() and stamp.read_text() == made_from and (self._home / "data").exists():
            return
        config.write_text(text)
        state = self._home / "terraform.tfstate"
        self._run("init", "-input=false", "-reconfigure", f"-backend-config=path={state}")
        stamp.write_text(made_from)

    def plan(self, variables: Mapping[str, Any]) -> bool:
        """Write the plan; True if it would change something."""
        file = self.directory / VARIABLES
        file.write_text(json.dumps(variables, indent=1))
        file.chmod(0o600)
        code = self._run(
            "plan", "-input=false", "-detailed-exitcode", "-out=plan", allowed=(0, CHANGED)
        )[0]
        return code == CHANGED

    def show(self) -> str:
        """Return the plan written last, for people."""
        return self._run("show", "plan")[1]

    def apply(self) -> None:
        """Carry out the plan written last."""
        self._mark.write_text(str(time.time()))
        self._run("apply", "-input=false", "plan", seconds=600)
        self._mark.unlink()

    def cut_since(self) -> float | None:
        """Return when an apply began that did not come to its end; None if none was cut."""
        return float(self._mark.read_text()) if self._mark.exists() else None

    def ids(self) -> set[str]:
        """Return the ids of everything in the state."""
        file = self._home / "terraform.tfstate"
        state = json.loads(file.read_text()) if file.exists() else {}
        return {
            instance["attributes"]["id"]
            for resource in state.get("resources", [])
            for instance in resource["instances"]
            if instance["attributes"].get("id")
        }

    def destroy(self) -> None:
        """Destroy everything in the state."""
        self._run("destroy", "-input=false", "-auto-approve", seconds=600)

    def outputs(self) -> dict[str, Any]:
        """Return all outputs as plain values."""
        out = self._run("output", "-json")[1]
        return {name: entry["value"] for name, entry in json.loads(out).items()}

    def _run(
        self, command: str, *options: str, seconds: float = 180, allowed: tuple[int, ...] = (0,)
    ) -> tuple[int, str]:
        words = self._terraform.generate_cmd_string(command, "-no-color", *options)
        process = subprocess.Popen(
            words,
            cwd=self.directory,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            process.terminate()
            process.wait(30)
            raise Problem(
                f"terraform {command} was ended",
                why=f"no end after {seconds:.0f} s",
                todo="see what the engine is doing (docker ps), then run make deploy again",
            ) from error
        except KeyboardInterrupt:
            # It got the interrupt from the terminal, or goes on; either way it ends by itself and
            # writes its state. A second interrupt would make it drop what it holds.
            process.wait(seconds)
            raise
        if process.returncode not in allowed:
            why = "\n        ".join(line for line in err.decode().splitlines() if line.strip())
            raise Problem(f"terraform {command} failed", why=why, todo=_advice(why))
        return process.returncode, out.decode()


def _fingerprint(tree: Path, config: str) -> str:
    digest = hashlib.sha256(config.encode())
    for path in sorted(tree.rglob("*.tf")):
        digest.update(str(path.relative_to(tree)).encode() + path.read_bytes())
    return digest.hexdigest()


def _advice(text: str) -> str:
    if "is already in use" in text or "already exists" in text:
        return "a half-finished lab is in the way: make destroy, then make deploy"
    if "Pool overlaps" in text:
        return "choose free networks: make deploy SYSTEM_SUBNET=10.90.0.0/24"
    return "mend what the message names, then run make deploy again"


def _copy(tree: Path, into: Path) -> None:
    for old in into.rglob("*.tf*"):
        if old.is_file() and not old.name.startswith((".terraform", VARIABLES)):
            old.unlink()
    ignore = shutil.ignore_patterns(".terraform*", "*.tfstate*", "tests")
    shutil.copytree(tree, into, dirs_exist_ok=True, ignore=ignore)
