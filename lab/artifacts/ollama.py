"""Ollama: the official release where it can be had, else built from source for this CPU."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from lab import catalog
from lab.artifacts import download, golang
from lab.cache import Artefact, Recipe
from lab.problem import Problem
from lab.progress import Progress
from lab.shell import run

SOURCE = Path(__file__).with_name("ollama")
MODULE = "github.com/ollama/ollama"
# Inference is three times faster with these; a build for another CPU is another cache entry.
CPU_FLAGS = {"avx2": "-mavx2", "fma": "-mfma", "f16c": "-mf16c", "bmi2": "-mbmi2"}
PROGRAM = "bin/ollama"
LIBRARIES = "lib/ollama"


def recipe(cache: Path, progress: Progress) -> Recipe:
    """Return how to make `bin/ollama` and what it needs beside it.

    A release that cannot be fetched or unpacked is said, and built from source instead.
    """
    flags = cpu_flags(Path("/proc/cpuinfo").read_text())
    version = catalog.section("ollama")["version"]
    name = "-".join([version, *(flag.removeprefix("-m") for flag in flags)])

    def make(into: Path) -> str:
        try:
            if _released(into):
                return "official release"
        except Problem as problem:
            progress.say(f"{problem.what} ({problem.why}): Ollama is built from source instead")
            _clear(into)
        _build(into, golang.find(cache, progress), flags)
        return "built from source"

    return Recipe("ollama", name, make, "official: a large download; built: 4 to 7 min")


def libraries(made: Artefact) -> str:
    """Return the directory of the libraries beside the program; "" if it is whole without."""
    place = made.file(LIBRARIES)
    return str(place) if place.is_dir() else ""


def cpu_flags(cpuinfo: str) -> list[str]:
    """Return the compiler flags that this CPU supports."""
    lines = [line for line in cpuinfo.splitlines() if line.startswith("flags")]
    have = set(lines[0].partition(":")[2].split()) if lines else set()
    return [flag for name, flag in CPU_FLAGS.items() if name in have]


def _released(into: Path) -> bool:
    wanted = catalog.section("ollama")
    archive = download.official(wanted["official"], wanted["archive"], wanted["checksums"], into)
    if archive is None:
        return False
    what = "the official release of Ollama cannot be unpacked"
    run(
        ["tar", "--zstd", "--no-same-owner", "-xf", archive, "-C", into],
        timeout_seconds=600,
        what=what,
    )
    archive.unlink()
    if not (into / PROGRAM).is_file():
        todo = "HEYKEN_OFFICIAL=no make deploy, which does without"
        raise Problem(what, why=f"{archive.name} holds no {PROGRAM}", todo=todo)
    return True


def _clear(place: Path) -> None:
    for left in place.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink()


def _build(into: Path, go: Path, flags: list[str]) -> None:
    wanted = catalog.section("ollama")
    include = into / "include"
    _header(include, wanted)
    options = " ".join(["-O3", *flags])
    version = f"-X github.com/ollama/ollama/version.Version={wanted['version']}"
    run(
        [go, "build", "-trimpath", "-ldflags", f"-s -w {version}", "-o", into / PROGRAM, MODULE],
        timeout_seconds=2400,
        cwd=SOURCE,
        env={
            **golang.environment(),
            "CGO_ENABLED": "1",
            "CGO_CPPFLAGS": f"-I{include}",
            "CGO_CFLAGS": options,
            "CGO_CXXFLAGS": options,
        },
        what="Ollama cannot be built from source",
        todo="check that Go reaches its module proxy (go env GOPROXY), then run make deploy again",
    )


def _header(include: Path, wanted: dict[str, str]) -> None:
    """Put the one C header that Go's module archive lacks where the compiler finds it."""
    include.mkdir()
    name, version = wanted["header_package"], wanted["header_version"]
    source = download.wheel(name, version, wanted["header_sha256"], include, source=True)
    with tarfile.open(source) as archive:
        (member,) = [one for one in archive if one.name.endswith("/miniaudio.h")]
        content = archive.extractfile(member)
        if content is None:
            raise ValueError(member.name)
        place = include / name / f"{name}.h"
        place.parent.mkdir()
        place.write_bytes(content.read())
    source.unlink()
