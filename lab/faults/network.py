"""Cuts between hosts, one way and both, and loss, by nftables inside the hosts.

The rules stand where frames enter and leave a host and go by link address, so that VRRP, etcd, TLS
and packets that were passed on under somebody else's address are cut alike. Frames are not refused
on their way out, which their sender would hear of, but sent to a link address that nobody has.
Each fault has a table of its own: nothing else of the host's firewall is touched, and both
directions are taken away in one step, at a known moment.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from lab.faults.hosts import Host

_PREFIX = "heyken_fault_"
_INTERFACE = "device=$(ip -o -4 address show to {}/32 | awk '{{print $2; exit}}')"
_CLOCK = "date +%s.%N"
_NOBODY = "02:00:00:00:00:00"


@dataclass(frozen=True)
class Moment:
    """Something happened between two times, in seconds since 1970."""

    earliest: float
    latest: float


class Cut:
    """One host that does not hear some hosts and is not heard by some; a context, or `heal`."""

    def __init__(
        self, host: Host, *, deaf_to: Sequence[Host] = (), mute_to: Sequence[Host] = ()
    ) -> None:
        self._host, self._deaf_to, self._mute_to = host, deaf_to, mute_to
        self._table = f"{_PREFIX}{secrets.token_hex(4)}"

    def __enter__(self) -> Self:
        """Cut in one step."""
        rules = [
            _chain("ingress", "saddr", self._deaf_to, "drop"),
            _chain("egress", "daddr", self._mute_to, f"ether daddr set {_NOBODY}"),
        ]
        chains = "\n".join(rule for rule in rules if rule)
        find = _INTERFACE.format(self._host.address)
        self._host.run(f'{find} && nft "table netdev {self._table} {{\n{chains}\n}}"')
        return self

    def __exit__(self, *_: object) -> None:
        """Heal, unless that was done, or the host was lost and its rules with it."""
        if self._host.running():
            self.heal()

    def heal(self) -> Moment:
        """Let everything through again, in one step; tell when that was."""
        heal = f"nft 'add table netdev {self._table}; delete table netdev {self._table}'"
        earliest, latest = self._host.run(f"{_CLOCK} && {heal} && {_CLOCK}").split()
        return Moment(float(earliest), float(latest))


def apart(one: Host, *others: Host) -> Cut:
    """Return the cut between one host and others, both ways."""
    return Cut(one, deaf_to=others, mute_to=others)


@contextlib.contextmanager
def partition(*sides: Iterable[Host]) -> Iterator[None]:
    """Let hosts of different sides not hear each other."""
    with contextlib.ExitStack() as stack:
        for cut in cuts(*sides):
            stack.enter_context(cut)
        yield


def cuts(*sides: Iterable[Host]) -> list[Cut]:
    """Return what makes a partition: each host is cut from all sides that come after its own."""
    parts = [list(side) for side in sides]
    return [
        apart(host, *itertools.chain.from_iterable(parts[number + 1 :]))
        for number, side in enumerate(parts[:-1])
        for host in side
    ]


@contextlib.contextmanager
def lossy(host: Host, percent: int) -> Iterator[None]:
    """Lose that many of the packets that reach the host, by chance and of every kind."""
    table = f"{_PREFIX}{secrets.token_hex(4)}"
    hook = "type filter hook prerouting priority -400;"
    rule = f"iif != lo numgen random mod 100 < {percent} drop"
    host.run(f"nft 'table ip {table} {{\nchain in {{ {hook} {rule}; }}\n}}'")
    try:
        yield
    finally:
        if host.running():
            host.run(f"nft 'add table ip {table}; delete table ip {table}'")


def _chain(hook: str, field: str, hosts: Sequence[Host], verdict: str) -> str:
    if not hosts:
        return ""
    addresses = ", ".join(host.link_address for host in hosts)
    return (
        f"chain {hook} {{ type filter hook {hook} device $device priority -500;"
        f" ether {field} {{ {addresses} }} {verdict}; }}"
    )
