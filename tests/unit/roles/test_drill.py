"""The scripts of role drill: what breaks on a host, what mends it, and what is refused."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.contract import support

FILES = support.ROOT / "ansible" / "roles" / "drill" / "files"
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
SECONDS = 20.0


class Host:
    """A directory as it is on a host, and stubs of the programs that would change the machine."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.programs = folder / "run", folder / "bin"
        self.told = folder / "told"
        for made in (self.folder, self.programs):
            made.mkdir()
        for script in ("fault.sh", "undo.sh"):
            (self.folder / script).write_text((FILES / script).read_text())
        for name in ("nft", "systemctl", "docker"):
            self.stub(name, "")
        self.stub("ip", "echo '2: eth7    inet 192.0.2.11/24 scope global eth7'")

    def stub(self, name: str, answer: str) -> None:
        """Let a program only tell that it was called."""
        script = f'#!/bin/sh\necho "{name} $*" >>{self.told}\n{answer}\n'
        if name == "nft":
            script = f'#!/bin/sh\n{{ echo "nft $*"; [ "$1" != -f ] || cat; }} >>{self.told}\n'
        place = self.programs / name
        place.write_text(script)
        place.chmod(0o755)

    def settings(self, kind: str, **more: object) -> None:
        """Write what the role writes."""
        values = {
            "kind": kind,
            "address": "192.0.2.11",
            "vip": "192.0.2.10",
            "ssh_port": 22,
            "units": "'one.service two.service'",
            "model_unit": "ollama.service",
            "compose_directory": self.folder,
            "fill_directory": self.folder,
            "fill_left_mib": 1,
            "fill_mib_max": 1,
            **more,
        }
        lines = [f"{name}={value}" for name, value in values.items()]
        (self.folder / "settings").write_text("\n".join(lines) + "\n")

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the role."""
        return subprocess.run(  # noqa: S603 - the repository's own scripts
            ["/bin/sh", str(self.folder / script), *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}"},
        )

    def free_mib(self) -> int:
        """Return what is free where these tests run."""
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize >> 20

    def calls(self) -> str:
        """Return what the stubs were told."""
        return self.told.read_text() if self.told.exists() else ""


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize("words", [(), ("destroy",), ("",)])
def test_only_three_things_can_be_asked_for(host: Host, words: tuple[str, ...]) -> None:
    host.settings("core")
    done = host.run("fault.sh", *words)
    assert (done.returncode, host.calls()) == (1, "")
    assert "usage" in done.stderr


def test_a_lost_core_is_silent_before_it_is_killed_and_may_be_reached_by_ssh(host: Host) -> None:
    host.settings("core")
    assert host.run("fault.sh", "begin").returncode == 0
    calls = host.calls()
    assert calls.index("netdev heyken_drill") < calls.index("systemctl kill --signal=KILL")
    assert calls.index("systemctl kill") < calls.index("systemctl stop one.service two.service")
    for line in ("tcp dport 22 accept", "tcp sport 22 accept", 'device "eth7"', "policy drop"):
        assert line in calls, line


def test_a_core_that_comes_back_does_not_bring_the_address_with_it(host: Host) -> None:
    host.settings("core")
    assert host.run("fault.sh", "end").returncode == 0
    calls = host.calls()
    removed = calls.index("ip address del 192.0.2.10/32 dev eth7")
    assert removed < calls.index("delete table") < calls.index("systemctl start one.service")


def test_a_cut_core_goes_on_by_itself(host: Host) -> None:
    host.settings("network")
    assert host.run("fault.sh", "begin").returncode == 0
    assert "arp saddr ip != 192.0.2.10 accept" in host.calls()
    assert "systemctl" not in host.calls()
    assert host.run("fault.sh", "end").returncode == 0
    assert "delete table netdev heyken_drill" in host.calls()


def test_an_address_that_no_interface_has_is_refused(host: Host) -> None:
    host.settings("network")
    host.stub("ip", "")
    done = host.run("fault.sh", "check")
    assert (done.returncode, "no interface" in done.stderr) == (1, True)


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child, as the model server has a runner."""
    call = [sys.executable, "-c", PARENT]
    with subprocess.Popen(call, stdin=subprocess.PIPE) as made:  # noqa: S603 - fixed
        yield made
        made.communicate(b"\n", timeout=SECONDS)


def _child(pid: int) -> int:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                text = status.read_text()
            except OSError:
                continue
            if f"PPid:\t{pid}\n" in text:
                return int(status.parent.name)
        time.sleep(0.02)
    pytest.fail("the child did not start")


def _state(pid: int) -> str:
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text.rpartition(")")[2].split()[0]


def _until(pid: int, *, stopped: bool) -> None:
    deadline = time.monotonic() + SECONDS
    while (_state(pid) == "T") is not stopped:
        assert time.monotonic() < deadline, _state(pid)
        time.sleep(0.02)


def test_the_models_process_hangs_and_its_server_does_not(
    host: Host, server: subprocess.Popen[bytes]
) -> None:
    child = _child(server.pid)
    host.stub("systemctl", f"echo {server.pid}")
    host.settings("hang")
    assert host.run("fault.sh", "check").returncode == 0
    assert host.run("fault.sh", "begin").returncode == 0
    _until(child, stopped=True)
    assert _state(server.pid) != "T"
    assert host.run("fault.sh", "end").returncode == 0
    _until(child, stopped=False)


def test_without_a_model_in_memory_none_can_hang(host: Host) -> None:
    host.stub("systemctl", f"echo {2**22 + 7}")
    host.settings("hang")
    done = host.run("fault.sh", "check")
    assert (done.returncode, "no model is in memory" in done.stderr) == (1, True)


def test_a_disk_is_filled_as_far_as_it_may_be_and_emptied(host: Host) -> None:
    host.settings("disk", fill_left_mib=host.free_mib() - 64, fill_mib_max=512)
    assert host.run("fault.sh", "check").returncode == 0
    assert host.run("fault.sh", "begin").returncode == 0
    filled = host.folder / ".heyken-drill"
    assert 0 < filled.stat().st_size <= 512 << 20
    assert host.run("fault.sh", "end").returncode == 0
    assert not filled.exists()


def test_a_disk_that_is_too_large_is_refused_with_the_figures(host: Host) -> None:
    host.settings("disk")
    done = host.run("fault.sh", "check")
    assert (done.returncode, "no more than 1 may be written" in done.stderr) == (1, True)


def test_a_disk_that_is_full_is_refused(host: Host) -> None:
    host.settings("disk", fill_left_mib=host.free_mib() + 1000)
    done = host.run("fault.sh", "check")
    assert (done.returncode, "full already" in done.stderr) == (1, True)


def test_nothing_is_undone_where_nothing_is_broken(host: Host) -> None:
    host.settings("witness")
    assert host.run("undo.sh").returncode == 0
    assert host.calls() == ""


def test_what_is_broken_is_undone_once(host: Host) -> None:
    host.settings("witness")
    (host.folder / "broken").touch()
    assert host.run("undo.sh").returncode == 0
    assert host.run("undo.sh").returncode == 0
    assert host.calls() == "systemctl start one.service two.service\n"


def test_an_undo_that_failed_is_tried_again(host: Host) -> None:
    host.settings("witness")
    host.stub("systemctl", "exit 1")
    (host.folder / "broken").touch()
    assert host.run("undo.sh").returncode != 0
    assert (host.folder / "broken").exists()
