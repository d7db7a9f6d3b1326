"""The daemon that owns the virtual address."""

from __future__ import annotations
