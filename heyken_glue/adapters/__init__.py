"""One package for each system we talk to."""

from __future__ import annotations
