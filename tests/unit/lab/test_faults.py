"""Faults are undone when their context ends, come what may, and touch what they name alone."""

from __future__ import annotations

from typing import Any

import pytest

from lab.faults import disk, hosts, network, units
from lab.faults.hosts import Host

TIMES = "1795278583.25\n1795278583.50\n"


class Scripted(Host):
    """A host that writes down what it is told to do."""

    def __init__(self, name: str, number: int, **answers: str) -> None:
        self.lab, self.name, self.did, self.is_running = "x", name, list[str](), True
        self._address, self._link = f"192.0.2.{number}", f"02:42:c0:00:02:{number:02x}"
        self._answers = answers

    @property
    def address(self) -> str:
        return self._address

    @property
    def link_address(self) -> str:
        return self._link

    def running(self) -> bool:
        return self.is_running

    def run(self, command: str) -> str:
        self.did.append(command)
        return next((text for word, text in self._answers.items() if word in command), "")

    def pause(self) -> None:
        self.did.append("pause")

    def unpause(self) -> None:
        self.did.append("unpause")

    def slow_down(self, processors: float | None) -> None:
        self.did.append(f"slow_down {processors}")


def trio() -> tuple[Scripted, Scripted, Scripted]:
    one, two, three = (Scripted(f"core{n}", n, date=TIMES) for n in (1, 2, 3))
    return one, two, three


def test_a_cut_is_both_ways_on_one_host_and_healed_in_one_step() -> None:
    one, two, _ = trio()
    with network.apart(one, two) as cut:
        (rules,) = one.did
        assert f"ether saddr {{ {two.link_address} }} drop" in rules
        assert f"ether daddr {{ {two.link_address} }} ether daddr set" in rules
        moment = cut.heal()
    assert two.did == []
    assert (moment.earliest, moment.latest) == (1795278583.25, 1795278583.50)


def test_a_one_way_cut_leaves_the_other_direction() -> None:
    one, two, _ = trio()
    with network.Cut(one, deaf_to=[two]):
        assert "egress" not in one.did[0]
        assert "ingress" in one.did[0]


def test_a_partition_cuts_each_pair_of_different_sides_once() -> None:
    one, two, hub = trio()
    with network.partition([one], [two, hub]):
        assert two.link_address in one.did[0]
        assert hub.link_address in one.did[0]
        assert two.did == hub.did == []
    one, two, hub = trio()
    with network.partition([one], [two], [hub]):
        assert (len(one.did), len(two.did), len(hub.did)) == (1, 1, 0)


def test_a_cut_is_undone_when_a_test_fails() -> None:
    one, two, _ = trio()
    with pytest.raises(AssertionError, match="seen"), network.apart(one, two):
        raise AssertionError("seen")
    assert "delete table netdev heyken_fault_" in one.did[-1]


def test_the_rules_of_a_host_that_was_killed_are_gone_with_it() -> None:
    one, two, _ = trio()
    with network.apart(one, two):
        one.is_running = False
    assert len(one.did) == 1


@pytest.mark.parametrize(
    ("fault", "undone"),
    [
        (lambda host: units.hung(host, "a.service"), "--signal=SIGCONT a.service"),
        (lambda host: units.stopped(host, "a.service"), "systemctl start a.service"),
        (lambda host: units.killed(host, "a.service"), "systemctl start a.service"),
        (lambda host: network.lossy(host, 10), "delete table ip heyken_fault_"),
        (lambda host: disk.full(host, "a.service", "/var/a"), "umount --lazy /var/a"),
        (hosts.frozen, "unpause"),
        (lambda host: hosts.slow(host, 0.2), "slow_down None"),
    ],
    ids=["hung", "stopped", "killed", "loss", "disk", "frozen", "slow"],
)
def test_each_fault_is_undone_when_a_test_fails(fault: Any, undone: str) -> None:
    host = Scripted("core1", 1)
    with pytest.raises(AssertionError, match="seen"), fault(host):
        raise AssertionError("seen")
    assert undone in host.did[-1]


def test_a_disk_is_full_for_one_unit_alone() -> None:
    host = Scripted("core1", 1, MainPID="77\n")
    with disk.full(host, "a.service", "/var/a"):
        mounts = [command for command in host.did if "mount -t tmpfs" in command]
    assert len(mounts) == 1
    assert mounts[0].startswith("nsenter --mount --target 77 ")
