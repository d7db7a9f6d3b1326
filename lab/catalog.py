"""Reads lab/catalog.toml: versions, sources and checksums of what a lab needs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("catalog.toml")


def section(name: str) -> dict[str, Any]:
    """Return one table of the catalogue; KeyError names a missing one."""
    table: dict[str, Any] = tomllib.loads(FILE.read_text())[name]
    return table
