"""A model server with Ollama's interface whose answers cost nothing: `Count to 20 every 50 ms`.

It runs wherever there is a Python, with its standard library only:
`python3 scripted_model.py PORT FOLDER`. What a real server says about itself (version, tags, ps,
show) lies in FOLDER as `<name>.json` and is said again. A partial answer that is sent back is
continued. The numbers of an answer show whether something of it is missing.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

ORDER = re.compile(r"Count to (\d+) every (\d+) ms")
COUNT_TO, EVERY_MS = 5, 10
HEAD_BYTES_MAX, HEADERS = 65536, "Content-Type: application/x-ndjson\r\n"
OK = f"HTTP/1.1 200 OK\r\n{HEADERS}"
ADDRESS = "127.0.0.1"


def script(messages: list[dict[str, Any]]) -> tuple[list[str], float]:
    """Return the pieces of text that the conversation is answered with, and the pause between."""
    asked = next((m["content"] for m in reversed(messages) if m.get("role") == "user"), "")
    found = ORDER.search(asked)
    last, every_ms = (int(found[1]), int(found[2])) if found else (COUNT_TO, EVERY_MS)
    known = str(messages[-1]["content"]) if messages[-1].get("role") == "assistant" else ""
    text = "".join(f"{number} " for number in range(1, last + 1))
    return re.findall(r"\d* ", text.removeprefix(known)), every_ms / 1000


def line(content: str, *, done: bool) -> bytes:
    """Return one line of an answer, as a chunk."""
    message = {"role": "assistant", "content": content}
    data = json.dumps({"model": "scripted", "message": message, "done": done}).encode() + b"\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


class Server:
    """The connections of one server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b"{}"
                await self._answer(head.split()[1].decode(), body, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, path: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        if path == "/api/chat":
            await self._chat(json.loads(body), writer)
            return
        kept = self._folder / f"{path.rpartition('/')[2]}.json"
        data = kept.read_bytes() if kept.is_file() else b'{"response": "", "done": true}'
        head = f"{OK}Content-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        await writer.drain()

    async def _chat(self, wish: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        pieces, pause = script(wish["messages"])
        writer.write(f"{OK}Transfer-Encoding: chunked\r\n\r\n".encode())
        for piece in pieces:
            await asyncio.sleep(pause)
            writer.write(line(piece, done=False))
            await writer.drain()
        writer.write(line("", done=True) + b"0\r\n\r\n")
        await writer.drain()


async def main() -> None:
    """Serve until killed."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    server = Server(folder)
    listening = await asyncio.start_server(server.serve, ADDRESS, port, limit=HEAD_BYTES_MAX)
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
