"""What is in the way is found before anything changes, all of it at once."""

from __future__ import annotations

import ctypes
import ipaddress
import os
import re
import shutil
import socket
from collections import namedtuple
from pathlib import Path

import pytest

from lab import preflight
from lab.problem import Problem
from lab.settings import REPOSITORY, Lab, Networks

Usage = namedtuple("Usage", ["total", "used", "free"])  # noqa: PYI024 - what shutil returns


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    networks = Networks("10.251.0.0/24", "10.251.1.0/24")
    return Lab("nobody", "lab", networks, tmp_path / "state", tmp_path / "cache")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nothing is in the way."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(preflight, "_os_release", lambda: {"ID": "debian", "VERSION_ID": "12"})
    monkeypatch.setattr(preflight, "MEMORY_GB", 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 30, 0, 100 << 30))
    monkeypatch.setattr(preflight, "_routes", list)
    monkeypatch.setattr("lab.engine.connect", lambda: None)


def test_a_fit_machine_passes(lab: Lab) -> None:
    preflight.check(lab)


def test_everything_in_the_way_is_said_at_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr(preflight, "MEMORY_GB", 1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 30, 0, 1 << 30))
    with pytest.raises(Problem) as caught:
        preflight.check(lab)
    said = str(caught.value)
    for part in ("needs root", "aarch64", "GB of memory", "1.0 GiB are free", "sudo make deploy"):
        assert part in said, said


def test_hosts_that_could_not_boot_are_not_made(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n")
    monkeypatch.setattr(preflight, "INOTIFY_MAX", limit)
    monkeypatch.setattr(preflight, "_inotify_used", lambda: 96)
    preflight.check(lab)
    monkeypatch.setattr(preflight, "_inotify_used", lambda: 97)
    with pytest.raises(Problem, match="31 inotify instances are left") as caught:
        preflight.check(lab)
    assert caught.value.todo == "sysctl fs.inotify.max_user_instances=256"


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial/first-deployment.md"])
def test_the_memory_that_pages_name_is_what_is_demanded(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    demanded = int(re.findall(r"(\d+) GB of free memory", (REPOSITORY / page).read_text())[0])
    monkeypatch.undo()
    assert demanded == preflight.MEMORY_GB
    lines = [
        f"MemTotal: 1 kB\nMemAvailable: {demanded * 10**9 // 1024 + kb} kB\n" for kb in (-1, 1)
    ]
    read = Path.read_text
    for text, enough in zip(lines, (False, True), strict=True):
        monkeypatch.setattr(
            Path,
            "read_text",
            lambda path, text=text: text if str(path) == "/proc/meminfo" else read(path),
        )
        assert (not list(preflight._memory(lab))) is enough


def test_inotify_instances_in_use_are_counted() -> None:
    library = ctypes.CDLL(None, use_errno=True)
    made = [library.inotify_init1(os.O_CLOEXEC) for _ in range(8)]
    try:
        counted = preflight._inotify_used()
    finally:
        for number in made:
            os.close(number)
    assert min(made) >= 0
    assert counted >= 8


def test_another_system_is_refused(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    release = {"ID": "other", "VERSION_ID": "1", "PRETTY_NAME": "Other 1"}
    monkeypatch.setattr(preflight, "_os_release", lambda: release)
    with pytest.raises(Problem, match="this is Other 1"):
        preflight.check(lab)


def test_a_network_that_is_taken_is_named_with_its_device(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = [(ipaddress.IPv4Network("10.251.0.128/25"), "eth7")]
    monkeypatch.setattr(preflight, "_routes", lambda: taken)
    with pytest.raises(Problem) as caught:
        preflight.check(lab)
    assert "10.251.0.0/24 is taken" in caught.value.what
    assert "eth7" in caught.value.why


def test_bridges_that_a_crashed_engine_left_are_the_deployed_labs_own(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [(ipaddress.IPv4Network(text), "br-1") for text in ("10.251.0.0/24", "10.251.1.0/24")]
    monkeypatch.setattr(preflight, "_routes", lambda: left)
    with pytest.raises(Problem, match="2 things are in the way"):
        preflight.check(lab)
    (lab.state / "terraform").mkdir(parents=True)
    (lab.state / "terraform" / "terraform.tfstate").touch()
    preflight.check(lab)
    left.append((ipaddress.IPv4Network("10.251.0.128/25"), "eth7"))
    with pytest.raises(Problem, match="is taken") as caught:
        preflight.check(lab)
    assert "eth7" in caught.value.why


def test_a_virtual_address_of_this_machine_itself_is_refused(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "_own_addresses", lambda: ["10.251.0.10"])
    with pytest.raises(Problem, match=r"10\.251\.0\.10 is taken"):
        preflight.check(lab)


def test_a_published_port_that_is_taken_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        monkeypatch.setattr(preflight, "PUBLISHED", {lab.name: (port,)})
        with pytest.raises(Problem, match=f"port {port} of this machine is taken"):
            preflight.check(lab)
        monkeypatch.setattr(preflight, "_publishes", lambda *_: True)
        preflight.check(lab)
    preflight.check(lab)


def test_the_published_ports_are_those_of_terraform() -> None:
    text = (REPOSITORY / "terraform/environments/lab/hosts.auto.tfvars").read_text()
    published = tuple(int(port) for port in re.findall(r"external = (\d+)", text))
    assert {"lab": published} == preflight.PUBLISHED


def test_a_lab_that_is_deployed_already_may_have_filled_disk_and_memory(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab.cache / "provider").mkdir(parents=True)
    (lab.state / "terraform").mkdir(parents=True)
    (lab.state / "terraform" / "terraform.tfstate").touch()
    monkeypatch.setattr(preflight, "MEMORY_GB", 1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 30, 0, 1 << 30))
    preflight.check(lab)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 30, 0, 0))
    with pytest.raises(Problem, match=r"0\.0 GiB are free"):
        preflight.check(lab)


def test_places_on_one_file_system_share_what_is_free(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.engine.data_directory", lambda: lab.state)
    monkeypatch.setattr(preflight, "ENGINE_GIB", 4)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 30, 0, 5 << 30))
    with pytest.raises(Problem, match=r"5\.0 GiB are free") as caught:
        preflight.check(lab)
    assert f"{lab.cache} needs 4 GiB" in caught.value.why


def test_a_kernel_without_what_containers_need_is_refused(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "FILE_SYSTEMS", {"no-such-file-system"})
    with pytest.raises(Problem, match="the kernel has no no-such-file-system"):
        preflight.check(lab)


def test_the_same_advice_is_given_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = [(ipaddress.IPv4Network("10.251.0.0/16"), "eth7")]
    monkeypatch.setattr(preflight, "_routes", lambda: taken)
    with pytest.raises(Problem, match="2 things are in the way") as caught:
        preflight.check(lab)
    assert caught.value.todo.count("make deploy") == 1
