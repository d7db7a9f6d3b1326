"""Who may import whom in Python; arrows go one way only."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import support

PACKAGE = "heyken_glue"
# Small modules at the top of the package that every part except domain may use.
COMMON = {"errors", "logs", "settings", "credentials", "texts"}
# What each part may import of the package, besides itself and COMMON.
ALLOWED: dict[str, set[str]] = {
    "adapters": {"domain", "runtime"},
    "gateway": {"domain", "runtime"},
    "runtime": {"domain"},
    "services": {"adapters", "domain", "gateway", "runtime"},
    "cli": {"adapters", "domain", "gateway", "runtime", "services"},
    "__main__": {"cli"},
}
OUTSIDE = {"ansible", "bench", "docs", "lab", "molecule", "tests", "tools"}


def imports_of(text: str, module: tuple[str, ...]) -> Iterator[str]:
    """Return the full names a module imports, those inside functions as well."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(module[: -node.level]) if node.level else ""
            name = ".".join(part for part in (base, node.module or "") if part)
            yield from (f"{name}.{alias.name}" for alias in node.names)


def problem_with(module: tuple[str, ...], imported: str) -> str | None:
    """Return why `module` (its dotted path as parts) may not import `imported`, or None."""
    part = module[1] if len(module) > 1 else "__init__"
    target = imported.split(".")
    if target[0] in OUTSIDE:
        return "the product looks at what only surrounds it"
    if part == "domain" and target[:2] != [PACKAGE, "domain"]:
        return None if target[0] in sys.stdlib_module_names else "domain is pure"
    if target[0] != PACKAGE or len(target) == 1:
        return None
    if part == "adapters" and target[1] == "adapters":
        return None if target[2:3] == list(module[2:3]) else "one adapter imports another"
    common = target[1] in COMMON or (len(target) == 2 and target[1].startswith("__"))
    if common or target[1] == part or target[1] in ALLOWED.get(part, set()):
        return None
    return f"{part} may not know {target[1]}"


def _module(path: Path) -> tuple[str, ...]:
    return path.relative_to(support.ROOT).with_suffix("").parts


def test_imports_go_one_way() -> None:
    broken = []
    for path in support.files(f"{PACKAGE}/*.py", at_least=25):
        for imported in imports_of(path.read_text(encoding="utf-8"), _module(path)):
            why = problem_with(_module(path), imported)
            if why is not None:
                broken.append(f"{support.name_of(path)} imports {imported}: {why}")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("domain.health", "aiohttp"),
        ("domain.health", "heyken_glue.errors.ConfigError"),
        ("adapters.ollama.client", "heyken_glue.adapters.etcd.client"),
        ("adapters.ollama.client", "heyken_glue.gateway.app"),
        ("gateway.app", "heyken_glue.adapters.ollama.client"),
        ("runtime.spool", "heyken_glue.services.health"),
        ("services.health", "heyken_glue.cli.ask"),
        ("errors", "heyken_glue.gateway.app"),
        ("services.health", "tools.shell"),
        ("services.health", "lab.engine"),
    ],
)
def test_wrong_directions_are_seen(module: str, imported: str) -> None:
    assert problem_with((PACKAGE, *module.split(".")), imported) is not None


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("domain.health", "dataclasses.dataclass"),
        ("domain.health", "heyken_glue.domain.values"),
        ("adapters.ollama.client", "heyken_glue.adapters.ollama.models"),
        ("adapters.ollama.client", "heyken_glue.runtime.http"),
        ("gateway.app", "aiohttp.web"),
        ("services.health", "heyken_glue.adapters.ollama.client"),
    ],
)
def test_right_directions_are_allowed(module: str, imported: str) -> None:
    assert problem_with((PACKAGE, *module.split(".")), imported) is None


def test_only_lab_tests_and_bench_import_a_stand_in() -> None:
    for path in support.files("*.py", at_least=40):
        if path.relative_to(support.ROOT).parts[0] in {"lab", "tests", "bench"}:
            continue
        for imported in imports_of(path.read_text(encoding="utf-8"), _module(path)):
            assert not imported.startswith("lab.standins"), support.name_of(path)


def test_the_lab_does_not_know_the_tools_that_use_it() -> None:
    for path in support.files("lab/*.py", at_least=15):
        for imported in imports_of(path.read_text(encoding="utf-8"), _module(path)):
            assert imported.split(".")[0] not in {"tools", "tests", "bench"}, support.name_of(path)


def test_python_on_hosts_never_reads_the_inventory() -> None:
    for path in support.files(f"{PACKAGE}/*.py", at_least=25):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"group_vars|hosts\.yml", text), support.name_of(path)


def test_every_module_starts_with_a_docstring() -> None:
    for path in support.files("*.py", at_least=40):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{support.name_of(path)}: say in one line what it is for"
