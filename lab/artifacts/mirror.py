"""Which Debian mirror this machine itself uses, as apt sees it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

from lab import packages
from lab.problem import Problem
from lab.shell import run

APT_SECONDS = 60
LIST = "mirror+file:"
# What the Release file says, not the address: other people's packages come from addresses with
# "debian" in them too, and Debian's own from a company's mirror that is named otherwise.
FORMAT = "$(ORIGIN)\t$(LABEL)\t$(CODENAME)\t$(COMPONENT)\t$(SITE)"


def address() -> str:
    """Return the first mirror of Debian's release that is reached by http or https, without "/".

    Raises Problem if apt knows none, even after fetching the package lists.
    """
    found = next(_addresses(), None)
    if found is None:  # only lists that were fetched tell whose packages they name
        packages.update()
        found = next(_addresses(), None)
    if found is None:
        raise Problem(
            "no Debian mirror is configured",
            why=f"/etc/apt names none of Debian {_codename()} by http or https, and the system "
            "image is made from the machine's own mirror",
            todo="add one to /etc/apt/sources.list.d/debian.sources",
        )
    return found.rstrip("/")


def _addresses() -> Iterator[str]:
    words = ["apt-get", "indextargets", "--format", FORMAT, "Identifier: Packages"]
    for line in run(words, timeout_seconds=APT_SECONDS).splitlines():
        *about, site = line.split("\t")
        if about == ["Debian", "Debian", _codename(), "main"]:
            yield from filter(_usable, _listed(site) if site.startswith(LIST) else [site])


def _usable(site: str) -> bool:
    return site.startswith(("http://", "https://"))


def _listed(site: str) -> list[str]:
    """Return the mirrors of a list: one a line, with what apt is to know of it behind a tab."""
    try:
        lines = Path(site.removeprefix(LIST)).read_text().splitlines()
    except OSError:
        return []
    return [line.split()[0] for line in lines if line.strip()]


def _codename() -> str:
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "")
