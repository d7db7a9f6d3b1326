"""The artefact cache: made once by version, checked at each use, safe to interrupt."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.files import remove_tree
from lab.problem import Problem
from lab.progress import Progress

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Artefact:
    """One entry of the cache. `origin` says where it came from: official, built, package."""

    name: str
    version: str
    directory: Path
    origin: str

    def file(self, relative: str) -> Path:
        """Return a file of the entry."""
        return self.directory / relative


@dataclass(frozen=True)
class Recipe:
    """How to make an entry. `make` fills an empty directory and returns the origin."""

    name: str
    version: str
    make: Callable[[Path], str]
    estimate: str


def obtain(recipe: Recipe, *, cache: Path, progress: Progress) -> Artefact:
    """Return the entry, making it first if it is missing or damaged.

    A damaged entry is said, put aside as `<version>.broken` and made anew. What is half made lies
    in `<version>.part-<process>` and is never taken for an entry; what a killed run left goes.
    """
    place = cache / recipe.name / recipe.version
    place.parent.mkdir(parents=True, exist_ok=True)
    with _lock(place.parent / f".{recipe.version}.lock", recipe.name, progress):
        if place.exists():
            fault = damage(place)
            if fault is None:
                return Artefact(recipe.name, recipe.version, place, _manifest(place)["origin"])
            progress.say(f"[yellow]cache entry {recipe.name} {recipe.version}: {fault}; again[/]")
            _put_aside(place)
        for left in place.parent.glob(f"{place.name}.part*"):
            remove_tree(left)
        with progress.phase(f"{recipe.name} {recipe.version}", estimate=recipe.estimate):
            origin = _make(recipe, place)
    return Artefact(recipe.name, recipe.version, place, origin)


def _make(recipe: Recipe, place: Path) -> str:
    """Fill a directory of our own, and give it the entry's name once it is whole."""
    # The name is new each time: a child of a killed run may still be writing to the old one.
    part = place.with_name(f"{place.name}.part-{os.getpid()}")
    try:
        part.mkdir()
        origin = recipe.make(part)
        _write_manifest(part, origin)
        part.rename(place)
    except OSError as error:
        raise Problem(
            f"{recipe.name} {recipe.version} cannot be kept in the cache",
            why=str(error),
            todo=f"free some space for {place.parent}, or name another place with HEYKEN_CACHE_DIR",
        ) from error
    finally:
        remove_tree(part)
    return origin


def damage(place: Path) -> str | None:
    """Return what is wrong with an entry, or None; every file's SHA-256 is compared."""
    try:
        files = _manifest(place)["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its manifest cannot be read ({type(error).__name__})"
    for name, expected in files.items():
        path = place / name
        if not path.is_file():
            return f"{name} is missing"
        if sha256(path) != expected:
            return f"{name} has changed since it was made"
    return None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_sha256(path: Path, expected: str, *, source: str) -> None:
    """Refuse a download whose content is not what was pinned."""
    found = sha256(path)
    if found != expected:
        raise Problem(
            f"{path.name} has the wrong content",
            why=f"from {source}: sha256 {found}, expected {expected}",
            todo="try again; if it stays so, ask who changed it before trusting it",
        )


def _manifest(place: Path) -> dict[str, Any]:
    content = json.loads((place / MANIFEST).read_text())
    if not isinstance(content, dict):
        raise TypeError(MANIFEST)
    return content


def _write_manifest(part: Path, origin: str) -> None:
    files = {
        str(path.relative_to(part)): sha256(path)
        for path in sorted(part.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
    (part / MANIFEST).write_text(json.dumps({"origin": origin, "files": files}, indent=1))


def _put_aside(place: Path) -> None:
    broken = place.with_name(place.name + ".broken")
    remove_tree(broken)
    place.rename(broken)


@contextmanager
def _lock(path: Path, name: str, progress: Progress) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            begun = time.monotonic()
            progress.say(f"another deploy is making {name}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
            progress.say(f"waited {time.monotonic() - begun:.0f} s")
        yield
