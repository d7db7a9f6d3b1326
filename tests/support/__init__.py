"""What several tests stand on."""

from __future__ import annotations
