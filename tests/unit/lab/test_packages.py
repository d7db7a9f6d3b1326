"""Installing Debian packages, with an apt of our own that counts and fails on demand."""

from __future__ import annotations

import contextlib
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
    cat policy-rc.d >seen 2>&1
    touch units/web.service units/web@.service
    [ -s failures ] || exit 0
    sed -i 1d failures
    echo "404 Not Found" >&2
    exit 100 ;;
esac
"""


class Apt:
    def __init__(self, place: Path) -> None:
        self.place = place
        self.said = io.StringIO()
        (place / "apt-get").write_text(APT)
        (place / "apt-get").chmod(0o755)
        (place / "systemctl").write_text('#!/bin/sh\necho "$*" >>"${0%/*}/systemctl.calls"\n')
        (place / "systemctl").chmod(0o755)
        (place / "units").mkdir()
        (place / "units" / "mine.service").touch()
        self.set()

    def set(self, *, failures: int = 0, simulation: int = 0) -> None:
        (self.place / "failures").write_text("once\n" * failures)
        (self.place / "simulation").write_text(str(simulation))

    def install(self) -> list[str]:
        """Return what apt was asked for, by its first two words."""
        packages.install(["thing"], Progress(console=Console(file=self.said)))
        return self.calls

    @property
    def calls(self) -> list[str]:
        lines = (self.place / "calls").read_text().splitlines()
        return [" ".join(line.split()[:2]) for line in lines]


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apt:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(packages, "missing", list)
    monkeypatch.setattr(packages, "UNITS", tmp_path / "units")
    monkeypatch.setattr(packages, "POLICY", tmp_path / "policy-rc.d")
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


@pytest.mark.parametrize("former", ["", "#!/bin/sh\nexit 0\n", packages.NOTHING_STARTS])
@pytest.mark.parametrize("failures", [0, 9])
def test_services_for_tests_are_neither_started_nor_enabled(
    apt: Apt, former: str, failures: int
) -> None:
    policy = apt.place / "policy-rc.d"
    if former:
        policy.write_text(former)
    apt.set(failures=failures)
    progress = Progress(console=Console(file=apt.said, width=500))
    with pytest.raises(Problem) if failures else contextlib.nullcontext():
        packages.install_idle(["thing"], progress)
    assert (apt.place / "seen").read_text() == packages.NOTHING_STARTS
    kept = policy.read_text() if policy.exists() else ""
    assert kept == (former if former != packages.NOTHING_STARTS else ""), "left by a killed run"
    if not failures:
        called = (apt.place / "systemctl.calls").read_text()
        assert called == "disable --quiet web.service\n"
        assert "neither started nor enabled" in apt.said.getvalue()


def test_the_machines_own_policy_comes_back_after_a_killed_run(apt: Apt) -> None:
    policy = apt.place / "policy-rc.d"
    policy.write_text(packages.NOTHING_STARTS)
    policy.with_name("policy-rc.d.before-heyken").write_text("own")
    packages.install_idle(["thing"], Progress(console=Console(file=apt.said)))
    assert policy.read_text() == "own"
