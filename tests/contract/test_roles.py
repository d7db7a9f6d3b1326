"""Every role keeps the shape that readers, the generated pages and the playbooks rely on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract import support
from tools import repository

_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "dict": (dict,),
    "float": (float, int),
    "int": (int,),
    "list": (list,),
    "path": (str,),
    "raw": (object,),
    "str": (str,),
}
_ROLES = [path.name for path in sorted((support.ROOT / "ansible" / "roles").glob("*/"))]


def _options(role: Path) -> dict[str, dict[str, Any]]:
    spec = support.load_yaml(role / "meta" / "argument_specs.yml")
    options: dict[str, dict[str, Any]] = spec["argument_specs"]["main"].get("options") or {}
    return options


def _defaults(role: Path) -> dict[str, Any]:
    path = role / "defaults" / "main.yml"
    return (support.load_yaml(path) or {}) if path.is_file() else {}


def test_there_are_roles() -> None:
    assert len(support.roles()) >= support.ROLE_COUNT


@pytest.mark.parametrize("name", _ROLES)
def test_role_has_what_every_role_has(name: str) -> None:
    role = support.ROOT / "ansible" / "roles" / name
    wanted = ["README.md", "meta/argument_specs.yml", "tasks/main.yml", "tasks/validate.yml"]
    missing = [part for part in wanted if not (role / part).is_file()]
    assert not missing, f"role {name} lacks {missing}"


@pytest.mark.parametrize("name", _ROLES)
def test_a_test_mentions_the_role(name: str) -> None:
    patterns = (":(glob)tests/**/*.py", ":(glob)molecule/**")
    texts = [
        repository.text_of(path) or ""
        for path in support.files(*patterns, at_least=5)
        if "contract" not in path.parts
    ]
    needles = (f"roles/{name}", f'"{name}"', f"role_{name}", f"test_{name}")
    assert any(needle in text for text in texts for needle in needles) or any(
        path.stem == f"test_{name}" for path in repository.files("molecule", "tests")
    ), f"no test outside tests/contract mentions role {name}"


@pytest.mark.parametrize("name", _ROLES)
def test_spec_and_defaults_agree(name: str) -> None:
    role = support.ROOT / "ansible" / "roles" / name
    options, defaults = _options(role), _defaults(role)
    declared = {key: spec["default"] for key, spec in options.items() if "default" in spec}
    assert defaults == declared, f"role {name}: defaults/main.yml and argument_specs.yml differ"
    both = [key for key, spec in options.items() if spec.get("required") and "default" in spec]
    assert not both, f"role {name}: required and with a default: {both}"


@pytest.mark.parametrize("name", _ROLES)
def test_options_say_type_and_meaning_and_keep_the_prefix(name: str) -> None:
    role = support.ROOT / "ansible" / "roles" / name
    for key, spec in _options(role).items():
        assert key.startswith(f"{name}_"), f"role {name}: {key} lacks the prefix {name}_"
        assert spec.get("type") in _TYPES, f"{key}: type {spec.get('type')!r}"
        assert spec.get("description"), f"{key}: no description"
        assert spec["type"] != "list" or "elements" in spec, f"{key}: a list without elements"
        default = spec.get("default")
        if default is not None and "{{" not in str(default):
            kind = _TYPES[spec["type"]]
            right = isinstance(default, kind) and (bool in kind or not isinstance(default, bool))
            assert right, f"{key}: default {default!r} is no {spec['type']}"
        chosen = default if isinstance(default, list) else [default]
        wrong = [one for one in chosen if one not in (None, *spec.get("choices", chosen))]
        assert not wrong, f"{key}: default {wrong} is not among the choices"


def test_no_role_depends_on_another() -> None:
    for role in support.roles():
        meta = role / "meta" / "main.yml"
        content = (support.load_yaml(meta) or {}) if meta.is_file() else {}
        assert not content.get("dependencies"), f"{support.name_of(meta)}: dependencies"


def test_main_files_only_include() -> None:
    for role in support.roles():
        for task in support.load_yaml(role / "tasks" / "main.yml"):
            modules = [key for key in task if key.endswith(("include_tasks", "import_tasks"))]
            assert modules, f"role {role.name}: tasks/main.yml does something itself: {task}"
            assert task.get("tags"), f"role {role.name}: no tags on {task.get('name')}"


def _names(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def test_every_notify_has_a_handler_and_every_handler_is_notified() -> None:
    notified_anywhere = 0
    for role in support.roles():
        notified: set[str] = set()
        answered: set[str] = set()
        for part in ("tasks", "handlers"):
            for _, content in support.role_yaml(role, part):
                for task in support.tasks_in(content):
                    notified |= set(_names(task.get("notify")))
                    if part == "handlers":
                        answered |= {task["name"], *_names(task.get("listen"))}
        assert notified <= answered, f"role {role.name}: no handler for {notified - answered}"
        notified_anywhere += len(notified)
        for _, content in support.role_yaml(role, "handlers"):
            for task in content or []:
                heard = {task["name"], *_names(task.get("listen"))} & notified
                assert heard, f"role {role.name}: nothing notifies handler {task['name']!r}"
    assert notified_anywhere >= support.ROLE_COUNT - 2, "hardly any notify was found"


def test_nothing_ignores_errors() -> None:
    for path in support.files(":(glob)ansible/**/*.yml", at_least=support.ROLE_COUNT * 3):
        assert "ignore_errors" not in path.read_text(encoding="utf-8"), support.name_of(path)


def _roles_of(play: dict[str, Any]) -> Iterator[str]:
    yield from (one["role"] for one in play.get("roles", []))
    for task in play.get("tasks", []):
        included = task.get("ansible.builtin.include_role") or {}
        if included.get("tasks_from") == "validate":
            yield from task["loop"]


def test_the_inputs_of_every_role_are_checked_before_anything_changes() -> None:
    """Whoever gets a role in one of site.yml's layers gets its inputs checked in inputs.yml."""
    folder = support.ROOT / "ansible" / "playbooks"
    order = [one["import_playbook"] for one in support.load_yaml(folder / "site.yml")]
    assert order[:2] == ["preflight.yml", "inputs.yml"]
    given: dict[str, set[str]] = {}
    for layer in order:
        for play in support.load_yaml(folder / layer):
            kind = "checked" if layer == "inputs.yml" else "given"
            for role in _roles_of(play):
                given.setdefault(kind, set()).add(role)
    assert len(given["checked"]) >= 10
    assert given["given"] - given["checked"] == {"preflight"}


@pytest.mark.parametrize("name", _ROLES)
def test_checking_alone_takes_the_same_inputs(name: str) -> None:
    specs = support.load_yaml(support.ROOT / "ansible" / "roles" / name / "meta/argument_specs.yml")
    if name != "preflight":
        assert specs["argument_specs"]["validate"] == specs["argument_specs"]["main"]


@pytest.mark.parametrize("name", _ROLES)
def test_a_role_that_runs_alone_checks_its_inputs(name: str) -> None:
    tasks = support.load_yaml(support.ROOT / "ansible" / "roles" / name / "tasks" / "main.yml")
    if name in {"preflight", "drill"}:  # neither is in inputs.yml
        return
    first = tasks[0]
    assert first["ansible.builtin.include_tasks"]["file"] == "validate.yml"
    assert "inputs_checked is not defined" in first["when"]
