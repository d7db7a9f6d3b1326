"""A stand-in for Ollama that costs next to nothing: what is measured is what stands before it.

A process of its own (`python -m bench.gateway_backend PLAN`, PLAN is a JSON object: `port`,
`tls_port`, `certificate`, `key`, `health`). It speaks as much HTTP/1.1 as a proxy sends.
A question `play N S` is answered with N pieces of text, one every S seconds; each holds the moment
at which it was written (CLOCK_MONOTONIC, the same in all processes of a machine). With S 0 all of
them come at once; `play N S B` fills the last one up with B bytes. The Unix socket `health` says
what the health unit says of a core that is well.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import time
from typing import cast

import uvloop

ASKED = re.compile(rb"play (\d+) ([\d.]+)(?: (\d+))?")
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
DONE = b'{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}\n'
VERDICT_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
VERDICT = json.dumps({"capable": True, "sentence": "well", "sentence_pl": "dobrze"}).encode()


def chunk(data: bytes) -> bytes:
    """Return one chunk of a body of unknown length."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def piece(filling: bytes = b"") -> bytes:
    """Return a line of the answer, with the time at which it is written."""
    line = b'{"message":{"role":"assistant","content":"%.6f %b"},"done":false}\n'
    return line % (time.monotonic(), filling)


class Model(asyncio.Protocol):
    """One connection; requests on it come one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport, self.data = cast("asyncio.Transport", transport), b""
        self.timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop an answer that nobody reads."""
        del exc
        if self.timer is not None:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer each request as soon as it is complete."""
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.data, 0, end + 2)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.data) < whole:
                return
            asked, self.data = self.data[:whole], self.data[whole:]
            self._answer(ASKED.search(asked, end))

    def _answer(self, asked: re.Match[bytes] | None) -> None:
        if asked is None:
            self.transport.write(VERDICT_HEAD % len(VERDICT) + VERDICT)
        elif not float(asked[2]):
            pieces = b"".join(piece() for _ in range(int(asked[1]) - 1))
            pieces += piece(b"x" * int(asked[3] or 0))
            self.transport.write(HEAD + chunk(pieces + DONE) + b"0\r\n\r\n")
        else:
            self.transport.write(HEAD)
            loop = asyncio.get_running_loop()
            self._play(loop, int(asked[1]), float(asked[2]), loop.time())

    def _play(self, loop: asyncio.AbstractEventLoop, left: int, seconds: float, due: float) -> None:
        if not left:
            self.transport.write(chunk(DONE) + b"0\r\n\r\n")
            return
        self.transport.write(chunk(piece()))
        due += seconds
        self.timer = loop.call_at(due, self._play, loop, left - 1, seconds, due)


async def serve(plan: dict[str, str]) -> None:
    """Listen until standard input ends."""
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(plan["certificate"], plan["key"])
    await loop.create_server(Model, "127.0.0.1", int(plan["port"]), backlog=4096)
    await loop.create_server(Model, "127.0.0.1", int(plan["tls_port"]), ssl=context, backlog=4096)
    await loop.create_unix_server(Model, plan["health"])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(json.loads(sys.argv[1])))
