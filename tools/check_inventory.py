"""Finds variables in an inventory that no role knows: mistyped ones, and ones that are gone."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from lab.problem import Problem
from lab.spelling import nearest

REPOSITORY = Path(__file__).resolve().parent.parent
# Facts about the deployment as a whole, written by tools/inventory.py and read by the wiring.
DEPLOYMENT = {"deployment_", "vault_", "lab_", "system_network", "sandbox_network", "ansible_"}


def known_variables() -> set[str]:
    """Return every input that a role declares in its meta/argument_specs.yml."""
    known: set[str] = set()
    for file in (REPOSITORY / "ansible" / "roles").glob("*/meta/argument_specs.yml"):
        specs = yaml.safe_load(file.read_text())["argument_specs"]
        known |= set(specs["main"].get("options", {}))
    return known


def unknown_variables(inventory: Path) -> None:
    """Raise Problem for the first variable below `inventory` that no role declares."""
    known = known_variables()
    files = sorted(inventory.glob("*_vars/**/*.yml"))
    for file in files:
        if file.name == "vault.yml":
            continue
        try:
            content = yaml.safe_load(file.read_text()) or {}
        except yaml.YAMLError as error:
            raise Problem(
                f"{file.relative_to(REPOSITORY)} cannot be read",
                why=" ".join(str(error).split()),
                todo="mend the YAML",
            ) from error
        for name in content:
            if name not in known and not name.startswith(tuple(DEPLOYMENT)):
                raise Problem(
                    f"{name} is not a variable of any role",
                    why=f"{file.relative_to(REPOSITORY)} sets it",
                    todo="correct it, or remove it"
                    f"{nearest(name, known)} (all of them: docs/reference/variables.md)",
                )


if __name__ == "__main__":
    try:
        unknown_variables(REPOSITORY / "inventory" / "lab")
    except Problem as problem:
        sys.exit(f"✗ {problem}")
