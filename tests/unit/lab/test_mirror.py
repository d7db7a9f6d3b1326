"""Which mirror apt's own files name: apt itself reads them here, from directories of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.artifacts import mirror
from lab.problem import Problem

RELEASE = """Origin: {origin}
Label: {origin}
Codename: {codename}
Date: Sat, 17 May 2025 09:00:00 UTC
Architectures: amd64
Components: main
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 main/binary-amd64/Packages
"""
DEBIAN = "http://ftp.example.com/debian"
DOCKER = "https://download.docker.com/linux/debian"
COMPANY = "https://packages.example.com/repository/linux-12"


class Apt:
    """An apt that reads below `place`, and nothing of the machine's own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for name in ("parts", "lists/partial"):
            (place / name).mkdir(parents=True)
        folders = {"Etc::sourcelist": "list", "Etc::sourceparts": "parts", "State::lists": "lists"}
        lines = [f'Dir::{key} "{place / name}";\n' for key, name in folders.items()]
        (place / "apt.conf").write_text("".join(lines))

    def fetched(self, site: str, *, origin: str = "Debian", codename: str = "bookworm") -> None:
        """Put the lists there that an update of the site would have fetched."""
        name = (
            site.partition(":")[2]
            .removeprefix("//")
            .rstrip("/")
            .replace("_", "%5f")
            .replace("/", "_")
        )
        start = self.place / "lists" / f"{name}_dists_{codename}"
        Path(f"{start}_Release").write_text(RELEASE.format(origin=origin, codename=codename))
        Path(f"{start}_main_binary-amd64_Packages").touch()

    def deb822(self, name: str, site: str, suites: str = "bookworm", more: str = "") -> None:
        text = f"Types: deb\nURIs: {site}\nSuites: {suites}\nComponents: main\n{more}"
        (self.place / "parts" / f"{name}.sources").write_text(text)


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apt:
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"VERSION_CODENAME": "bookworm"})
    made = Apt(tmp_path)
    for site, origin in ((DEBIAN, "Debian"), (COMPANY, "Debian"), (DOCKER, "Docker")):
        made.fetched(site, origin=origin)
    return made


def test_a_line_of_sources_list_is_read_and_other_peoples_packages_are_not(apt: Apt) -> None:
    lines = [
        "# deb http://old.example.com/debian bookworm main",
        f"deb [arch=amd64] {DOCKER} bookworm main",
        "deb cdrom:[Debian GNU/Linux 12]/ bookworm main",
        f"deb-src {COMPANY} bookworm main",
        f"deb [ arch=amd64 ] {DEBIAN} bookworm main",
    ]
    (apt.place / "list").write_text("\n".join(lines) + "\n")
    assert mirror.address() == DEBIAN


def test_paragraphs_of_several_files_are_read(apt: Apt) -> None:
    apt.deb822("a-docker", DOCKER)
    apt.deb822("b-off", DEBIAN, more="Enabled: no\n")
    apt.deb822("c-company", f"{COMPANY}/")
    assert mirror.address() == COMPANY, "by what it holds, not by its name"


def test_updates_security_and_other_releases_are_no_mirror_of_the_release(apt: Apt) -> None:
    security = "http://security.example.com/debian-security"
    apt.fetched(security, codename="bookworm-security")
    apt.fetched("http://old.example.com/debian", codename="bullseye")
    apt.deb822("a-security", security, "bookworm-security")
    apt.deb822("b-old", "http://old.example.com/debian", "bullseye")
    apt.deb822("c-own", DEBIAN)
    assert mirror.address() == DEBIAN


def test_a_list_of_mirrors_is_looked_up(apt: Apt) -> None:
    listed = apt.place / "mirrors"
    listed.write_text(f"\nfile:/srv/debian\n{COMPANY}/\tpriority:1\n{DEBIAN}\n")
    apt.fetched(f"mirror+file:{listed}")
    apt.deb822("a-list", f"mirror+file:{listed}")
    apt.deb822("b-own", DEBIAN)
    assert mirror.address() == COMPANY
    listed.unlink()
    assert mirror.address() == DEBIAN, "a list that is gone is passed over"


@pytest.mark.parametrize("arrives", [True, False])
def test_lists_that_were_never_fetched_are_fetched_once(
    apt: Apt, monkeypatch: pytest.MonkeyPatch, arrives: bool
) -> None:
    apt.deb822("debian", "http://new.example.com/debian")
    calls: list[str] = []

    def update() -> None:
        calls.append("update")
        if arrives:
            apt.fetched("http://new.example.com/debian")

    monkeypatch.setattr("lab.packages.update", update)
    if arrives:
        assert mirror.address() == "http://new.example.com/debian"
    else:
        with pytest.raises(Problem, match="no Debian mirror is configured"):
            mirror.address()
    assert len(calls) == 1


def test_the_mirror_is_the_machines_own() -> None:
    assert mirror.address().startswith("http")
