"""A role reads its own inputs, its own internals and facts; all wiring is in the inventory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta

from tests.contract import support
from tools import repository

# Names that Ansible itself provides.
_MAGIC = re.compile(
    r"ansible_(facts|check_mode|diff_mode|loop|managed|play_hosts_all|version|connection|host|user"
    r"|role_name|python_interpreter|playbook_python)$"
    r"|inventory_hostname(_short)?$|role_(name|path)$|item$|omit$|undef$|lookup$|query$|q$|now$"
    r"|template_(path|host|uid|fullpath|run_date)$"
    r"|inputs_checked$"  # what playbook inputs.yml leaves behind
)
_BARE = ("when", "changed_when", "failed_when", "until", "that")


class _AnyName(dict[str, Any]):
    """Filters and tests of Ansible are known to Ansible: here every name will do."""

    def __contains__(self, key: object) -> bool:
        return True

    def get(self, key: str, default: object = None) -> object:
        del key
        return lambda *_args, **_named: default


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(autoescape=True, extensions=["jinja2.ext.do"])
    environment.filters = _AnyName()
    environment.tests = _AnyName()
    return environment


def _undeclared(text: str) -> set[str]:
    environment = _environment()
    # Ansible doubles backslashes in templates, so that regular expressions can be written plainly.
    return set(meta.find_undeclared_variables(environment.parse(text.replace("\\", "\\\\"))))


def _strings(node: support.Yaml, *, bare: bool = False) -> Iterator[str]:
    """Return every text that Ansible would template; conditions are wrapped in braces."""
    if isinstance(node, str):
        if bare and "{{" not in node and "{%" not in node:
            yield "{{ " + node + " }}"
        elif "{{" in node or "{%" in node:
            yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _strings(value, bare=key in _BARE)
    elif isinstance(node, list):
        for value in node:
            yield from _strings(value, bare=bare)


def _loop_variables(node: support.Yaml) -> set[str]:
    found: set[str] = set()
    for task in support.tasks_in(node):
        control = task.get("loop_control") or {}
        found |= {control[key] for key in ("loop_var", "index_var") if key in control}
        found |= set(task.get("vars") or {})
    return found


def _read_by(role: Path) -> Iterator[tuple[Path, str]]:
    for part in ("defaults", "vars", "tasks", "handlers"):
        for path, content in support.role_yaml(role, part):
            own = _loop_variables(content) if part in ("tasks", "handlers") else set()
            for text in _strings(content):
                for name in _undeclared(text) - own:
                    yield path, name
    for path in repository.files(f":(glob)ansible/roles/{role.name}/templates/**/*.j2"):
        for name in _undeclared(path.read_text(encoding="utf-8")):
            yield path, name


def test_roles_read_only_their_own_variables_and_facts() -> None:
    seen = 0
    foreign = []
    for role in support.roles():
        for path, name in _read_by(role):
            seen += 1
            own = name.startswith((f"{role.name}_", f"__{role.name}_"))
            if not own and not _MAGIC.match(name):
                foreign.append(f"{support.name_of(path)}: {name}")
    assert seen >= support.ROLE_COUNT * 3, f"only {seen} uses of variables were found"
    assert not foreign, "variables of others:\n" + "\n".join(sorted(set(foreign)))


def test_the_search_sees_foreign_variables() -> None:
    task = {"when": "groups['cores'] | length > 1", "vars": {"a": "{{ other_role_port + 1 }}"}}
    found = set().union(*(_undeclared(text) for text in _strings(task)))
    assert found == {"groups", "other_role_port"}


# Inventory variables that belong to no role: what the deployment is, and what connects to it.
_WIRING = re.compile(
    r"(deployment|vault)_\w+$|(system|sandbox)_network$|lab_artifacts$|core_id$|ansible_\w+$"
)


def test_every_inventory_variable_is_declared_by_a_role() -> None:
    declared: dict[str, str] = {}
    for role in support.roles():
        spec = support.load_yaml(role / "meta" / "argument_specs.yml")
        options = spec["argument_specs"]["main"].get("options") or {}
        declared |= dict.fromkeys(options, role.name)
    known_files = {*declared.values(), "connection", "deployment", "vault"}
    for path in support.files(":(glob)inventory/**/group_vars/**/*.yml", at_least=5):
        assert path.stem in known_files, (
            f"{support.name_of(path)}: one file per role, named after it"
        )
        for name in support.load_yaml(path) or {}:
            role_name = declared.get(name)
            wired = bool(_WIRING.match(name))
            assert role_name or wired, f"{support.name_of(path)}: no role declares {name}"
            assert wired or role_name == path.stem, (
                f"{support.name_of(path)}: {name} belongs to role {role_name}"
            )


def test_no_password_stands_in_the_inventory() -> None:
    for path in support.files(":(glob)inventory/**/group_vars/**/*.yml", at_least=5):
        for name, value in (support.load_yaml(path) or {}).items():
            secret = re.search(r"(password|secret|token|_key)s?$", name)
            plain = isinstance(value, str) and "{{" not in value and "/" not in value
            assert not (secret and plain), (
                f"{support.name_of(path)}: {name} is written in plain text"
            )
