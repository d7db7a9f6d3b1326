"""Which lab is meant, and what is refused before anything happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from heyken_glue.cli import environment
from lab import settings
from lab.problem import Problem


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in environment.KNOWN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HEYKEN_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("HEYKEN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("os.geteuid", lambda: 0)


def test_the_default_lab_needs_no_settings() -> None:
    lab = settings.load()
    assert (lab.name, lab.environment, lab.vip) == ("lab", "lab", "10.77.0.10")


def test_a_mistyped_variable_is_refused_with_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEYKEN_SYSTEM_SUBNETS", "10.90.0.0/24")
    with pytest.raises(Problem) as caught:
        settings.load()
    assert "did you mean HEYKEN_SYSTEM_SUBNET?" in caught.value.todo


@pytest.mark.parametrize("name", ["Lab", "1lab", "a" * 17, "../lab", "hosts", "lab lab"])
def test_a_name_that_cannot_name_resources_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HEYKEN_LAB", name)
    with pytest.raises(Problem, match="cannot name a lab"):
        settings.load()


@pytest.mark.parametrize(
    "text", ["10.77.0.0", "10.77.0.1/24", "8.8.8.0/24", "10.0.0.0/8", "127.0.0.0/16", "x", "::/64"]
)
def test_a_network_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("HEYKEN_SYSTEM_SUBNET", text)
    with pytest.raises(Problem) as caught:
        settings.load()
    assert text in caught.value.what


def test_machines_you_have_are_a_lab_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEYKEN_ENV", "hosts")
    assert settings.load().name == "hosts"


def test_networks_are_remembered_and_cannot_change_under_a_lab(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEYKEN_SYSTEM_SUBNET", "10.90.0.0/24")
    settings.load().remember()
    monkeypatch.delenv("HEYKEN_SYSTEM_SUBNET")
    assert settings.load().vip == "10.90.0.10"
    monkeypatch.setenv("HEYKEN_SYSTEM_SUBNET", "10.91.0.0/24")
    with pytest.raises(Problem, match=r"10\.90\.0\.0/24, not 10\.91\.0\.0/24"):
        settings.load()


def test_a_new_network_is_checked_before_it_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.load().remember()
    monkeypatch.setenv("HEYKEN_SYSTEM_SUBNET", "rubbish")
    with pytest.raises(Problem, match="rubbish is no network"):
        settings.load()


def test_networks_that_overlap_are_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEYKEN_SANDBOX_SUBNET", "10.77.0.128/25")
    with pytest.raises(Problem, match="overlap"):
        settings.load()


@pytest.mark.parametrize("content", ["", "[]", '{"system_subnet": 3}'])
def test_what_was_remembered_badly_is_named_with_its_file(content: str, tmp_path: Path) -> None:
    file = tmp_path / "state" / "lab" / "networks.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    with pytest.raises(Problem, match=r"networks\.json cannot be used") as caught:
        settings.load()
    assert f"rm {file}" in caught.value.todo


def test_a_full_disk_leaves_what_was_remembered_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lab = settings.load()
    lab.remember()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(settings, "write_private", full)
    with pytest.raises(Problem, match="nothing can be written"):
        lab.remember()
    assert (tmp_path / "state" / "lab" / "networks.json").read_text().startswith("{")


@pytest.mark.parametrize("variable", settings.SWITCHES)
def test_a_switch_is_yes_or_no(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "off")
    with pytest.raises(Problem, match="neither yes nor no"):
        settings.load()


@pytest.mark.parametrize("place", ["relative/path", "/dev/null/inside"])
def test_a_place_that_can_hold_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("HEYKEN_CACHE_DIR", place)
    with pytest.raises(Problem, match="is no place for a directory"):
        settings.load()


def test_a_name_belongs_to_one_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEYKEN_LAB", "blue")
    settings.load().remember()
    monkeypatch.setenv("HEYKEN_ENV", "hosts")
    with pytest.raises(Problem, match="was made with ENV=lab"):
        settings.load()
    monkeypatch.setenv("HEYKEN_LAB", "lab")
    with pytest.raises(Problem, match="cannot name a lab"):
        settings.load()


@pytest.mark.parametrize(
    ("name", "environment", "expected"),
    [
        ("lab", "lab", "make start"),
        ("second", "lab", "make start LAB=second"),
        ("hosts", "hosts", "make start ENV=hosts"),
    ],
)
def test_a_command_to_copy_names_its_lab(name: str, environment: str, expected: str) -> None:
    networks = settings.Networks("10.1.0.0/24", "10.1.1.0/24")
    lab = settings.Lab(name, environment, networks, Path("/state"), Path("/cache"))
    assert lab.make("start") == expected


def test_who_is_not_root_is_told_to_become_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert settings.load().make("start") == "sudo make start"
    monkeypatch.setenv("HEYKEN_ENV", "hosts")
    assert settings.load().make("deploy") == "make deploy ENV=hosts"
