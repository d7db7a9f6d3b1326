"""Installing Debian packages, with an apt of our own that counts and fails on demand."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from lab import packages
from lab.problem import Problem
from lab.progress import Progress

# Fails as often as there are lines left in the file "failures", for the real installing only.
APT = """#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >>calls
case "$*" in
  "install -s "*) exit "$(cat simulation)" ;;
  "install -y "*)
    [ -s failures ] || exit 0
    sed -i 1d failures
    echo "404 Not Found" >&2
    exit 100 ;;
esac
"""


class Apt:
    def __init__(self, place: Path) -> None:
        self._place = place
        self.said = io.StringIO()
        (place / "apt-get").write_text(APT)
        (place / "apt-get").chmod(0o755)
        self.set()

    def set(self, *, failures: int = 0, simulation: int = 0) -> None:
        (self._place / "failures").write_text("once\n" * failures)
        (self._place / "simulation").write_text(str(simulation))

    def install(self) -> list[str]:
        """Return what apt was asked for, by its first two words."""
        packages.install(["thing"], Progress(console=Console(file=self.said)))
        return self.calls

    @property
    def calls(self) -> list[str]:
        lines = (self._place / "calls").read_text().splitlines()
        return [" ".join(line.split()[:2]) for line in lines]


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apt:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(packages, "missing", list)
    return Apt(tmp_path)


def test_packages_that_are_missing_are_named() -> None:
    assert packages.missing(["dpkg", "no-such-package"]) == ["no-such-package"]


def test_lists_that_know_the_packages_are_not_fetched_again(apt: Apt) -> None:
    assert apt.install() == ["install -s", "install -y"]


def test_lists_that_lack_a_package_are_fetched_first(apt: Apt) -> None:
    apt.set(simulation=100)
    assert apt.install() == ["install -s", "update", "install -y"]


def test_old_lists_are_fetched_again_and_it_is_tried_once_more(apt: Apt) -> None:
    apt.set(failures=1)
    assert apt.install() == ["install -s", "install -y", "update", "install -y"]
    assert "once more" in apt.said.getvalue()


@pytest.mark.parametrize("simulation", [0, 100])
def test_what_fails_with_new_lists_too_is_told(apt: Apt, simulation: int) -> None:
    apt.set(failures=9, simulation=simulation)
    with pytest.raises(Problem, match="thing cannot be installed") as caught:
        apt.install()
    assert "404" in caught.value.why
    assert apt.calls.count("update") == 1
