"""Heyken's own programs: the units on the hosts and the command line."""

from __future__ import annotations

__version__ = "0.1.0"
