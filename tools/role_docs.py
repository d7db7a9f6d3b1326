"""Writes what is documented once: the variables of the roles, out of their argument specs.

Targets: each role's README (between two markers), docs/reference/roles.md and
docs/reference/variables.md. With `--check` nothing is written, and a difference is an error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools import repository

BEGIN = "<!-- variables: begin -->"
END = "<!-- variables: end -->"
COMMAND = "python -m tools.role_docs"
GENERATED = f"<!-- Written by `{COMMAND}`; change the argument specs instead. -->"


@dataclass(frozen=True)
class Option:
    """One input of a role, as its argument spec declares it."""

    name: str
    type: str
    required: bool
    default: str
    meaning: str


@dataclass(frozen=True)
class Role:
    """One role: where it lives, what it is for, its inputs and its tags."""

    name: str
    directory: Path
    summary: str
    options: tuple[Option, ...]
    tags: tuple[str, ...]


def roles(root: Path = repository.ROOT) -> list[Role]:
    """Read every role that has an argument spec."""
    specs = repository.files("ansible/roles/*/meta/argument_specs.yml", root=root)
    return [_role(spec) for spec in specs]


def _role(spec: Path) -> Role:
    directory = spec.parent.parent
    entry = yaml.safe_load(spec.read_text(encoding="utf-8"))["argument_specs"]["main"]
    return Role(
        name=directory.name,
        directory=directory,
        summary=str(entry["short_description"]).rstrip("."),
        options=tuple(_options(entry.get("options") or {})),
        tags=_tags(directory / "tasks" / "main.yml"),
    )


def _options(declared: dict[str, dict[str, Any]], prefix: str = "") -> Iterator[Option]:
    """Return the options in order; those inside a list or a dict follow it, as `outer.inner`."""
    for name, fields in declared.items():
        yield _option(prefix + name, fields)
        yield from _options(fields.get("options") or {}, f"{prefix}{name}.")


def _option(name: str, fields: dict[str, Any]) -> Option:
    kind = str(fields.get("type", "str"))
    if "elements" in fields:
        kind = f"{kind} of {fields['elements']}"
    if "choices" in fields:
        kind += ": " + ", ".join(f"`{choice}`" for choice in fields["choices"])
    required = bool(fields.get("required", False))
    return Option(
        name=name,
        type=kind,
        required=required,
        default="required" if required else _default(fields),
        meaning=_one_line(fields.get("description", "")),
    )


def _default(fields: dict[str, Any]) -> str:
    if "default" not in fields:
        return "none"
    value = fields["default"]
    return f"`{value if isinstance(value, str) and value else json.dumps(value)}`"


def _one_line(text: str | list[str]) -> str:
    joined = text if isinstance(text, str) else " ".join(text)
    return " ".join(joined.split())


def _tags(main: Path) -> tuple[str, ...]:
    tasks = yaml.safe_load(main.read_text(encoding="utf-8")) if main.is_file() else []
    found: list[str] = []
    for task in tasks or []:
        tags = task.get("tags", [])
        found += [tags] if isinstance(tags, str) else tags
    return tuple(dict.fromkeys(found))


def cell(text: str) -> str:
    """Escape a text for a Markdown table."""
    return text.replace("|", "\\|")


def options_table(options: tuple[Option, ...]) -> str:
    """Return the table of a role's inputs."""
    if not options:
        return "This role has no inputs.\n"
    rows = [
        f"| `{option.name}` | {cell(option.type)} | {cell(option.default)} |"
        f" {cell(option.meaning)} |"
        for option in options
    ]
    return "\n".join(
        ["| input | type | default | meaning |", "| --- | --- | --- | --- |", *rows, ""]
    )


def readme(role: Role, text: str) -> str:
    """Return the README's text with the table between the markers replaced.

    Raises ValueError if the markers are missing or stand in the wrong order.
    """
    before, found_begin, rest = text.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not (found_begin and found_end):
        raise ValueError(f"ansible/roles/{role.name}/README.md lacks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{options_table(role.options)}{END}{after}"


def roles_page(listed: list[Role]) -> str:
    """Return docs/reference/roles.md."""
    rows = [
        f"| [{role.name}](../../ansible/roles/{role.name}/README.md) | {cell(role.summary)} |"
        f" {sum('.' not in option.name for option in role.options)} |"
        f" {', '.join(f'`{tag}`' for tag in role.tags)} |"
        for role in listed
    ]
    head = ["# Roles", "", GENERATED, "", "| role | what for | inputs | tags |"]
    return "\n".join([*head, "| --- | --- | --- | --- |", *rows, ""])


def variables_page(listed: list[Role]) -> str:
    """Return docs/reference/variables.md."""
    parts = ["# Variables of all roles", "", GENERATED, ""]
    for role in listed:
        parts += [f"## {role.name}", "", role.summary + ".", "", options_table(role.options)]
    return "\n".join(parts)


def pages(root: Path = repository.ROOT) -> Iterator[tuple[Path, str]]:
    """Return every generated file with the text it should have."""
    listed = roles(root)
    for role in listed:
        file = role.directory / "README.md"
        yield file, readme(role, file.read_text(encoding="utf-8") if file.is_file() else "")
    yield root / "docs" / "reference" / "roles.md", roles_page(listed)
    yield root / "docs" / "reference" / "variables.md", variables_page(listed)


def outdated(root: Path = repository.ROOT) -> Iterator[tuple[Path, str]]:
    """Return the generated files whose text differs, with the text they should have."""
    for file, text in pages(root):
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            yield file, text


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or with --check only say which differ (exit code 1)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    options = parser.parse_args(arguments)
    changed = list(outdated())
    for file, text in changed:
        name = file.relative_to(repository.ROOT)
        if options.check:
            print(f"{name} is out of date: run {COMMAND}")
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
