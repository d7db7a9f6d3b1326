"""Finds unknown variables and values of a wrong kind in an inventory, before anything runs.

Values that are templates, and ranges, are judged on each host by playbook inputs.yml.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from lab.problem import Problem
from lab.spelling import nearest

REPOSITORY = Path(__file__).resolve().parent.parent
# Facts about the deployment as a whole, written by tools/inventory.py and read by the wiring.
DEPLOYMENT = {"deployment_", "vault_", "lab_", "system_network", "sandbox_network", "ansible_"}
CHECKED = ("type", "elements", "options", "choices")
TEMPLATE = "{{"


class _Loader(yaml.SafeLoader):
    """Reads what Ansible reads: a tag such as !vault marks a value that is known later."""


_Loader.add_multi_constructor("!", lambda *_: TEMPLATE)


def declared() -> dict[str, dict[str, Any]]:
    """Return every input that a role declares in its meta/argument_specs.yml."""
    found: dict[str, dict[str, Any]] = {}
    for file in (REPOSITORY / "ansible" / "roles").glob("*/meta/argument_specs.yml"):
        specs = yaml.safe_load(file.read_text())["argument_specs"]
        found |= specs["main"].get("options") or {}
    return found


def check(*inventories: Path) -> None:
    """Raise Problem for the first variable that no role declares or whose value is of a wrong kind.

    inventories: directories; files that are links are looked at where they lie.
    """
    options = declared()
    for file in _files(*inventories):
        text = file.read_text()
        for name, value in _content(file, text).items():
            if not name.startswith(tuple(DEPLOYMENT)):
                _known(file, name, options)
                _right_kind(file, text, name, value=value, option=options[name])


def _files(*inventories: Path) -> Iterator[Path]:
    for inventory in inventories:
        for file in sorted(inventory.glob("*_vars/**/*.yml")):
            if file.name != "vault.yml" and not file.is_symlink():
                yield file


def _content(file: Path, text: str) -> dict[str, Any]:
    try:
        content = yaml.load(text, _Loader) or {}  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise Problem(
            f"{_shown(file)} cannot be read", why=" ".join(str(error).split()), todo="mend the YAML"
        ) from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise Problem(
            f"{_shown(file)} holds no variables",
            why="each of its lines at the margin has to be a name, a colon and a value",
            todo="write it as the files beside it are",
        )
    return content


def _known(file: Path, name: str, options: dict[str, dict[str, Any]]) -> None:
    if name not in options:
        raise Problem(
            f"{name} is not a variable of any role",
            why=f"{_shown(file)} sets it",
            todo="correct it, or remove it"
            f"{nearest(name, options)} (all of them: docs/reference/variables.md)",
        )


def _right_kind(file: Path, text: str, name: str, *, value: object, option: dict[str, Any]) -> None:
    """Judge a value that stands there plainly, as Ansible will."""
    if TEMPLATE in str(value) or "{%" in str(value):
        return
    spec = {key: option[key] for key in CHECKED if key in option}
    wrong = "it is empty"
    if value is not None:
        wrong = "; ".join(
            ArgumentSpecValidator({name: spec}).validate({name: value}).error_messages
        )
    if not wrong:
        return
    line = _line_of(name, text)
    raise Problem(
        f"{name} in {_shown(file)}, line {line}, is {value!r}",
        why=wrong,
        todo=f"give it {_wanted(option)}: {str(option['description']).strip()}",
    )


def _line_of(name: str, text: str) -> int:
    numbered = enumerate(text.splitlines(), start=1)
    return next((number for number, line in numbered if re.match(rf"['\"]?{name}\b", line)), 1)


def _wanted(option: dict[str, Any]) -> str:
    if "choices" in option:
        return "one of " + ", ".join(str(choice) for choice in option["choices"])
    kind = str(option.get("type", "str"))
    return (
        f"a {kind} of {option['elements']}" if "elements" in option else f"a value of type {kind}"
    )


def _shown(file: Path) -> Path:
    return file.relative_to(REPOSITORY) if file.is_relative_to(REPOSITORY) else file


if __name__ == "__main__":
    try:
        check(REPOSITORY / "inventory" / "lab")
    except Problem as problem:
        sys.exit(f"✗ {problem}")
