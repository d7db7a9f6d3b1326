"""Official images: pinned by content, kept, and given up for a stand-in only where that is due."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import cache
from lab.artifacts import registry, rocketchat, standin
from lab.progress import Progress
from lab.settings import Lab, Networks

NAMES = {"chat": "registry.example.com/chat:1", "store": "registry.example.com/store:2"}
DIGEST = f"sha256:{'1' * 64}"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEYKEN_OFFICIAL", raising=False)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    networks = Networks("10.251.0.0/24", "10.251.1.0/24")
    return Lab("nobody", "lab", networks, tmp_path / "state", tmp_path / "cache")


def nobody(name: str) -> str | None:
    raise AssertionError(f"{name} was asked for")


def test_images_are_pinned_and_asked_for_once(tmp_path: Path) -> None:
    kept = tmp_path / "images.json"
    first = registry.pinned(NAMES, kept, ask=lambda _: DIGEST)
    assert first["chat"] == f"registry.example.com/chat:1@{DIGEST}"
    assert registry.pinned(NAMES, kept, ask=nobody) == first


def test_one_registry_that_is_silent_is_enough_for_none(tmp_path: Path) -> None:
    kept = tmp_path / "images.json"

    def one(name: str) -> str | None:
        return DIGEST if "chat" in name else None

    assert registry.pinned(NAMES, kept, ask=one) == {}
    assert not kept.exists()


def test_another_tag_is_asked_for_again(tmp_path: Path) -> None:
    kept = tmp_path / "images.json"
    registry.pinned(NAMES, kept, ask=lambda _: DIGEST)
    newer = f"sha256:{'2' * 64}"
    found = registry.pinned({"chat": "registry.example.com/chat:2"}, kept, ask=lambda _: newer)
    assert found == {"chat": f"registry.example.com/chat:2@{newer}"}
    assert list(json.loads(kept.read_text()).values()) == [newer]


def test_a_person_can_refuse_official_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEYKEN_OFFICIAL", "no")
    assert registry.pinned(NAMES, tmp_path / "images.json", ask=nobody) == {}


def made(recipe: cache.Recipe) -> cache.Artefact:
    return cache.Artefact(recipe.name, recipe.version, Path("/nowhere"), "stand-in")


def choice(lab: Lab, *, official: bool) -> rocketchat.Chat:
    return rocketchat.choose(lab, may_be_official=official, obtain=made, progress=Progress())


def test_without_leave_the_registries_are_not_asked(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_digest", nobody)
    chosen = choice(lab, official=False)
    assert chosen.standin is not None
    assert chosen.standin.name == "standin-rocketchat"
    assert "no licence" in chosen.reason


def test_official_images_are_taken_where_they_work(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_digest", lambda _: DIGEST)
    monkeypatch.setattr(standin, "base_recipe", nobody)
    chosen = choice(lab, official=True)
    assert set(chosen.official) == {"rocketchat", "mongodb"}
    assert all("@sha256:" in image for image in chosen.official.values())
    assert chosen.standin is None


def test_silent_registries_mean_a_stand_in(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_digest", lambda _: None)
    chosen = choice(lab, official=True)
    assert not chosen.official
    assert "do not answer" in chosen.reason
