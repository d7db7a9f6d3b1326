"""One module for each systemd unit; each has `async def run(settings, daemon)`."""

from __future__ import annotations
