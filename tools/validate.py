"""`make validate`: every Terraform directory is valid and passes its own tests."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from lab import cache, settings
from lab.artifacts import provider
from lab.artifacts import terraform as terraform_program
from lab.problem import Problem
from lab.progress import Progress
from lab.settings import REPOSITORY, Lab
from lab.shell import run
from tools import ending
from tools.terraform import CLI_CONFIG

LEAST = 4  # directories: two modules and two environments


def validate(lab: Lab, progress: Progress) -> None:
    """Run `terraform init`, `validate` and `test` in a copy of each directory.

    Raises Problem with Terraform's output at the first failure, and if there is too little to test.
    """
    program = terraform_program.find(lab.cache, progress)
    made = cache.obtain(
        provider.recipe(program, lab.cache, progress), cache=lab.cache, progress=progress
    )
    home = lab.cache / "validate"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(REPOSITORY / "terraform", home / "terraform")
    config = home / "terraform.rc"
    config.write_text(CLI_CONFIG.format(mirror=made.directory))
    directories = sorted({path.parent.parent for path in home.rglob("tests/*.tftest.hcl")})
    if len(directories) < LEAST:
        raise Problem(
            f"only {len(directories)} Terraform directories have tests",
            why=f"at least {LEAST} were expected",
            todo="add tests/<name>.tftest.hcl to those that lack them",
        )
    for directory in directories:
        name = str(directory.relative_to(home))
        with progress.phase(name):
            progress.say(_test(program, directory, config))
    shutil.rmtree(home)


def _test(program: Path, directory: Path, config: Path) -> str:
    env = {"TF_CLI_CONFIG_FILE": str(config), "CHECKPOINT_DISABLE": "1"}
    env |= {"TF_DATA_DIR": str(directory / ".terraform")}
    for words in (["init", "-backend=false", "-input=false"], ["validate"]):
        run([program, *words, "-no-color"], timeout_seconds=120, env=env, cwd=directory)
    out = run([program, "test", "-no-color"], timeout_seconds=300, env=env, cwd=directory)
    return out.strip().splitlines()[-1]


if __name__ == "__main__":
    os.environ.pop("TF_CLI_CONFIG_FILE", None)
    sys.exit(
        ending.run(
            lambda: validate(settings.load(), Progress()), otherwise="python -m tools.validate"
        )
    )
