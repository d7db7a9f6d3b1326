"""Role ollama, putting a build in place for real: a program alone, and a release with libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
CHECKSUM = "c0ffee" * 10


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """An unpacked release: libraries for the processor, and a directory of those for graphics."""
    files = {"bin/ollama": "program", "lib/ollama/libggml-base.so.1": "base"}
    files["lib/ollama/cuda_v13/libggml-cuda.so"] = "graphics"
    for name, text in files.items():
        place = tmp_path / "release" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    (tmp_path / "release/lib/ollama/libggml-base.so").symlink_to("libggml-base.so.1")
    return tmp_path / "release"


def put_in_place(place: Path, release: Path, *, libraries: bool, gpu: bool = False) -> Path:
    """Run the role's release.yml and return the directory that it made the current one."""
    variables = {
        "ansible_python_interpreter": sys.executable,
        "ollama_binary_file": str(release / "bin/ollama"),
        "ollama_library_directory": str(release / "lib/ollama") if libraries else "",
        "ollama_gpu_enabled": gpu,
        "ollama_release_directory": str(place / "target"),
        "__ollama_local": {"results": [{"stat": {"checksum": CHECKSUM}}]},
        "__ollama_current": {"stat": {"exists": False}},
        "__ollama_started": {"changed": True},  # or the handler would restart it
    }
    role = {"ansible.builtin.import_role": {"name": "ollama", "tasks_from": "release"}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [role]}
    (place / "play.yml").write_text(yaml.dump([play]))
    (place / "variables.yml").write_text(yaml.dump(variables))
    done = subprocess.run(  # noqa: S603 - our own tasks
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            f"--extra-vars=@{place / 'variables.yml'}",
            str(place / "play.yml"),
        ],
        env={
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_INVENTORY": "/dev/null",  # not the lab that may be deployed from here
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "LC_ALL": "C.UTF-8",
        },
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return (place / "target" / "current").resolve()


def content(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


def test_a_program_that_is_whole_comes_alone(tmp_path: Path, release: Path) -> None:
    build = put_in_place(tmp_path, release, libraries=False)
    assert content(build) == {"bin/ollama"}
    assert os.access(build / "bin/ollama", os.X_OK)


def test_a_release_comes_with_its_libraries_where_its_program_looks(
    tmp_path: Path, release: Path
) -> None:
    build = put_in_place(tmp_path, release, libraries=True)
    base = "lib/ollama/libggml-base.so"
    assert content(build) == {"bin/ollama", base, f"{base}.1"}
    assert (build / base).is_symlink()
    assert (build / base).read_text() == "base"


def test_libraries_for_graphics_come_where_graphics_devices_may_be_opened(
    tmp_path: Path, release: Path
) -> None:
    without = put_in_place(tmp_path, release, libraries=True)
    build = put_in_place(tmp_path, release, libraries=True, gpu=True)
    assert build.name != without.name
    assert (build / "lib/ollama/cuda_v13/libggml-cuda.so").read_text() == "graphics"
    assert (build / "lib/ollama/libggml-base.so").read_text() == "base"
