"""A unit starts only with every credential it needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from heyken_glue import errors
from heyken_glue.credentials import Credentials


def _directory(tmp_path: Path, **files: str) -> dict[str, str]:
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    return {"CREDENTIALS_DIRECTORY": str(tmp_path)}


def test_without_the_variable_the_unit_says_how_to_start_it() -> None:
    with pytest.raises(errors.ConfigError, match="systemctl start heyken@health"):
        Credentials.of_unit("health", {})


def test_an_empty_directory_names_every_missing_credential(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        Credentials.of_unit("gateway", _directory(tmp_path))
    assert len(caught.value.problems) == 3, caught.value.problems


def test_an_empty_file_counts_as_missing(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="tls_key: the file is empty"):
        Credentials.of_unit("health", _directory(tmp_path, tls_key=""))


def test_tokens_are_parsed(tmp_path: Path) -> None:
    tokens = [{"name": "probe", "sha256": "0" * 64, "scopes": ["chat", "status"]}]
    environ = _directory(tmp_path, tls_key="key", redis_password="p", api_tokens=json.dumps(tokens))
    (token,) = Credentials.of_unit("gateway", environ).api_tokens()
    assert token.scopes == ("chat", "status")


def test_a_bad_token_list_is_refused_without_showing_values(tmp_path: Path) -> None:
    tokens = [{"name": "probe", "sha256": "clear-text-token", "scopes": ["chat"]}]
    environ = _directory(tmp_path, tls_key="key", redis_password="p", api_tokens=json.dumps(tokens))
    with pytest.raises(errors.ConfigError, match="sha256") as caught:
        Credentials.of_unit("gateway", environ).api_tokens()
    assert "clear-text-token" not in str(caught.value)


def test_a_password_is_read_without_its_line_end(tmp_path: Path) -> None:
    environ = _directory(tmp_path, tls_key="key", redis_password="p-w\n", api_tokens="[]")
    assert Credentials.of_unit("gateway", environ).redis_password() == "p-w"
