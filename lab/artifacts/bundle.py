"""The Python bundle: what the managed hosts run, with every dependency, for one Python version."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from lab.artifacts.catalogues import compile_catalogues
from lab.cache import Recipe
from lab.settings import REPOSITORY
from lab.shell import run, succeeds

LOCK = REPOSITORY / "locks" / "hosts.txt"
PACKAGE = REPOSITORY / "heyken_glue"
VERSIONS = ("3.11", "3.13")
MATCHES = "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{}')"
LAUNCHER = """#!/bin/sh
# Runs the command line of this release with the host's own Python; nothing of the host is imported.
here=$(dirname "$(readlink -f "$0")")
PYTHONPATH="$here/../site" exec /usr/bin/python3 -s -P -m heyken_glue "$@"
"""


def recipe(python: str) -> Recipe:
    """Return how to make `bundle.tar.gz` for one Python version; the version names its content."""
    compile_catalogues()
    digest = hashlib.sha256(LOCK.read_bytes() + LAUNCHER.encode() + MATCHES.encode())
    for path in sources():
        digest.update(str(path.relative_to(PACKAGE)).encode() + path.read_bytes())

    def make(into: Path) -> str:
        _build(into, python)
        return "locked packages"

    return Recipe("bundle", f"{python}-{digest.hexdigest()[:16]}", make, "seconds")


def sources() -> list[Path]:
    """Return the files of the package that go into a bundle, in a stable order."""
    kinds = {".py", ".mo", ".typed"}
    return sorted(path for path in PACKAGE.rglob("*") if path.suffix in kinds)


def uv() -> str:
    """Return the uv program that the bootstrap put beside this Python."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else (shutil.which("uv") or "uv")


def install(site: Path, python: str, requirements: Path) -> None:
    """Install locked packages for another Python version into a directory."""
    command = [uv(), "pip", "install", "--quiet", "--target", str(site), "--python-version", python]
    command += ["--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:"]
    command += ["--require-hashes", "--no-deps", "-r", str(requirements)]
    env = {"UV_LINK_MODE": "copy", "UV_NO_PROGRESS": "1", "UV_SYSTEM_CERTS": "1"}
    # What uv has fetched before is enough, and spares asking the index, which may be out of reach.
    if not succeeds([*command, "--offline"], timeout_seconds=600, env=env):
        run(
            command,
            timeout_seconds=600,
            env=env,
            what=f"the Python packages for the hosts' Python {python} cannot be fetched",
            todo="check that the Python package index answers, then run make deploy again",
        )
    shutil.rmtree(site / "bin", ignore_errors=True)


def _compile(site: Path, python: str) -> None:
    """Compile for the hosts' Python, if this machine has that version too.

    Units may write nothing to their release, and would compile all of it at each start.
    """
    for candidate in (sys.executable, f"/usr/bin/python{python}", f"python{python}"):
        if succeeds([candidate, "-c", MATCHES.format(python)], timeout_seconds=10):
            run(
                [candidate, "-m", "compileall", "-q", "-j", "0"]
                + ["--invalidation-mode", "unchecked-hash", str(site)],
                timeout_seconds=300,
            )
            return


def _build(into: Path, python: str) -> None:
    site = into / "site"
    install(site, python, LOCK)
    for path in sources():
        place = site / "heyken_glue" / path.relative_to(PACKAGE)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    _compile(site, python)
    launcher = into / "bin" / "heyken"
    launcher.parent.mkdir()
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)
    run(
        ["tar", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "-C", str(into)]
        + ["-czf", str(into / "bundle.tar.gz"), "bin", "site"],
        timeout_seconds=120,
    )
    shutil.rmtree(site)
    shutil.rmtree(launcher.parent)
