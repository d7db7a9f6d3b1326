"""The terraform program: the machine's own when new enough, else the official release."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from lab import catalog
from lab.artifacts import download
from lab.cache import Recipe, obtain
from lab.problem import Problem
from lab.progress import Progress
from lab.shell import run


def find(cache: Path, progress: Progress) -> Path:
    """Return a terraform that is new enough; others are left alone and said.

    Raises Problem if there is none and the official release cannot be had either.
    """
    wanted = catalog.section("terraform")
    faults = []
    for own in _installed():
        fault = _fault(own, wanted["version_min"])
        if fault is None:
            return own
        faults.append(f"{own} {fault}")
        progress.say(f"{faults[-1]}: it is left alone")

    def fetch(into: Path) -> str:
        return _fetch(into, "; ".join(faults) or "none is on PATH")

    recipe = Recipe("terraform", wanted["version"], fetch, "30 MB to fetch")
    program = obtain(recipe, cache=cache, progress=progress).file("terraform")
    program.chmod(0o755)
    return program


def version(program: Path) -> str:
    """Return the version a terraform program reports."""
    out = run(
        [program, "version", "-json"],
        timeout_seconds=30,
        env={"TF_CLI_CONFIG_FILE": "/dev/null", "CHECKPOINT_DISABLE": "1"},
    )
    found: str = json.loads(out[out.index("{") :])["terraform_version"]
    return found


def _installed() -> list[Path]:
    """Return every terraform on PATH, the first one first."""
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = [shutil.which("terraform", path=place) for place in dict.fromkeys(places) if place]
    return [Path(program) for program in found if program]


def _fault(program: Path, least: str) -> str | None:
    """Return why a terraform cannot be used, or None."""
    try:
        found = version(program)
        return None if _key(found) >= _key(least) else f"is version {found}, older than {least}"
    except (Problem, ValueError, KeyError):
        return "does not tell its version"


def _key(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.partition("-")[0].split("."))


def _fetch(into: Path, why: str) -> str:
    wanted = catalog.section("terraform")
    archive = download.official(wanted["official"], wanted["archive"], wanted["checksums"], into)
    if archive is None:
        raise Problem(
            f"terraform {wanted['version_min']} or newer is missing",
            why=f"{why}, and {urlsplit(wanted['official']).netloc} cannot be reached from here",
            todo=f"install terraform {wanted['version']} and put it on PATH",
        )
    with zipfile.ZipFile(archive) as content:
        content.extract("terraform", into)
    archive.unlink()
    return "official release"
