"""What is wrong in an inventory is named with its file, line and value before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.problem import Problem
from tools import check_inventory

SPECS = """
argument_specs:
  main:
    options:
      vip_priority: {type: int, description: "Between 1 and 254."}
      vip_kind: {type: str, choices: [a, b], description: Kind.}
      vip_peers: {type: list, elements: str, description: The others.}
      vip_rules:
        type: list
        elements: dict
        description: Rules.
        options: {port: {type: int}, name: {type: str, required: true}}
"""


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(check_inventory, "REPOSITORY", tmp_path)
    specs = tmp_path / "ansible/roles/vip/meta/argument_specs.yml"
    specs.parent.mkdir(parents=True)
    specs.write_text(SPECS)
    (tmp_path / "inventory/lab/group_vars/cores").mkdir(parents=True)
    return tmp_path / "inventory/lab"


def write(inventory: Path, text: str) -> None:
    (inventory / "group_vars/cores/vip.yml").write_text(text)


def refused(inventory: Path) -> Problem:
    with pytest.raises(Problem) as caught:
        check_inventory.check(inventory)
    return caught.value


def test_a_mistyped_variable_is_named_with_its_file(inventory: Path) -> None:
    write(inventory, "vip_priorty: 254\n")
    problem = refused(inventory)
    assert "vip_priorty" in problem.what
    assert "inventory/lab/group_vars/cores/vip.yml" in problem.why
    assert "did you mean vip_priority?" in problem.todo


def test_a_wrong_value_is_named_with_file_line_and_what_is_wanted(inventory: Path) -> None:
    write(inventory, "---\n# which one\nvip_priority: high\n")
    problem = refused(inventory)
    assert (
        problem.what == "vip_priority in inventory/lab/group_vars/cores/vip.yml, line 3, is 'high'"
    )
    assert problem.todo == "give it a value of type int: Between 1 and 254."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("vip_kind: c", "one of a, b"),
        ("vip_peers: {a: b}", "a list of str"),
        ("vip_priority:", "it is empty"),
        ("vip_rules: [{name: x, port: y}]", "port"),
        ("vip_rules: [{port: 5}]", "name"),
        ("- vip_kind", "holds no variables"),
        ("vip_kind: [", "cannot be read"),
    ],
)
def test_what_ansible_would_refuse_is_refused(inventory: Path, text: str, told: str) -> None:
    write(inventory, text)
    assert told in str(refused(inventory))


@pytest.mark.parametrize(
    "text",
    [
        'vip_priority: "{{ 255 - core_id }}"',
        'vip_rules: [{name: x, port: "{{ other }}"}]',
        "vip_kind: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3030\n",
        'vip_priority: "7"',
        "vip_peers: [192.0.2.1]",
        "",
    ],
)
def test_what_is_right_or_known_later_passes(inventory: Path, text: str) -> None:
    write(inventory, text)
    check_inventory.check(inventory)


def test_another_labs_own_files_are_checked_and_links_only_where_they_lie(
    inventory: Path, tmp_path: Path
) -> None:
    write(inventory, "vip_priority: 7\n")
    own = tmp_path / "inventory/second/host_vars/core1/vip.yml"
    own.parent.mkdir(parents=True)
    own.write_text("vip_kind: z\n")
    linked = tmp_path / "inventory/second/group_vars/cores/vip.yml"
    linked.parent.mkdir(parents=True)
    linked.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Problem) as caught:
        check_inventory.check(inventory, tmp_path / "inventory/second")
    assert "inventory/second/host_vars/core1/vip.yml" in caught.value.what
