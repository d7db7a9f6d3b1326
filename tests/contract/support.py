"""What the contract tests share: the checkout as data, and globs that may not come up empty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from tools import repository

ROOT = repository.ROOT
# What a parsed file holds; the test that reads it checks the shape.
Yaml: TypeAlias = Any
# preflight, base, pki, etcd, ollama, vip, glue;
# engine, mongodb, rocketchat, rocketchat_workspace, tls_proxy
ROLE_COUNT = 12


class _Loader(yaml.SafeLoader):
    """YAML as Ansible and GitLab write it: unknown tags (!vault, !reference) keep their value."""


def _plain(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Yaml:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Loader.add_multi_constructor("!", _plain)


def files(*patterns: str, at_least: int) -> list[Path]:
    """Return the matching files; a pattern that finds too few fails instead of testing nothing."""
    found = repository.files(*patterns)
    assert len(found) >= at_least, f"{patterns}: {len(found)} files, expected at least {at_least}"
    return found


def load_yaml(path: Path) -> Yaml:
    """Parse one YAML file."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader


def name_of(path: Path) -> str:
    """Return a path as it is written in messages."""
    return path.relative_to(ROOT).as_posix()


def roles() -> list[Path]:
    """Return the directory of every role."""
    specs = files("ansible/roles/*/tasks/main.yml", at_least=ROLE_COUNT)
    return [spec.parent.parent for spec in specs]


def role_yaml(role: Path, part: str) -> Iterator[tuple[Path, Yaml]]:
    """Parse the YAML files of one part of a role, for example its tasks."""
    for path in repository.files(f":(glob)ansible/roles/{role.name}/{part}/**/*.yml"):
        yield path, load_yaml(path)


def tasks_in(node: Yaml) -> Iterator[dict[str, Yaml]]:
    """Walk through a list of tasks, into blocks as well."""
    for task in node or []:
        yield task
        for key in ("block", "rescue", "always"):
            yield from tasks_in(task.get(key))
