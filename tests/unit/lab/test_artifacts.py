"""What is fetched or built for a lab: pinned, checked, refused when wrong."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from lab import cache, catalog, shell
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


def release(place: Path, *names: str) -> tuple[Path, str]:
    """Make an archive as Ollama's releases are, of empty files; return it and its checksum list."""
    wanted = catalog.section("ollama")
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    archive = place / wanted["archive"]
    shell.run(["tar", "--zstd", "-cf", archive, "-C", place, *names], timeout_seconds=60)
    return archive, f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  ./{archive.name}\n"


def obtain_ollama(
    place: Path, monkeypatch: pytest.MonkeyPatch, archive: Path, listed: str
) -> tuple[cache.Artefact, str]:
    """Return what came of a reachable release, and what was said; building is stood in for."""
    monkeypatch.delenv("HEYKEN_OFFICIAL", raising=False)

    def answer(url: str, _seconds: float) -> io.BytesIO:
        return io.BytesIO(archive.read_bytes() if url.endswith("zst") else listed.encode())

    def build(into: Path, *_: object) -> None:
        assert not list(into.iterdir()), "what the failed attempt left"
        (into / "bin").mkdir()
        (into / "bin" / "ollama").write_text("built")

    monkeypatch.setattr(download, "_open", answer)
    monkeypatch.setattr(ollama, "_build", build)
    monkeypatch.setattr("lab.artifacts.golang.find", lambda *_: Path("go"))
    said = io.StringIO()
    progress = Progress(console=Console(file=said, width=500))
    made = cache.obtain(ollama.recipe(place, progress), cache=place, progress=progress)
    return made, said.getvalue()


def test_a_release_is_handed_on_with_its_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, listed = release(tmp_path, "bin/ollama", "lib/ollama/libggml-base.so")
    made, _ = obtain_ollama(tmp_path / "cache", monkeypatch, archive, listed)
    assert made.origin == "official release"
    assert (Path(ollama.libraries(made)) / "libggml-base.so").is_file()


@pytest.mark.parametrize("fault", ["content", "unlisted", "archive", "program"])
def test_a_release_that_cannot_be_used_is_said_and_built_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    archive, listed = release(tmp_path, "lib/ollama/libggml-base.so")
    if fault == "content":
        listed = f"{'0' * 64}  ./{archive.name}\n"
    elif fault == "unlisted":
        listed = f"{'0' * 64}  ./another\n"
    elif fault == "archive":
        archive.write_bytes(b"no archive")
        listed = f"{hashlib.sha256(b'no archive').hexdigest()}  ./{archive.name}\n"
    made, said = obtain_ollama(tmp_path / "cache", monkeypatch, archive, listed)
    assert made.origin == "built from source"
    assert made.file("bin/ollama").read_text() == "built"
    assert ollama.libraries(made) == ""
    assert "Ollama is built from source instead" in said
