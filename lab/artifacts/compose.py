"""Docker Compose 2 for Debian 12: one package of Debian 13, from the machine's own mirror."""

from __future__ import annotations

from pathlib import Path

from lab import catalog
from lab.artifacts import mirror
from lab.cache import Recipe, require_sha256
from lab.shell import run

FILE = "docker-compose.deb"
# apt's own downloader: it knows the machine's proxies, and mirrors by http as well as by https.
HELPER = "/usr/lib/apt/apt-helper"


def recipe() -> Recipe:
    """Return how to fetch `docker-compose.deb`."""
    return Recipe("compose", catalog.section("compose")["version"], _make, "13 MB to fetch")


def _make(into: Path) -> str:
    wanted = catalog.section("compose")
    url = f"{mirror.address()}/{wanted['path']}"
    run(
        [HELPER, "download-file", url, into / FILE, f"SHA256:{wanted['sha256']}"],
        timeout_seconds=300,
        what="Docker Compose cannot be fetched",
        todo="check that the Debian mirror answers, then run make deploy again",
    )
    require_sha256(into / FILE, wanted["sha256"], source="the Debian mirror")
    return "Debian package"
