"""What the command line takes from the environment and its language option, and what it refuses."""

from __future__ import annotations

import pathlib

import pytest

from heyken_glue import cli
from heyken_glue.cli import environment, language
from heyken_glue.cli.output import CliProblem

Capture = pytest.CaptureFixture[str]
HOME = "/srv/someone"


@pytest.mark.parametrize("arguments", [["status"], ["version"], ["ask", "hello"], ["--help"]])
def test_a_mistyped_variable_is_refused_with_the_one_that_was_meant(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("HEYKEN_CLIENT_FIEL", "/elsewhere")
    assert cli.main(arguments) == 78
    told = capsys.readouterr().err
    assert "HEYKEN_CLIENT_FIEL is set" in told
    assert "unset HEYKEN_CLIENT_FIEL (did you mean HEYKEN_CLIENT_FILE?)" in told


def test_what_resembles_nothing_is_refused_without_a_guess() -> None:
    with pytest.raises(CliProblem) as refused:
        environment.refuse_unknown({"HEYKEN_ZZZ": "1"})
    assert str(refused.value.todo) == "Run: unset HEYKEN_ZZZ"


def test_the_deployments_own_variables_disturb_nobody() -> None:
    environment.refuse_unknown(dict.fromkeys([*environment.KNOWN, "PATH", "_HEYKEN_COMPLETE"], "x"))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, f"{HOME}/.config/heyken/client.toml"),
        ({"HEYKEN_LAB": "blue"}, f"{HOME}/.local/state/heyken/blue/client.toml"),
        (
            {"HEYKEN_LAB": "blue", "XDG_STATE_HOME": "/state"},
            "/state/heyken/blue/client.toml",
        ),
        ({"HEYKEN_LAB": "blue", "HEYKEN_STATE_DIR": "/srv/labs"}, "/srv/labs/blue/client.toml"),
        ({"HEYKEN_LAB": "blue", "HEYKEN_CLIENT_FILE": "/mine"}, "/mine"),
    ],
)
def test_the_client_file_is_that_of_the_lab_that_is_meant(
    environ: dict[str, str], expected: str
) -> None:
    assert environment.client_file({"HOME": HOME, **environ}) == pathlib.Path(expected)


@pytest.mark.parametrize("option", [["--language", "de"], ["--language=de"], ["--language="]])
def test_a_language_that_heyken_does_not_speak_is_refused_with_the_choices(
    option: list[str], capsys: Capture
) -> None:
    assert cli.main(["version", *option]) == 2
    assert "en, pl" in capsys.readouterr().err


def test_a_language_is_taken_from_options_only() -> None:
    assert language.choose(["ask", "--language", "pl-PL"], {}) == "pl"
    assert language.choose(["ask", "--", "--language", "de"], {"LANG": "pl_PL.UTF-8"}) == "pl"
    assert language.choose(["status"], {"LANG": "de_DE.UTF-8"}) == "en"
