"""Looks at a host before anything is changed and prints what it found as JSON.

Usage: probe.py DIRECTORY [VIP [PEER ...]]. It changes nothing; it needs root for the raw sockets.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

ARP = 0x0806
VRRP = 112
ARP_WAIT_SECONDS = 0.25
SIOCGIFADDR = 0x8915
SIOCGIFHWADDR = 0x8927
SIOCGIFNETMASK = 0x891B


def memory_mib() -> int:
    """Return the machine's memory, or the container's limit where that is less."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            found = int(line.split()[1]) // 1024
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            found = min(found, int(Path(limit).read_text()) // 2**20)
    return found


def raw_socket(protocol: int) -> bool:
    """Say whether this host may speak an IP protocol of its own, as VRRP is."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol).close()
    except OSError:
        return False
    return True


def nftables() -> str:
    """Return "" when nftables work or the tool is not installed yet, else what it said."""
    nft = shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin")
    if not nft:
        return ""
    run = subprocess.run([nft, "list", "tables"], capture_output=True, text=True, check=False)  # noqa: S603
    return "" if run.returncode == 0 else run.stderr.strip() or "no message"


def setting(name: str) -> int:
    """Return net.ipv4.conf.all.<name>."""
    return int(Path(f"/proc/sys/net/ipv4/conf/all/{name}").read_text())


def _ask(interface: str, request: int) -> bytes:
    packed = struct.pack("256s", interface.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        return fcntl.ioctl(control.fileno(), request, packed)[18:24]


def interface_towards(address: str) -> str:
    """Return the interface whose network holds the address, "" when none does."""
    wanted = struct.unpack("!I", socket.inet_aton(address))[0]
    for _, name in socket.if_nameindex():
        with contextlib.suppress(OSError):
            own = struct.unpack("!I", _ask(name, SIOCGIFADDR)[2:6])[0]
            mask = struct.unpack("!I", _ask(name, SIOCGIFNETMASK)[2:6])[0]
            if name != "lo" and own & mask == wanted & mask:
                return name
    return ""


def owners(addresses: list[str], interface: str) -> dict[str, list[str]]:
    """Ask by ARP who has each address; return address -> hardware addresses that answered."""
    found: dict[str, list[str]] = {address: [] for address in addresses}
    own_mac, own_ip = _ask(interface, SIOCGIFHWADDR)[:6], _ask(interface, SIOCGIFADDR)[2:6]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP)) as wire:
        wire.bind((interface, ARP))
        for address in addresses:
            frame = b"\xff" * 6 + own_mac + struct.pack("!HHHBBH", ARP, 1, 0x0800, 6, 4, 1)
            wire.send(frame + own_mac + own_ip + b"\0" * 6 + socket.inet_aton(address))
        end = time.monotonic() + ARP_WAIT_SECONDS
        while (left := end - time.monotonic()) > 0:
            wire.settimeout(left)
            with contextlib.suppress(TimeoutError):
                packet = wire.recv(64)
                sender = socket.inet_ntoa(packet[28:32])
                if packet[20:22] == b"\0\2" and sender in found:
                    found[sender].append(packet[22:28].hex(":"))
    return found


def stranger(vip: str, peers: list[str]) -> str:
    """Return the hardware address of somebody else who holds the VIP, "" when nobody does."""
    interface = interface_towards(vip)
    if not interface:
        return "no interface"
    answers = owners([vip, *peers], interface)
    known = {mac for peer in peers for mac in answers[peer]}
    return next((mac for mac in answers[vip] if mac not in known), "")


def main(directory: str, vip: str = "", *peers: str) -> None:
    """Print the findings."""
    existing = next(p for p in [Path(directory), *Path(directory).parents] if p.exists())
    print(
        json.dumps(
            {
                "memory_mib": memory_mib(),
                "disk_free_mib": shutil.disk_usage(existing).free // 2**20,
                "architecture": os.uname().machine,
                "root": os.geteuid() == 0,
                "systemd": Path("/run/systemd/system").is_dir(),
                "vrrp": raw_socket(VRRP),
                "nftables": nftables(),
                "arp_ignore": setting("arp_ignore"),
                "arp_announce": setting("arp_announce"),
                "sysctl_writable": os.access("/proc/sys/net/ipv4/conf/all/arp_ignore", os.W_OK),
                "vip_stranger": stranger(vip, list(peers)) if vip else "",
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
