"""The commands against a real gateway: results, languages, problems, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import subprocess
import sys
import threading
from typing import Any

import pytest

from heyken_glue import cli
from heyken_glue.cli import api, client, environment, status, switch
from heyken_glue.cli.output import CliProblem, Console
from heyken_glue.gateway.ports import UnitReply
from tests.support.authority import Authority
from tests.support.doors import ScriptedModel
from tests.unit.cli.conftest import STATUS, WriteClientFile, served

ROOT = pathlib.Path(cli.__file__).parents[2]
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("arguments", [["ask"], ["ask", " "], ["bogus"], ["status", "--nonsense"]])
def test_wrong_usage_is_exit_2(arguments: list[str]) -> None:
    assert cli.main(arguments) == 2


def test_status_tells_who_since_when_and_why(
    authority: Authority, write_client_file: WriteClientFile, capsys: Capture
) -> None:
    with served(authority, ScriptedModel()) as gateway:
        write_client_file(gateway.url)
        assert cli.main(["status"]) == 0
        plain = capsys.readouterr().out
        assert cli.main(["status", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {**STATUS, "asked": "vip"}
    assert "test: online" in plain
    assert f"core1, since {status.local_time(1_700_000_000.0)}" in plain
    assert "failover. core2 does not answer" in plain
    assert "core2 · healthy · BACKUP · All is well." in plain


def test_status_says_how_alike_the_cores_are_and_what_differs(
    authority: Authority, write_client_file: WriteClientFile, capsys: Capture
) -> None:
    parity = {"percent": 75, "equal": False, "differences": ["the settings differ"]}
    with served(authority, ScriptedModel()) as gateway:
        told = UnitReply(200, {**STATUS, "parity": parity})
        gateway.house.core_manager.replies["GET", "/status"] = told
        write_client_file(gateway.url)
        assert cli.main(["status"]) == 0
    plain = capsys.readouterr().out
    assert "The cores are 75 % alike\n" in plain
    assert "the settings differ.\n" in plain


def test_status_says_that_the_vip_is_silent(
    authority: Authority, write_client_file: WriteClientFile, silent_url: str, capsys: Capture
) -> None:
    with served(authority, ScriptedModel()) as gateway:
        write_client_file(silent_url, cores={"core2": gateway.url})
        assert cli.main(["status"]) == 0
    assert "The VIP is silent; core2 told this." in capsys.readouterr().out


def test_status_offline_is_exit_1(authority: Authority, write_client_file: WriteClientFile) -> None:
    offline = {**STATUS, "status": "offline", "holder": None, "since": None, "active_core": None}
    with served(authority, ScriptedModel()) as gateway:
        gateway.house.core_manager.replies["GET", "/status"] = UnitReply(200, offline)
        write_client_file(gateway.url)
        assert cli.main(["status"]) == 1


@pytest.mark.parametrize(("answers", "told"), [(3, True), (0, False), (None, False)])
def test_status_says_what_a_core_still_finishes(answers: int | None, told: bool) -> None:
    cores = {"2": {"name": "core2", "status": "healthy", "answers": answers}}
    (row,) = status._rows(Console("en"), {"cores": cores})
    assert ("answers in the making: 3" in row[-1]) is told


def test_status_says_when_only_answers_are_given() -> None:
    door = api.Door("vip", "https://192.0.2.10:5000")
    body = {**STATUS, "effects": {"allowed": False, "core": None, "reason": "two have to agree"}}
    told = "Only answers are given, nothing else is done: two have to agree"
    assert told in status.plain_lines(Console("en"), door, body)
    body["effects"] = {"allowed": True, "core": 1, "reason": ""}
    assert not any("Only" in line for line in status.plain_lines(Console("en"), door, body))


@pytest.mark.parametrize(
    ("connected", "reason", "told"),
    [
        (True, "", ""),
        (True, "7.5.0 is not supported", "Rocket.Chat is reached, but: 7.5.0 is not supported"),
        (False, "unauthorized", "Rocket.Chat is not reached: unauthorized"),
    ],
)
def test_status_says_what_is_wrong_with_the_chat(
    *, connected: bool, reason: str, told: str
) -> None:
    door = api.Door("vip", "https://192.0.2.10:5000")
    chat = {"part": True, "reason": reason}
    body = {**STATUS, "rocketchat_connected": connected, "rocketchat": chat}
    lines = [line for line in status.plain_lines(Console("en"), door, body) if "Rocket" in line]
    assert lines == ([told] if told else [])


@pytest.mark.parametrize("language", ["en", "pl"])
def test_status_on_a_terminal_is_a_table(
    language: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    door = api.Door("vip", "https://192.0.2.10:5000")
    status._print_pretty(Console(language), door, STATUS)
    shown = capsys.readouterr().out
    assert "core2" in shown
    assert ("Rdzeń" if language == "pl" else "Core") in shown


def test_switch_takes_the_other_core(
    authority: Authority, write_client_file: WriteClientFile, capsys: Capture
) -> None:
    done = UnitReply(200, {"success": True, "active_core": 2, "changed": True})
    with served(authority, ScriptedModel()) as gateway:
        gateway.house.core_manager.replies["POST", "/switch_core"] = done
        write_client_file(gateway.url)
        assert cli.main(["switch"]) == 0
        asked = gateway.house.core_manager.calls[-1][2]
    assert asked == {"core_id": 2, "force": False, "requested_by": "operator"}
    assert capsys.readouterr().out == "core2 is active now.\n"


def test_a_refused_switch_is_exit_1_with_the_reason(
    authority: Authority, write_client_file: WriteClientFile, capsys: Capture
) -> None:
    refusal = UnitReply(409, {"success": False, "error": "core2 cannot answer"})
    with served(authority, ScriptedModel()) as gateway:
        gateway.house.core_manager.replies["POST", "/switch_core"] = refusal
        write_client_file(gateway.url)
        assert cli.main(["switch", "core2", "--force"]) == 1
    assert "core2 cannot answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "To switch all the same"), ("pl", "Aby mimo to przełączyć")],
)
def test_a_switch_within_the_cool_down_says_how_to_force_it(
    authority: Authority,
    write_client_file: WriteClientFile,
    capsys: Capture,
    language: str,
    words: str,
) -> None:
    body = {"success": False, "error": "the last switch was 2 s ago", "code": "cooldown"}
    with served(authority, ScriptedModel()) as gateway:
        gateway.house.core_manager.replies["POST", "/switch_core"] = UnitReply(409, body)
        write_client_file(gateway.url)
        assert cli.main(["switch", "2", "--language", language]) == 1
    told = capsys.readouterr().err
    assert "the last switch was 2 s ago" in told
    assert words in told
    assert "heyken switch --force" in told
    assert "make switch-core FORCE=1" in told


def test_status_is_asked_again_where_the_first_request_went_to_a_lost_host(
    authority: Authority, write_client_file: WriteClientFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = threading.Event()
    with served(authority, ScriptedModel()) as gateway:
        unit = gateway.house.core_manager
        answer = unit.call

        async def call(*wish: Any, **more: Any) -> UnitReply:
            if not silent.is_set():
                silent.set()
                await asyncio.Event().wait()
            return await answer(*wish, **more)

        monkeypatch.setattr(unit, "call", call)
        monkeypatch.setattr(status, "TIMEOUT_SECONDS", 3600.0)
        monkeypatch.setattr(api, "HEDGE_SECONDS", 0.2)
        known = client.load({environment.CLIENT_FILE: str(write_client_file(gateway.url))})
        fetching = asyncio.wait_for(status.fetch(Console("en"), known), 30)
        assert asyncio.run(fetching)[1] == STATUS
    assert silent.is_set()


@pytest.mark.parametrize("core", ["", "x", "core", "-1", "1.0", "core1x", "999"])
def test_switch_refuses_what_names_no_core(core: str) -> None:
    with pytest.raises(CliProblem) as refused:
        switch.core_number(core)
    assert refused.value.exit_code == 2


def test_a_wrong_token_is_told_as_the_service_tells_it(
    authority: Authority, write_client_file: WriteClientFile, capsys: Capture
) -> None:
    with served(authority, ScriptedModel()) as gateway:
        write_client_file(gateway.url, token="wrong")
        assert cli.main(["status", "--language=pl"]) == 1
    assert "Ten token nie jest tu znany" in capsys.readouterr().err


def test_a_certificate_of_another_authority_is_refused(
    authority: Authority,
    write_client_file: WriteClientFile,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: Capture,
) -> None:
    other = Authority(tmp_path_factory.mktemp("other"), "other CA")
    with served(authority, ScriptedModel()) as gateway:
        write_client_file(gateway.url, ca_file=str(other.file))
        assert cli.main(["status"]) == 1
    assert "certificate" in capsys.readouterr().err


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_client_file_that_others_may_open_is_refused(
    write_client_file: WriteClientFile, capsys: Capture, mode: int
) -> None:
    path = write_client_file("https://127.0.0.1:1")
    path.chmod(mode)
    assert cli.main(["status"]) == 78
    assert f"chmod 600 {path}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("= broken", "cannot be read"),
        ('url = "https://a"', "deployment, ca_file, token"),
        ('deployment="a"\nurl="http://a"\nca_file="/x"\ntoken="t"', "url"),
        ('deployment="a"\nurl="https://a"\nca_file="/nowhere"\ntoken="t"', "/nowhere"),
        ('deployment="a"\nurl="https://a"\nca_file="/x"\ntoken="t"\ntokn="t"', "tokn"),
        ('deployment="a"\nurl="https://a"\nca_file="/x"\ntoken="t"\ncores=1', "cores"),
    ],
)
def test_a_wrong_client_file_is_exit_78_and_says_where(
    write_client_file: WriteClientFile, capsys: Capture, content: str, named: str
) -> None:
    write_client_file("https://127.0.0.1:1").write_text(content)
    assert cli.main(["status"]) == 78
    assert named in capsys.readouterr().err


def test_a_missing_client_file_is_exit_78(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, capsys: Capture
) -> None:
    for variable in ("HEYKEN_CLIENT_FILE", "HEYKEN_LAB"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.main(["status"]) == 78
    assert "make deploy" in capsys.readouterr().err


def test_check_config_names_every_problem(tmp_path: pathlib.Path, capsys: Capture) -> None:
    path = tmp_path / "heyken.toml"
    path.write_text('[deployment]\nname = "x"\nenvironment = "nowhere"\n[unknown]\n')
    assert cli.main(["check-config", str(path)]) == 78
    told = capsys.readouterr().err
    assert "deployment.environment" in told
    assert "unknown" in told
    assert cli.main(["check-config", "--json", str(path)]) == 78
    assert len(json.loads(capsys.readouterr().out)["problems"]) >= 3


def test_version_is_quick_and_needs_no_parser() -> None:
    program = "import sys; from heyken_glue import cli; cli.main(['version']); "
    program += "sys.exit(bool({'typer', 'pydantic', 'aiohttp'} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "heyken 0.1.0\n"), done.stderr


def test_help_and_completion_exist() -> None:
    assert cli.main(["ask", "--help"]) == 0
    assert "--install-completion" in help_text()


def help_text() -> str:
    """Return what `heyken --help` prints, from a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "heyken_glue", "--help"]
    return subprocess.run(  # noqa: S603 - our own program
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_a_length_of_time_has_its_two_largest_units() -> None:
    seen = [status.duration(seconds) for seconds in (-5, 0, 59, 61, 3600, 90061)]
    assert seen == ["0 s", "0 s", "59 s", "1 min 1 s", "1 h", "1 d 1 h"]


def test_control_characters_of_a_model_do_not_reach_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    Console("en").piece("a\x1b[31mb\x9bc\n\td")
    assert capsys.readouterr().out == "a[31mbc\n\td"
