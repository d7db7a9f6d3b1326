"""What must hold on each host that agrees on who acts."""

from __future__ import annotations

from typing import Any

import pytest

testinfra_hosts = ["ansible://cores", "ansible://hubs"]
MEMBERS = 3


@pytest.mark.parametrize("unit", ["etcd"])
def test_etcd_runs_and_starts_at_boot(host: Any, unit: str) -> None:
    assert host.service(unit).is_running, host.run(f"systemctl status {unit}").stdout
    assert host.service(unit).is_enabled


def test_the_witness_makes_three(host: Any) -> None:
    command = (
        "etcdctl --cacert=/etc/heyken/tls/ca.crt --cert=/etc/heyken/tls/host.crt"
        " --key=/etc/heyken/tls/host.key --endpoints=https://127.0.0.1:2379 member list"
    )
    members = host.run(f"ETCDCTL_API=3 {command}").stdout.strip().splitlines()
    assert len(members) == MEMBERS, members
    assert all("started" in member for member in members), members
