"""The rows of the summary: each says the version that is there, and where it came from."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lab import cache, catalog
from lab.artifacts import image, rocketchat
from lab.prepare import Prepared
from lab.settings import Lab, Networks
from tools import components, summary

CHAT = {"Chat API": "https://192.0.2.10:5000", "Rocket.Chat": "https://192.0.2.14:3100"}
STATUS = """Package: keepalived
Status: install ok installed
Version: 1:2.2.7-1

Package: etcd-server
Status: deinstall ok config-files
Version: 3.4.23-4

Package: redis-server
Status: install ok installed
Description: a store
 Version: not this one
Version: 5:7.0.15-1
"""


class Engine:
    def version(self) -> dict[str, str]:
        return {"Version": "20.10.24"}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab with an inventory of its own below `tmp_path`."""
    monkeypatch.setattr("lab.settings.REPOSITORY", tmp_path)
    monkeypatch.setattr(components, "REPOSITORY", tmp_path)
    monkeypatch.setattr("lab.engine.require", Engine)
    monkeypatch.setattr("lab.engine.origin", lambda: "the machine's own")
    monkeypatch.setattr("lab.artifacts.terraform.version", lambda _: "1.11.4")
    networks = Networks("10.251.0.0/24", "10.251.1.0/24")
    declare(tmp_path, "lab", catalog.section("model")["sha256"])
    return Lab("second", "lab", networks, tmp_path / "state", tmp_path / "cache")


def declare(place: Path, inventory: str, digest: str, name: str = "heyken-general") -> None:
    file = place / "inventory" / inventory / "group_vars" / "cores" / "ollama.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    entry = f"{{name: {name}, file: /srv/models/example-7b.gguf, sha256: {digest}}}"
    file.write_text(f"ollama_models:\n  - {entry}\n")


def prepared(lab: Lab, **changes: Any) -> Prepared:
    """Return what a lab in containers prepares, with a system image of three packages."""
    place = lab.cache / "image"
    place.mkdir(parents=True, exist_ok=True)
    with tarfile.open(place / image.TAR, "w") as archive:
        entry = tarfile.TarInfo(f"./{image.STATUS}")
        entry.size = len(STATUS)
        archive.addfile(entry, io.BytesIO(STATUS.encode()))
    standin = cache.Artefact("standin-rocketchat", "1", lab.cache, "stand-in")
    values: dict[str, Any] = {
        "terraform": Path("/usr/bin/terraform"),
        "provider": cache.Artefact("provider", "4.6.0", lab.cache, "built from source"),
        "ollama": cache.Artefact("ollama", "0.24.0", lab.cache, "official release"),
        "model": cache.Artefact("model", "1", lab.cache, "package"),
        "bundles": {},
        "image": "heyken/system:1",
        "system": cache.Artefact("image", "1", place, "Debian packages"),
        "compose": lab.cache / "compose.deb",
        "chat": rocketchat.Chat({}, standin, "no licence is given"),
    }
    return Prepared(**{**values, **changes})


def rows(lab: Lab, made: Prepared) -> dict[str, tuple[str, str]]:
    found = components.of(lab, made, CHAT, heyken_version="0.1.0")
    assert len({one.name for one in found}) == len(found)
    return {one.name: (one.version, one.origin) for one in found}


def test_a_lab_in_containers_names_every_part(lab: Lab) -> None:
    assert rows(lab, prepared(lab)) == {
        "Heyken": ("0.1.0", "this repository"),
        "Ollama": ("0.24.0", "official release"),
        "Model": ("heyken-general", "SmolLM2 135M, a toy"),
        "Rocket.Chat": ("as 8.8.1", "a stand-in, because no licence is given"),
        "Terraform": ("1.11.4", "program on this machine"),
        "Docker provider": ("4.6.0", "built from source"),
        "Docker engine": ("20.10.24", "the machine's own"),
        "System image": ("heyken/system:1", "Debian packages"),
        "keepalived": ("1:2.2.7-1", "Debian package"),
        "Redis": ("5:7.0.15-1", "Debian package"),
        "Docker Compose": (catalog.section("compose")["version"], "Debian package"),
    }


def test_the_official_chat_comes_with_its_database(lab: Lab) -> None:
    found = rows(lab, prepared(lab, chat=rocketchat.Chat({"rocketchat": "…"}, None, "")))
    assert found["Rocket.Chat"] == ("8.8.1", "official image")
    assert found["MongoDB"] == ("8.0.14-ubi8", "official image")


def test_a_terraform_that_was_fetched_is_no_program_of_the_machine(lab: Lab) -> None:
    fetched = lab.cache / "terraform" / "1.11.4" / "terraform"
    assert rows(lab, prepared(lab, terraform=fetched))["Terraform"][1] == "official release"


def test_machines_of_ones_own_have_no_engine_and_no_image(lab: Lab) -> None:
    made = prepared(lab, provider=None, system=None, compose=None, image="")
    assert set(rows(lab, made)) == {"Heyken", "Ollama", "Model", "Rocket.Chat", "Terraform"}


def test_only_the_toy_is_called_a_toy(lab: Lab, tmp_path: Path) -> None:
    assert "toy" in components.remarks(lab)[0]
    declare(tmp_path, "second", "0" * 64, "example")
    assert rows(lab, prepared(lab))["Model"] == ("example", "example-7b.gguf, by the inventory")
    assert not components.remarks(lab)


@pytest.mark.parametrize("text", ["ollama_models: '{{ elsewhere }}'", "x: !vault secret", "- 1"])
def test_what_only_ansible_can_read_does_not_end_a_deployment_that_went_well(
    lab: Lab, tmp_path: Path, text: str
) -> None:
    declare(tmp_path, "second", "0" * 64)
    (tmp_path / "inventory/second/group_vars/cores/zz_own.yml").write_text(text)
    assert "Ollama" in rows(lab, prepared(lab))


def test_every_row_is_printed(lab: Lab) -> None:
    parts = components.of(lab, prepared(lab), CHAT, heyken_version="0.1.0")
    out = io.StringIO()
    about = summary.Summary(
        name="second",
        addresses=CHAT,
        components=parts,
        status={"holder": "core1", "cause": "start", "reason": "it was first"},
        answer={"question": "Which?", "core": 1, "response": "This."},
        state=lab.state,
        client_file=lab.client_file,
        command="heyken",
        seconds={},
        remarks=components.remarks(lab),
    )
    summary.show(about, Console(file=out, width=200))
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    for part in parts:
        assert any(f"{part.name} {part.version} {part.origin}" in line for line in lines), part
    assert any("is a toy" in line for line in lines)
    program = lines[lines.index("Try it:") + 2].split()[0]
    assert program in catalog.section("debian")["packages"], "what it tells people to type is there"
