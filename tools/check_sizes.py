"""Keeps files and functions small enough to be read at a glance.

Exceptions stand in .config/size-exceptions.txt, one line each:
`<path>[::<function>] <limit> <reason>`.
A limit that is not used up any more is a finding as well, so that the list only shrinks.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools import repository

EXCEPTIONS = repository.ROOT / ".config" / "size-exceptions.txt"


@dataclass(frozen=True)
class Rule:
    """One kind of file, what is counted in it, and where it stops."""

    what: str
    patterns: tuple[str, ...]
    limit: int
    count: Callable[[str], int]


@dataclass(frozen=True)
class Size:
    """What was counted: where, how much, and the limit it has to keep."""

    path: str
    what: str
    value: int
    limit: int


def lines(text: str) -> int:
    """Count lines."""
    return len(text.splitlines())


def list_items(text: str) -> int:
    """Count the top-level list items of a YAML file."""
    return len(re.findall(r"^- ", text, flags=re.MULTILINE))


def variables(text: str) -> int:
    """Count the variables a Terraform file declares."""
    return len(re.findall(r'^variable "', text, flags=re.MULTILINE))


RULES = (
    Rule("Python module, lines", ("*.py",), 350, lines),
    Rule("task file, lines", (":(glob)ansible/roles/*/tasks/**/*.yml",), 100, lines),
    Rule("role defaults, lines", ("ansible/roles/*/defaults/*.yml",), 100, lines),
    Rule("role handlers", ("ansible/roles/*/handlers/*.yml",), 8, list_items),
    Rule("template, lines", (":(glob)ansible/roles/*/templates/**/*.j2",), 150, lines),
    Rule("playbook, lines", (":(glob)ansible/playbooks/*.yml",), 60, lines),
    Rule("Terraform variables", (":(glob)terraform/modules/*/variables.tf",), 20, variables),
    Rule("Makefile, lines", ("Makefile",), 120, lines),
    Rule("README, lines", (":(glob)README.md",), 119, lines),
)
FUNCTION_LIMIT = 40


def function_sizes(path: str, text: str) -> Iterator[Size]:
    """Measure every function from its `def` to its end; a docstring does not count."""
    for node in ast.walk(ast.parse(text, filename=path)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        first = node.body[0]
        if ast.get_docstring(node) is not None and first.end_lineno is not None:
            length -= first.end_lineno - first.lineno + 1
        yield Size(f"{path}::{node.name}", "Python function, lines", length, FUNCTION_LIMIT)


def sizes(root: Path = repository.ROOT) -> Iterator[Size]:
    """Measure everything the rules name."""
    for rule in RULES:
        for file in repository.files(*rule.patterns, root=root):
            text = repository.text_of(file) or ""
            path = file.relative_to(root).as_posix()
            yield Size(path, rule.what, rule.count(text), rule.limit)
            if file.suffix == ".py":
                yield from function_sizes(path, text)


def findings(measured: list[Size], waived: list[repository.Waiver]) -> Iterator[str]:
    """Compare sizes with their limits, or with the limits that an exception grants."""
    granted = {waiver.path: int(waiver.rule) for waiver in waived}
    too_big = [size for size in measured if size.value > size.limit]
    for size in too_big:
        limit = granted.get(size.path, size.limit)
        if size.value > limit:
            yield (
                f"{size.path}: {size.what}: {size.value}, the limit is {limit};"
                f" split it, or add a line with the reason to {EXCEPTIONS.name}"
            )
    for path in sorted(granted.keys() - {size.path for size in too_big}):
        yield f"{path}: the exception in {EXCEPTIONS.name} is not needed any more, remove it"


def main() -> int:
    """Check the checkout; exit code 1 if something is too big."""
    measured = list(sizes())
    found = findings(measured, repository.waivers(EXCEPTIONS))
    checked = len({size.path.partition("::")[0] for size in measured})
    return repository.report(found, checked=checked, what="sizes")


if __name__ == "__main__":
    sys.exit(main())
