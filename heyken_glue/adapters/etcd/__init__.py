"""The store that keeps the epoch."""

from __future__ import annotations
