"""Runs on a core and writes down when it announces the address and when it may act; see `watch`.

It is sent to the core as text and needs nothing but Python's own library. Each line has a time in
seconds since 1970: `advert <time> <priority>` for a VRRP advert that left here, by the kernel's
clock, and `lease <time> <0 or 1> <epoch>` for what the core manager said about the lease.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import sys
import time

LOOK_SECONDS = 0.05
SOCKET = "/run/heyken/core-manager/http.sock"
ALL_PROTOCOLS, OUTGOING, VRRP = 0x0003, 4, 112
TIMESTAMPS = 35  # SO_TIMESTAMPNS
# a BPF program: packets whose IP protocol is VRRP, nothing else
FILTER = ((0x30, 0, 0, 9), (0x15, 0, 1, VRRP), (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0))


class Manager(http.client.HTTPConnection):
    """A connection to the core manager's socket."""

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(1.0)
        self.sock.connect(SOCKET)


def adverts() -> socket.socket:
    """Open what sees the adverts that leave."""
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL_PROTOCOLS))
    steps = b"".join(struct.pack("HBBI", *step) for step in FILTER)
    program = bytearray(steps)
    address = struct.pack("HL", len(FILTER), _address(program))
    listener.setsockopt(socket.SOL_SOCKET, 26, address)  # SO_ATTACH_FILTER
    listener.setsockopt(socket.SOL_SOCKET, TIMESTAMPS, 1)
    listener.settimeout(LOOK_SECONDS)
    return listener


def _address(data: bytearray) -> int:
    import ctypes  # noqa: PLC0415 - it is needed here alone

    return ctypes.addressof(ctypes.c_char.from_buffer(data))


def note_advert(listener: socket.socket) -> None:
    """Wait for an advert, for a moment, and write it down."""
    try:
        packet, extras, _flags, address = listener.recvmsg(256, 64)
    except TimeoutError:
        return
    if address[2] != OUTGOING:
        return
    seconds, nanoseconds = struct.unpack("qq", extras[0][2])
    priority = packet[(packet[0] & 0x0F) * 4 + 2]
    sys.stdout.write(f"advert {seconds + nanoseconds / 1e9:.6f} {priority}\n")


def note_lease(manager: Manager) -> None:
    """Ask who may act, and write it down; silence is nothing to write down."""
    try:
        manager.request("GET", "/lease")
        body = json.loads(manager.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        manager.close()
        return
    held = int(body["held"] is True)
    sys.stdout.write(f"lease {time.time():.6f} {held} {body['epoch'] or 0}\n")


def main() -> None:
    """Watch for ever."""
    listener, manager, due = adverts(), Manager("unit"), 0.0
    while True:
        note_advert(listener)
        if time.monotonic() >= due:
            due = time.monotonic() + LOOK_SECONDS
            note_lease(manager)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
