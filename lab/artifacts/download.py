"""Fetching: wheels by the machine's own package settings, releases only with a checksum."""

from __future__ import annotations

import http.client
import os
import shutil
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from lab.cache import require_sha256
from lab.problem import Problem
from lab.shell import run

ANSWER_SECONDS = 10.0
ARCHIVE_SECONDS = 60.0  # without a byte, not for the whole
CHUNK_BYTES = 1 << 20


def wheel(name: str, version: str, digest: str, into: Path, *, source: bool = False) -> Path:
    """Fetch one Python package file (a wheel, or the source archive) and check its SHA-256.

    The address comes from the machine's pip configuration.
    """
    kind = ["--no-binary", ":all:"] if source else ["--only-binary", ":all:"]
    before = set(into.iterdir())
    run(
        [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--dest", str(into)]
        + [*kind, "--disable-pip-version-check", f"{name}=={version}"],
        timeout_seconds=600,
        what=f"the Python package {name} {version} cannot be fetched",
        todo="check that pip reaches its index (pip config list), then run make deploy again",
    )
    (file,) = set(into.iterdir()) - before
    require_sha256(file, digest, source=f"package {name} {version}")
    return file


def official(base: str, archive: str, checksums: str, into: Path) -> Path | None:
    """Fetch a release archive and check it against the release's own list; None if out of reach.

    HEYKEN_OFFICIAL=no skips the attempt. A list that does not name the archive is a Problem.
    """
    if os.environ.get("HEYKEN_OFFICIAL") == "no" or not _answers(f"{base}/{checksums}"):
        return None
    listed = _read(f"{base}/{checksums}")
    digests = {line.split()[-1].lstrip("*./"): line.split()[0] for line in listed.splitlines()}
    if archive not in digests:
        raise Problem(
            f"{archive} has no checksum",
            why=f"{checksums} of the release does not list it",
            todo="set HEYKEN_OFFICIAL=no to build from source instead",
        )
    file = into / archive
    _fetch(f"{base}/{archive}", file)
    require_sha256(file, digests[archive], source=f"release {urlsplit(base).netloc}")
    return file


def _answers(url: str) -> bool:
    try:
        _open(url, ANSWER_SECONDS).close()
    except (OSError, http.client.HTTPException):
        return False
    return True


def _read(url: str) -> str:
    try:
        with _open(url, ANSWER_SECONDS) as answer:
            return str(answer.read(CHUNK_BYTES).decode())
    except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
        raise _cut_off(url, error) from error


def _fetch(url: str, file: Path) -> None:
    try:
        with _open(url, ARCHIVE_SECONDS) as answer, file.open("wb") as out:
            shutil.copyfileobj(answer, out, CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _cut_off(url, error) from error


def _cut_off(url: str, error: Exception) -> Problem:
    return Problem(
        f"{url.rpartition('/')[2]} could not be fetched to its end",
        why=f"{url}: {error or type(error).__name__}",
        todo="run make deploy again, or HEYKEN_OFFICIAL=no make deploy, which does without",
    )


def _open(url: str, timeout_seconds: float):  # type: ignore[no-untyped-def]  # noqa: ANN202 - urllib's own answer type
    if not url.startswith("https://"):
        raise ValueError(url)
    return urllib.request.urlopen(url, timeout=timeout_seconds)  # noqa: S310 - https only, above
