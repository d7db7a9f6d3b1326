"""What must hold on each core after a deployment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

testinfra_hosts = ["ansible://cores"]
OWN_UNITS = ("heyken@health", "heyken@core-manager", "heyken@gateway", "heyken@assistant")
UNITS = ("ollama", "keepalived", "etcd", *OWN_UNITS)
EXPOSURE_MAX = 1.5
KEEPALIVED_EXPOSURE_MAX = 5.0


@pytest.mark.parametrize("unit", UNITS)
def test_the_units_of_a_core_run_and_start_at_boot(host: Any, unit: str) -> None:
    assert host.service(unit).is_running, host.run(f"systemctl status {unit}").stdout
    assert host.service(unit).is_enabled


def test_the_model_server_listens_on_loopback_only(host: Any) -> None:
    listening = host.run("ss -Hltn 'sport = :11500'").stdout.split()
    assert "127.0.0.1:11500" in listening, listening
    assert host.run("ss -Hltn 'sport = :11434'").stdout == "", "11434 belongs to the gateway"


def test_the_virtual_address_is_on_the_loopback_of_a_core(host: Any) -> None:
    vip = host.ansible.get_variables()["system_network"]["vip"]
    addresses = json.loads(host.run("ip -json -4 addr show lo").stdout)[0]["addr_info"]
    assert {"local": vip, "prefixlen": 32} in [
        {"local": one["local"], "prefixlen": one["prefixlen"]} for one in addresses
    ], addresses


@pytest.mark.parametrize("unit", OWN_UNITS)
def test_our_units_are_hardened(host: Any, unit: str) -> None:
    line = host.run(f"systemd-analyze security --no-pager {unit}.service | tail -1").stdout
    exposure = float(line.rpartition(": ")[2].split()[0])
    assert exposure <= EXPOSURE_MAX, line


def test_keepalived_need_not_wait_for_a_processor(host: Any) -> None:
    processes = host.check_output("pgrep --exact keepalived").split()
    policies = host.check_output(" && ".join(f"chrt --pid {process}" for process in processes))
    assert "SCHED_RR" in policies, "a busy machine makes the address flap"


def test_a_host_may_use_all_processors(host: Any) -> None:
    usable = host.check_output("grep Cpus_allowed_list: /proc/1/status")
    assert usable in Path("/proc/1/status").read_text().splitlines(), "who started the engine?"


def test_keepalived_is_hardened(host: Any) -> None:
    line = host.run("systemd-analyze security --no-pager keepalived.service | tail -1").stdout
    exposure = float(line.rpartition(": ")[2].split()[0])
    assert exposure <= KEEPALIVED_EXPOSURE_MAX, line
