"""What must hold on every host after a deployment."""

from __future__ import annotations

from typing import Any

import pytest

testinfra_hosts = ["ansible://system"]


@pytest.mark.parametrize("unit", ["ssh", "heyken-firewall"])
def test_the_units_of_every_host_run(host: Any, unit: str) -> None:
    assert host.service(unit).is_running, host.run(f"systemctl status {unit}").stdout
    assert host.service(unit).is_enabled


def test_no_unit_failed(host: Any) -> None:
    failed = host.run("systemctl --failed --plain --no-legend").stdout
    assert failed.strip() == "", failed


def test_secrets_are_readable_by_root_only(host: Any) -> None:
    open_files = host.run("find /etc/heyken/credentials /etc/heyken/tls -name '*key*' -perm /044")
    assert open_files.stdout.strip() == "", open_files.stdout


def test_no_token_stands_in_a_process_list_or_an_environment(host: Any) -> None:
    tokens = [entry["token"] for entry in host.ansible.get_variables()["vault_api_tokens"]]
    assert tokens
    seen = host.run(
        "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    ).stdout
    assert not [token for token in tokens if token in seen]
    journal = host.run("journalctl --no-pager -b").stdout
    assert not [token for token in tokens if token in journal]


def test_ssh_takes_keys_only(host: Any) -> None:
    effective = host.run("sshd -T").stdout
    assert "passwordauthentication no" in effective
    assert "kbdinteractiveauthentication no" in effective
