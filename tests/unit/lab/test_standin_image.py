"""Images of stand-ins: readable by `docker load`, the same for the same content, no more in it."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from lab import catalog
from lab.artifacts import bundle, standin
from lab.cache import Artefact
from lab.settings import REPOSITORY
from lab.standins.image import archive

LOCK = "a==1 \\\n    --hash=sha256:11\nb-c==2 \\\n    --hash=sha256:22\n    # via a\nd==3\n"


@pytest.fixture
def base(tmp_path: Path) -> Artefact:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / standin.BASE).write_bytes(b"the lower layer")
    return Artefact("standin-base", "1", tmp_path / "base", "made for a test")


def made(base: Artefact, into: Path) -> dict[str, str]:
    into.mkdir()
    standin.recipe("rocketchat", base).make(into)
    return standin.described(Artefact("standin-rocketchat", "1", into, "stand-in"))


def test_an_archive_lists_what_it_holds(base: Artefact, tmp_path: Path) -> None:
    about = made(base, tmp_path / "image")
    with tarfile.open(about["file"]) as tar:
        contents = {m.name: tar.extractfile(m) for m in tar.getmembers()}
        (listed,) = json.loads(contents["manifest.json"].read())  # type: ignore[union-attr]
        config = contents[listed["Config"]].read()  # type: ignore[union-attr]
        layers = [contents[name].read() for name in listed["Layers"]]  # type: ignore[union-attr]
    assert about["id"] == f"sha256:{hashlib.sha256(config).hexdigest()}"
    assert listed["RepoTags"] == [about["image"]]
    digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    assert json.loads(config)["rootfs"]["diff_ids"] == digests
    assert layers[0] == b"the lower layer"


def test_the_same_content_gives_the_same_identifier(base: Artefact, tmp_path: Path) -> None:
    one, two = made(base, tmp_path / "one"), made(base, tmp_path / "two")
    assert one["id"] == two["id"]
    (base.directory / standin.BASE).write_bytes(b"another lower layer")
    assert made(base, tmp_path / "three")["id"] != one["id"]


def test_it_runs_as_nobody_with_the_official_port_and_data(base: Artefact, tmp_path: Path) -> None:
    about = made(base, tmp_path / "image")
    with tarfile.open(about["file"]) as tar:
        name = about["id"].removeprefix("sha256:") + ".json"
        config = json.load(tar.extractfile(name))["config"]  # type: ignore[arg-type]
    assert config["User"] == "65533:65533"
    assert config["ExposedPorts"] == {"3000/tcp": {}}
    assert config["Volumes"] == {"/app/uploads": {}}
    assert config["Cmd"][-1] == "lab.standins.rocketchat"


def test_only_the_stand_in_goes_into_its_image() -> None:
    names = {path.relative_to(REPOSITORY).as_posix() for path in standin.sources("rocketchat")}
    assert {"lab/__init__.py", "lab/standins/__init__.py"} < names
    assert not [name for name in names if "/image/" in name or name.endswith(".pyc")]
    allowed = ("lab/standins/rocketchat/", "lab/__init__.py", "lab/standins/__init__.py")
    assert all(name.startswith(allowed) for name in names)


def test_a_part_of_the_lock_keeps_its_checksums() -> None:
    assert standin.locked(LOCK, ["b-c"]) == "b-c==2 \\\n    --hash=sha256:22\n    # via a\n"
    with pytest.raises(KeyError, match="missing"):
        standin.locked(LOCK, ["missing"])


def test_every_package_of_the_stand_ins_is_locked() -> None:
    wanted = catalog.section("standin")["requirements"]
    part = standin.locked(bundle.LOCK.read_text(), wanted)
    assert part.count("--hash=sha256:") >= len(wanted)


def test_a_layer_that_is_missing_leaves_no_image(tmp_path: Path) -> None:
    image = archive.Image("heyken/x:1", (tmp_path / "nothing.tar",), {})
    with pytest.raises(FileNotFoundError):
        archive.write(image, tmp_path / "image.tar.gz")
    assert not (tmp_path / "image.tar.gz").exists()
