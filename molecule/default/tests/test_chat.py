"""What must hold on the chat host after a deployment."""

from __future__ import annotations

import json
from typing import Any

import pytest

testinfra_hosts = ["ansible://chats"]


@pytest.mark.parametrize("unit", ["docker", "nginx"])
def test_engine_and_proxy_run_and_start_at_boot(host: Any, unit: str) -> None:
    assert host.service(unit).is_running, host.run(f"systemctl status {unit}").stdout
    assert host.service(unit).is_enabled


def test_the_server_itself_listens_on_loopback_only(host: Any) -> None:
    listening = host.run("ss -Hltn 'sport = :3000'").stdout.split()
    assert "127.0.0.1:3000" in listening, listening


def test_the_server_is_ready_behind_tls(host: Any) -> None:
    ready = "https://127.0.0.1:3100/readyz"
    answer = host.run(
        f"curl -s --cacert /etc/heyken/tls/ca.crt -o /dev/null -w %{{http_code}} {ready}"
    )
    assert answer.stdout == "200", answer


def test_the_container_has_no_rights_that_it_does_not_need(host: Any) -> None:
    names = host.run("docker ps --format '{{.Names}}'").stdout.split()
    assert names, "no container runs"
    for about in json.loads(host.run(f"docker inspect {' '.join(names)}").stdout):
        limits = about["HostConfig"]
        assert limits["ReadonlyRootfs"] or "standin" not in about["Config"]["Image"], about["Name"]
        assert limits["CapDrop"] == ["ALL"], about["Name"]
        assert not limits["Privileged"], about["Name"]
        assert about["Config"]["User"] not in {"", "0", "root"}, about["Name"]


def test_no_password_stands_in_a_process_list_or_in_the_journal(host: Any) -> None:
    passwords = host.ansible.get_variables()["vault_rocketchat_passwords"].values()
    seen = host.run("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'").stdout
    seen += host.run("journalctl --no-pager -b").stdout
    assert not [password for password in passwords if password in seen]
