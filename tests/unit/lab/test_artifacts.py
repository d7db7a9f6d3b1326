"""What is fetched or built for a lab: pinned, checked, refused when wrong."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from lab import catalog, packages
from lab.artifacts import download, image, ollama, terraform
from lab.problem import Problem
from lab.progress import Progress


def test_every_download_of_the_catalogue_has_a_checksum() -> None:
    for name in ("go", "terraform", "ollama", "model", "provider", "image"):
        assert catalog.section(name)
    assert len(catalog.section("model")["sha256"]) == 64
    assert len(catalog.section("go")["sha256"]) == 64
    assert len(catalog.section("ollama")["header_sha256"]) == 64
    for name in ("terraform", "ollama"):
        assert catalog.section(name)["checksums"]


def test_only_flags_that_the_processor_has_are_compiled_for() -> None:
    cpuinfo = "processor : 0\nflags\t\t: fpu avx2 fma bmi2\n\nprocessor : 1\nflags : fpu\n"
    assert ollama.cpu_flags(cpuinfo) == ["-mavx2", "-mfma", "-mbmi2"]
    assert ollama.cpu_flags("") == []


def test_an_official_release_is_skipped_when_the_person_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEYKEN_OFFICIAL", "no")
    assert download.official("https://example.com/1", "a.zip", "sums", tmp_path) is None


def test_an_extra_ca_that_is_no_certificate_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    monkeypatch.setenv("HEYKEN_EXTRA_CA", str(file))
    with pytest.raises(Problem, match="is no certificate"):
        image.extra_certificates()


def test_the_mirror_is_the_machines_own() -> None:
    assert image.mirror().startswith("http")


def test_packages_that_are_missing_are_named() -> None:
    assert packages.missing(["dpkg", "no-such-package"]) == ["no-such-package"]


def program(folder: Path, body: str) -> Path:
    folder.mkdir()
    file = folder / "terraform"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return file


def reporting(version: str) -> str:
    return f'echo \'{{"terraform_version":"{version}"}}\''


def test_an_old_terraform_is_left_alone_where_a_newer_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "old", reporting("1.5.7"))
    program(tmp_path / "broken", "exit 3")
    new = program(tmp_path / "new", reporting("1.11.4"))
    monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / n) for n in ("old", "broken", "new")))
    console = Console(file=io.StringIO(), width=500)
    assert terraform.find(tmp_path / "cache", Progress(console=console)) == new
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "is version 1.5.7, older than" in said
    assert "does not tell its version" in said


def test_only_an_old_terraform_out_of_reach_of_releases_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = program(tmp_path / "old", reporting("1.5.7"))
    monkeypatch.setenv("PATH", str(old.parent))
    monkeypatch.setenv("HEYKEN_OFFICIAL", "no")
    with pytest.raises(Problem, match="newer is missing") as caught:
        terraform.find(tmp_path / "cache", Progress(console=Console(file=io.StringIO())))
    assert f"{old} is version 1.5.7" in caught.value.why


def test_a_download_that_is_cut_off_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEYKEN_OFFICIAL", raising=False)
    monkeypatch.setattr(download, "_answers", lambda _: True)

    def cut(_url: str, _seconds: float) -> io.BytesIO:
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(download, "_open", cut)
    with pytest.raises(Problem, match="sums could not be fetched to its end") as caught:
        download.official("https://example.com/1", "a.zip", "sums", tmp_path)
    assert "HEYKEN_OFFICIAL=no" in caught.value.todo
