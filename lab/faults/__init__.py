"""Faults that only a lab can do; each one is a context that undoes it, also when a test fails.

`hosts` kills and freezes machines, `units` what runs on them, `network` cuts and loses, `disk`
fills a small mount, `clock` puts one process an hour off, `models` takes a model away. All of them
reach a host through the engine, never through the network that they break.
"""

from __future__ import annotations

from lab.faults.hosts import Host

__all__ = ["Host"]
