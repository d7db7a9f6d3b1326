"""What a settings file may say, and how every problem in it is reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from heyken_glue import errors, settings

CORE = """
[deployment]
name = "lab"
environment = "lab"
language = "en"
stand_ins = []

[host]
name = "core1"
address = "10.77.0.11"
core_id = 1

[[peers]]
name = "core2"
address = "10.77.0.12"
core_id = 2

[vip]
address = "10.77.0.10"

[gateway]
listen_addresses = ["0.0.0.0"]

[ollama]
general_model = "heyken-general"

[[ollama.models]]
name = "heyken-general"
digest = "{digest}"

[health]
interval_seconds = 0.2
probe_interval_seconds = 10

[etcd]
endpoints = ["https://10.77.0.11:2379"]
""".replace("{digest}", "ab" * 32)


def _load(tmp_path: Path, text: str) -> settings.Settings:
    path = tmp_path / "heyken.toml"
    path.write_text(text, encoding="utf-8")
    return settings.load(path)


def _problems(tmp_path: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(errors.ConfigError) as caught:
        _load(tmp_path, text)
    return caught.value.problems


def test_a_core_file_is_read_with_defaults(tmp_path: Path) -> None:
    loaded = _load(tmp_path, CORE)
    health = settings.section(loaded.health, "[health]")
    assert loaded.host.core_id == 1
    assert loaded.peers[0].name == "core2"
    assert health.recover_looks == 3
    assert health.probe_interval_seconds == 10.0
    assert loaded.paths.runtime_directory == Path("/run/heyken")


def test_settings_cannot_be_changed_after_loading(tmp_path: Path) -> None:
    loaded = _load(tmp_path, CORE)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(loaded.host, "name", "core9")  # noqa: B010 - mypy already refuses the plain form


def test_a_host_that_is_no_core_needs_only_deployment_and_host(tmp_path: Path) -> None:
    loaded = _load(
        tmp_path,
        '[deployment]\nname = "lab"\nenvironment = "lab"\n'
        '[host]\nname = "hub"\naddress = "10.77.0.13"\n',
    )
    with pytest.raises(errors.ConfigError, match=r"no \[vip\]"):
        settings.section(loaded.vip, "[vip]")


def test_every_problem_is_reported_together(tmp_path: Path) -> None:
    text = (
        CORE.replace("interval_seconds = 0.2", "intervall_seconds = 0.2", 1)
        .replace('address = "10.77.0.10"', 'address = "10.77.0"')
        .replace("core_id = 1", 'core_id = "1"')
        .replace('environment = "lab"', 'environment = "prod"')
    )
    problems = _problems(tmp_path, text)
    assert len(problems) == 4, problems
    joined = "\n".join(problems)
    assert "health.intervall_seconds: unknown key; did you mean 'interval_seconds'?" in joined
    assert "vip.address" in joined
    assert "host.core_id" in joined
    assert "deployment.environment" in joined


def test_an_unknown_section_and_a_missing_one_are_named(tmp_path: Path) -> None:
    problems = _problems(tmp_path, CORE.replace("[host]", "[hosts]"))
    assert "host: missing, and it has no default" in problems
    assert "hosts: unknown key; did you mean 'host'?" in problems


def test_the_general_model_has_to_be_listed(tmp_path: Path) -> None:
    text = CORE.replace('general_model = "heyken-general"', 'general_model = "other"')
    (problem,) = _problems(tmp_path, text)
    assert "'other' is not among models" in problem


def test_a_peer_cannot_be_this_host(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, CORE.replace("core_id = 2", "core_id = 1"))
    assert "differ in core_id" in problem


def test_a_stale_limit_below_two_looks_is_refused(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, CORE.replace("[health]", "[health]\npeer_stale_seconds = 0.2"))
    assert "peer_stale_seconds" in problem


@pytest.mark.parametrize("text", ["[deployment", "\udcff"])
def test_a_file_that_is_no_toml_is_a_configuration_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "heyken.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(errors.ConfigError, match="no valid TOML"):
        settings.load(path)


def test_a_missing_file_is_a_configuration_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match=r"gone\.toml"):
        settings.load(tmp_path / "gone.toml")
