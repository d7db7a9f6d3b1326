"""What is remembered of an apply, so that the next run can clear up after one that was cut."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.problem import Problem
from tools.terraform import Terraform

STATE = {
    "resources": [
        {"instances": [{"attributes": {"id": "c-1"}}, {"attributes": {"id": "c-2"}}]},
        {"instances": [{"attributes": {"id": "n-1"}}, {"attributes": {"id": None}}]},
        {"instances": []},
    ]
}


def terraform(place: Path, *, end: int) -> Terraform:
    """Return a Terraform whose program only ends, with the exit code `end`."""
    tree, home = place / "tree", place / "home"
    (tree / "environments" / "lab").mkdir(parents=True, exist_ok=True)
    home.mkdir(exist_ok=True)
    program = place / "terraform"
    program.write_text(f"#!/bin/sh\nexit {end}\n")
    program.chmod(0o755)
    return Terraform(program, tree=tree, environment="lab", home=home)


def test_an_apply_that_was_cut_is_remembered_until_one_came_to_its_end(tmp_path: Path) -> None:
    cut = terraform(tmp_path, end=1)
    assert cut.cut_since() is None
    with pytest.raises(Problem, match="terraform apply failed"):
        cut.apply()
    since = terraform(tmp_path, end=0).cut_since()
    assert since is not None
    assert since > 1_700_000_000
    whole = terraform(tmp_path, end=0)
    whole.apply()
    assert whole.cut_since() is None


def test_everything_in_the_state_is_known(tmp_path: Path) -> None:
    one = terraform(tmp_path, end=0)
    assert one.ids() == set()
    (tmp_path / "home" / "terraform.tfstate").write_text(json.dumps(STATE))
    assert one.ids() == {"c-1", "c-2", "n-1"}
