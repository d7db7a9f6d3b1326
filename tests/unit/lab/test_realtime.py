"""Who gets a share of real-time, once, and what happens where the engine gives none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import realtime
from lab.problem import Problem


class Api:
    base_url, api_version, timeout = "http://engine", "1.41", 60

    def __init__(self, refusal: str = "") -> None:
        self.asked: list[tuple[str, Any]] = []
        self._refusal = refusal

    def post(self, url: str, *, json: Any, timeout: int) -> SimpleNamespace:
        assert timeout
        self.asked.append((url, json))
        return SimpleNamespace(ok=not self._refusal, text=self._refusal)


def container(api: Api, runtime: int = 0) -> Any:
    limits = {"CpuRealtimeRuntime": runtime, "CgroupParent": ""}
    return SimpleNamespace(
        id="1f", name="core1", attrs={"HostConfig": limits}, client=SimpleNamespace(api=api)
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in (tmp_path, tmp_path / "docker", tmp_path / "docker" / "1f"):
        folder.mkdir(exist_ok=True)
        (folder / "cpu.rt_runtime_us").write_text("0")
    return tmp_path


def test_a_container_gets_its_share_and_the_engines_group_is_opened(root: Path) -> None:
    api = Api()
    assert realtime.grant([container(api)], root) == ["core1 may run keepalived in real time"]
    url, share = api.asked[0]
    assert url == "http://engine/v1.41/containers/1f/update"
    assert share == {"CpuRealtimePeriod": 50_000, "CpuRealtimeRuntime": 5_000}
    assert (root / "docker" / "cpu.rt_runtime_us").read_text() == "900000"
    assert (root / "docker" / "1f" / "cpu.rt_period_us").read_text() == "50000"
    assert (root / "docker" / "1f" / "cpu.rt_runtime_us").read_text() == "5000"


def test_who_has_a_share_is_left_alone(root: Path) -> None:
    api = Api()
    assert realtime.grant([container(api, 5_000)], root) == []
    assert api.asked == []
    assert (root / "docker" / "cpu.rt_runtime_us").read_text() == "0"


def test_a_group_that_is_open_keeps_its_share(root: Path) -> None:
    (root / "docker" / "cpu.rt_runtime_us").write_text("400000")
    realtime.grant([container(Api())], root)
    assert (root / "docker" / "cpu.rt_runtime_us").read_text() == "400000"


def test_without_a_share_left_nothing_is_kept(root: Path) -> None:
    (root / "docker" / "1f" / "cpu.rt_runtime_us").unlink()
    (root / "docker" / "1f" / "cpu.rt_runtime_us").mkdir()  # what cannot be written to
    api = Api()
    told = realtime.grant([container(api)], root)
    assert told == ["core1 runs keepalived without real time: Is a directory"]
    assert api.asked == []


def test_a_refusal_is_told(root: Path) -> None:
    with pytest.raises(Problem, match="no real-time") as caught:
        realtime.grant([container(Api("kernel says no"))], root)
    assert caught.value.why == "kernel says no"


def test_the_engine_is_asked_only_where_the_kernel_groups_real_time(tmp_path: Path) -> None:
    assert realtime.engine_options(tmp_path) == []
    (tmp_path / "cpu.rt_runtime_us").write_text("950000")
    assert "--cpu-rt-runtime=900000" in realtime.engine_options(tmp_path)
