"""Terraform keeps its shape: described variables, a test per validation, equal outputs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.contract import support

_UNITS = [
    f"{kind}/{path.name}"
    for kind in ("modules", "environments")
    for path in sorted((support.ROOT / "terraform" / kind).glob("*/"))
]


def _blocks(path: Path, kind: str) -> dict[str, str]:
    """Return the top-level blocks of one kind by name; `terraform fmt` guarantees the layout."""
    found = re.findall(
        rf'^{kind} "(\w+)" \{{\n(.*?)^\}}',
        path.read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    return dict(found)


def test_there_are_modules_and_environments() -> None:
    assert {"modules/network", "modules/system_host"} <= set(_UNITS)
    assert {"environments/lab", "environments/hosts"} <= set(_UNITS)


@pytest.mark.parametrize("unit", _UNITS)
def test_unit_is_complete(unit: str) -> None:
    folder = support.ROOT / "terraform" / unit
    wanted = ["terraform.tf", "main.tf", "variables.tf", "outputs.tf", "README.md"]
    assert not [name for name in wanted if not (folder / name).is_file()]
    support.files(f"terraform/{unit}/tests/*.tftest.hcl", at_least=1)


@pytest.mark.parametrize("unit", _UNITS)
def test_variables_and_outputs_are_described(unit: str) -> None:
    folder = support.ROOT / "terraform" / unit
    variables = _blocks(folder / "variables.tf", "variable")
    assert variables, f"{unit}: no variable was found"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for name, body in variables.items():
        for attribute in ("type", "description"):
            assert re.search(rf"^  {attribute} +=", body, re.MULTILINE), (
                f"{unit}: {name}: {attribute}"
            )
        assert not re.search(r"\bany\b", body.split("validation")[0]), f"{unit}: {name} is any"
        assert f"`{name}`" in readme, f"{unit}: README.md does not mention {name}"
    for name, body in _blocks(folder / "outputs.tf", "output").items():
        assert "description" in body, f"{unit}: output {name}"


@pytest.mark.parametrize("unit", _UNITS)
def test_every_validation_has_a_test(unit: str) -> None:
    folder = support.ROOT / "terraform" / unit
    tests = "".join(
        path.read_text(encoding="utf-8")
        for path in support.files(f"terraform/{unit}/tests/*.tftest.hcl", at_least=1)
    )
    for name, body in _blocks(folder / "variables.tf", "variable").items():
        validations = body.count("validation {")
        expected = len(re.findall(rf"expect_failures = \[var\.{name}\]", tests))
        assert expected >= validations, (
            f"{unit}: {name}: {validations} validations, {expected} tests"
        )


def test_environments_give_the_same_outputs() -> None:
    outputs = {
        path.parent.name: set(_blocks(path, "output"))
        for path in support.files("terraform/environments/*/outputs.tf", at_least=2)
    }
    assert set(map(frozenset, outputs.values())) == {frozenset({"hosts", "networks"})}, outputs


def test_terraform_configures_no_software() -> None:
    for path in support.files("terraform/*.tf", at_least=10):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'provisioner "|local-exec|remote-exec', text), support.name_of(path)


def test_the_oldest_terraform_is_the_one_the_lab_accepts() -> None:
    catalog = tomllib.loads((support.ROOT / "lab" / "catalog.toml").read_text(encoding="utf-8"))
    oldest = catalog["terraform"]["version_min"].removesuffix(".0")
    for path in support.files("terraform/*/terraform.tf", at_least=4):
        wanted = f'required_version = ">= {oldest}, < 2.0"'
        assert wanted in path.read_text(encoding="utf-8"), f"{support.name_of(path)}: {wanted}"
