"""The artefact cache: made once, checked, safe to interrupt."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from lab import cache, files
from lab.problem import Problem
from lab.progress import Progress


@pytest.fixture
def progress() -> Progress:
    return Progress(console=Console(file=io.StringIO(), width=200))


def recipe(made: list[Path], *, text: str = "content") -> cache.Recipe:
    def make(into: Path) -> str:
        made.append(into)
        (into / "file").write_text(text)
        return "built from source"

    return cache.Recipe("thing", "1.0", make, "seconds")


def said(progress: Progress) -> str:
    file = progress.console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_an_entry_is_made_once(tmp_path: Path, progress: Progress) -> None:
    made: list[Path] = []
    first = cache.obtain(recipe(made), cache=tmp_path, progress=progress)
    second = cache.obtain(recipe(made), cache=tmp_path, progress=progress)
    assert len(made) == 1
    assert first == second
    assert second.origin == "built from source"
    assert second.file("file").read_text() == "content"


@pytest.mark.parametrize("fault", ["changed", "missing", "manifest"])
def test_a_damaged_entry_is_said_and_made_anew(
    tmp_path: Path, progress: Progress, fault: str
) -> None:
    made: list[Path] = []
    entry = cache.obtain(recipe(made), cache=tmp_path, progress=progress)
    if fault == "changed":
        entry.file("file").write_text("tampered")
    elif fault == "missing":
        entry.file("file").unlink()
    else:
        entry.file(cache.MANIFEST).write_text("{")
    again = cache.obtain(recipe(made), cache=tmp_path, progress=progress)
    assert len(made) == 2
    assert again.file("file").read_text() == "content"
    assert "cache entry thing 1.0" in said(progress)


def test_what_was_half_made_is_never_taken(tmp_path: Path, progress: Progress) -> None:
    def interrupted(into: Path) -> str:
        (into / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.obtain(
            cache.Recipe("thing", "1.0", interrupted, ""), cache=tmp_path, progress=progress
        )
    entry = cache.obtain(recipe([]), cache=tmp_path, progress=progress)
    assert not entry.file("half").exists()
    assert not list((tmp_path / "thing").glob("*.part*"))


def test_what_a_killed_run_left_behind_is_neither_taken_nor_in_the_way(
    tmp_path: Path, progress: Progress
) -> None:
    left = tmp_path / "thing" / "1.0.part-1"
    left.mkdir(parents=True)
    (left / "half").write_text("")
    made: list[Path] = []
    cache.obtain(recipe(made), cache=tmp_path, progress=progress)
    assert not left.exists()
    assert made[0].name != left.name  # a child of that run may still be writing there


def test_a_full_disk_is_told_as_such(tmp_path: Path, progress: Progress) -> None:
    def full(into: Path) -> str:
        raise OSError(28, "No space left on device", str(into))

    with pytest.raises(Problem, match="cannot be kept in the cache") as caught:
        cache.obtain(cache.Recipe("thing", "1.0", full, ""), cache=tmp_path, progress=progress)
    assert "No space left" in caught.value.why
    assert "HEYKEN_CACHE_DIR" in caught.value.todo


def test_mounts_below_a_directory_are_found_the_deepest_first(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    root = tmp_path / "with blank"
    (root / "a").mkdir(parents=True)
    escaped = str(root).replace(" ", "\\040")
    places = [f"{escaped}/a", "/elsewhere", f"{escaped}/a/b"]
    table.write_text("".join(f"proc {place} proc rw 0 0\n" for place in places))
    assert files.mounted_below(root, table) == [root / "a" / "b", root / "a"]


def test_a_download_with_another_content_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "download"
    file.write_text("hostile")
    with pytest.raises(Problem, match="wrong content"):
        cache.require_sha256(file, "0" * 64, source="a mirror")
