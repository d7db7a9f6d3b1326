"""Playbook inputs.yml, run for real: every role's inputs are judged before anything changes.

All hosts are this machine; the tasks only read.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.templates.conftest import ROOT, VAULT

HOSTS = {"core1": 2, "core2": 3, "hub": 4, "chat": 5}
GROUPS = {"cores": ["core1", "core2"], "hubs": ["hub"], "chats": ["chat"]}
# The artifacts are empty files here.
EMPTY = f"sha256: {hashlib.sha256(b'').hexdigest()}"
Run = Callable[..., subprocess.CompletedProcess[str]]


def _hosts(directory: Path) -> dict[str, Any]:
    artifact = directory / "artifact"
    artifact.write_text("")
    hosts = {
        name: {
            "ansible_host": f"127.0.0.{number}",
            "core_id": number,
            "vip_source_address": "127.0.0.1",
        }
        for name, number in HOSTS.items()
    }
    return {
        "vars": {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "deployment_name": "second",
            "deployment_environment": "lab",
            "deployment_stand_ins": ["rocketchat"],
            "deployment_state_directory": str(directory),
            "system_network": {"subnet": "127.0.0.0/24", "vip": "127.0.0.10"},
            "sandbox_network": None,
            "lab_artifacts": {
                **dict.fromkeys(["ollama", "model"], str(artifact)),
                "ollama_libraries": "",
                "rocketchat_image": "heyken/rocketchat:1",
                "rocketchat_version": "8.8.1",
                "glue_bundles": dict.fromkeys(
                    [f"3.{minor}" for minor in range(11, 15)], str(artifact)
                ),
            },
        },
        "children": {
            "system": {
                "children": {
                    group: {"hosts": {name: hosts[name] for name in names}}
                    for group, names in GROUPS.items()
                }
            }
        },
    }


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return run(**wrong): the playbook's end with the cores' variables overridden by `wrong`."""
    inventory = tmp_path / "inventory"
    for source in (ROOT / "inventory" / "lab" / "group_vars").iterdir():
        for file in source.glob("*.yml"):
            place = inventory / "group_vars" / source.name / file.name
            place.parent.mkdir(parents=True, exist_ok=True)
            if source.name != "all":
                place.write_text(re.sub(r"sha256: [0-9a-f]{64}", EMPTY, file.read_text()))
    (inventory / "hosts.yml").write_text(yaml.dump({"all": _hosts(tmp_path)}))
    vault = inventory / "group_vars" / "all" / "vault.yml"
    vault.parent.mkdir(exist_ok=True)
    vault.write_text(yaml.dump(VAULT))

    def playbook(group: str = "cores", **wrong: Any) -> subprocess.CompletedProcess[str]:
        if wrong:
            own = inventory / "group_vars" / group / "zz_own.yml"
            own.write_text(
                "".join(f"{name}: {json.dumps(value)}\n" for name, value in wrong.items())
            )
        return subprocess.run(  # noqa: S603 - our own playbook
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                f"--inventory={inventory}",
                "ansible/playbooks/inputs.yml",
            ],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    return playbook


def test_the_committed_wiring_passes_and_nothing_is_changed(run: Run) -> None:
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    changed = re.findall(r"changed=(\d+)", done.stdout)
    assert len(changed) == len(HOSTS)
    assert set(changed) == {"0"}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("pki_renew_days", 9999, "pki_renew_days (9999) has to be less than"),
        ("pki_lifetime_days", "{{ 'many' }}", "cannot be converted to an int"),
        ("glue_gateway_heartbeat_seconds", -1, "should be greater than 0, got -1"),
    ],
)
def test_a_wrong_value_is_told_with_file_line_and_what_to_do(
    run: Run, name: str, value: object, told: str
) -> None:
    done = run(**{name: value})
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert told in said, said
    assert re.search(rf"group_vars/cores/zz_own.yml:1: {name}: ", said), said
    assert "do: correct it there and run make deploy again" in said
