"""`heyken drill` and `heyken prove` before a real gateway; the playbook itself is scripted."""

from __future__ import annotations

import io
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from heyken_glue import cli
from heyken_glue.cli import drill
from heyken_glue.cli.output import EXIT_INTERRUPTED
from heyken_glue.domain.drills import DrillKind
from heyken_glue.gateway.ports import UnitReply
from tests.support.authority import Authority
from tests.support.doors import ScriptedModel
from tests.unit.cli.conftest import Served, WriteClientFile, served

Capture = pytest.CaptureFixture[str]
EVENT = {
    "id": "d1",
    "time": 1_700_000_000.0,
    "subject": "core",
    "outcome": "ok",
    "cause": "",
    "payload": {
        "cause_pl": "",
        "measures": {
            "rto_ms": 423.4,
            "whole_ms": 9100.0,
            "characters_lost": 0,
            "characters_doubled": 0,
            "answers_lost": 0,
        },
    },
}


def _body(**change: Any) -> dict[str, Any]:
    return {"success": True, "whole": True, "reason": "", "running": None, "drills": [], **change}


class Conductor:
    """Stands in for the playbook: says what is to be known afterwards, and returns its codes."""

    def __init__(self, gateway: Served, *codes: int, after: dict[str, Any]) -> None:
        self.calls: list[tuple[str, ...]] = []
        self._gateway, self._codes, self._after = gateway, list(codes), after

    def run(self, _console: object, _origin: object, deployment: str, wish: Any, *more: str) -> int:
        """Run."""
        self.calls.append((deployment, wish.kind.value, str(wish.seconds), *more))
        self._gateway.house.core_manager.replies["GET", "/drills"] = UnitReply(200, self._after)
        return self._codes.pop(0)


@pytest.fixture
def gateway(authority: Authority) -> Iterator[Served]:
    with served(authority, ScriptedModel()) as opened:
        opened.house.core_manager.replies["GET", "/drills"] = UnitReply(200, _body())
        yield opened


@pytest.fixture
def here(
    gateway: Served, write_client_file: WriteClientFile, tmp_path: pathlib.Path
) -> pathlib.Path:
    """Write the client file of the deploying machine."""
    (tmp_path / "drill.yml").touch()
    path = write_client_file(gateway.url)
    names = ("playbooks", "inventory", "state_directory")
    lines = ["[origin]", *(f'{name} = "{tmp_path}"' for name in names)]
    path.write_text(path.read_text() + "\n" + "\n".join(lines))
    return path


@pytest.fixture
def conduct(gateway: Served, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Conductor]:
    def make(*codes: int, **after: Any) -> Conductor:
        conductor = Conductor(gateway, *codes, after=_body(**after))
        monkeypatch.setattr(drill, "_run", conductor.run)
        return conductor

    return make


def test_every_drill_is_listed(capsys: Capture) -> None:
    assert cli.main(["drill", "--list"]) == 0
    told = capsys.readouterr().out
    assert all(kind in told for kind in DrillKind)
    assert cli.main(["drill", "--list", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == set(DrillKind)


@pytest.mark.parametrize(
    "arguments", [[], ["everything"], ["core", "--seconds", "4"], ["core", "--seconds", "121"]]
)
def test_what_is_no_drill_is_exit_2(arguments: list[str], capsys: Capture) -> None:
    assert cli.main(["drill", *arguments]) == 2
    assert capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_drill_that_passed(
    conduct: Callable[..., Conductor], gateway: Served, capsys: Capture
) -> None:
    conductor = conduct(0, drills=[EVENT])
    assert cli.main(["drill", "core", "--yes", "--seconds", "7"]) == 0
    assert conductor.calls == [("test", "core", "7")]
    told = capsys.readouterr().out
    assert "core" in told
    assert "passed · RTO 423 ms · RPO 0 · whole after 9.1 s" in told
    assert all(call[0] == "GET" for call in gateway.house.core_manager.calls)


@pytest.mark.usefixtures("here")
def test_a_drill_that_failed_is_exit_1_and_says_why(
    conduct: Callable[..., Conductor], capsys: Capture
) -> None:
    failed = {**EVENT, "outcome": "failed", "cause": "nothing was answered for 9000 ms"}
    conduct(2, 0, drills=[failed])
    assert cli.main(["drill", "core", "--yes"]) == 1
    assert "failed" in (told := capsys.readouterr().out)
    assert "nothing was answered for 9000 ms" in told


@pytest.mark.usefixtures("here")
def test_programs_get_json(conduct: Callable[..., Conductor], capsys: Capture) -> None:
    conduct(0, drills=[EVENT])
    assert cli.main(["drill", "core", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"success": True, "drill": EVENT}


@pytest.mark.usefixtures("here")
def test_an_earlier_drill_is_not_taken_for_this_one(
    conduct: Callable[..., Conductor], gateway: Served
) -> None:
    gateway.house.core_manager.replies["GET", "/drills"] = UnitReply(200, _body(drills=[EVENT]))
    conduct(0, drills=[EVENT])
    assert cli.main(["drill", "core", "--yes"]) == 1


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("code", [2, EXIT_INTERRUPTED])
def test_what_was_broken_off_is_mended_and_lets_others_in(
    conduct: Callable[..., Conductor], gateway: Served, code: int
) -> None:
    conductor = conduct(code, 0, running={"id": "d2", "kind": "core"})
    gateway.house.core_manager.replies["POST", "/drills"] = UnitReply(200, {"success": True})
    assert cli.main(["drill", "core", "--yes"]) == (1 if code == 2 else code)
    assert conductor.calls[1] == ("test", "core", "10", "--tags", "mend")
    posted = [call[2] for call in gateway.house.core_manager.calls if call[0] == "POST"]
    assert posted == [
        {"step": "end", "id": "d2", "error": "it was broken off", "requested_by": "operator"}
    ]


@pytest.mark.usefixtures("here")
def test_a_mending_that_fails_says_where_it_is_written(
    conduct: Callable[..., Conductor], capsys: Capture
) -> None:
    conduct(2, 2)
    assert cli.main(["drill", "core", "--yes"]) == 1
    assert "docs/runbooks/drill.md" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"whole": False, "reason": "core2 is ill"}, "core2 is ill"),
        ({"running": {"kind": "hang", "requested_by": "anna"}}, "“hang” is under way"),
    ],
)
def test_a_drill_that_may_not_be_is_not_even_asked_about(
    conduct: Callable[..., Conductor],
    gateway: Served,
    capsys: Capture,
    change: dict[str, Any],
    words: str,
) -> None:
    gateway.house.core_manager.replies["GET", "/drills"] = UnitReply(200, _body(**change))
    conductor = conduct()
    assert cli.main(["drill", "core"]) == 1
    assert words in capsys.readouterr().err
    assert not conductor.calls


@pytest.mark.usefixtures("here")
def test_nobody_to_confirm_it_is_exit_2(conduct: Callable[..., Conductor], capsys: Capture) -> None:
    conductor = conduct()
    assert cli.main(["drill", "core"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert not conductor.calls


class Terminal(io.StringIO):
    """A person who types."""

    def isatty(self) -> bool:
        """Be one."""
        return True


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("typed", "code"), [("core\n", 0), ("yes\n", 1), ("", 1)])
def test_a_person_types_its_name(
    conduct: Callable[..., Conductor], monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    conductor = conduct(0, drills=[EVENT])
    assert cli.main(["drill", "core"]) == code
    assert len(conductor.calls) == (code == 0)


def test_another_machine_cannot_break_anything(
    gateway: Served, write_client_file: WriteClientFile, capsys: Capture
) -> None:
    write_client_file(gateway.url)
    assert cli.main(["drill", "core", "--yes"]) == 1
    assert "another" in capsys.readouterr().err
    assert cli.main(["drill", "history"]) == 0


@pytest.mark.parametrize("origin", ['"x"', "{}", '{playbooks = "/a", inventory = "/b"}'])
def test_a_wrong_origin_is_exit_78(
    gateway: Served, write_client_file: WriteClientFile, capsys: Capture, origin: str
) -> None:
    path = write_client_file(gateway.url)
    path.write_text(f"origin = {origin}\n{path.read_text()}")
    assert cli.main(["status"]) == 78
    assert "origin" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_the_history_in_the_readers_language(gateway: Served, capsys: Capture) -> None:
    assert cli.main(["drill", "history"]) == 0
    assert "no drill yet" in capsys.readouterr().out
    payload = {**EVENT["payload"], "cause_pl": "za długo"}  # type: ignore[dict-item]
    failed = {**EVENT, "outcome": "failed", "cause": "too long", "payload": payload}
    proof = {**EVENT, "subject": "deploy", "payload": {}}
    told = UnitReply(200, _body(drills=[failed, proof]))
    gateway.house.core_manager.replies["GET", "/drills"] = told
    assert cli.main(["drill", "history", "--language", "pl"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "nieudana" in first
    assert first.endswith("za długo")
    assert "deploy" in second
    assert cli.main(["drill", "history", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["drills"] == [failed, proof]


@pytest.mark.usefixtures("here")
def test_an_answer_becomes_a_proof(gateway: Served, capsys: Capture) -> None:
    gateway.house.core_manager.replies["POST", "/drills"] = UnitReply(200, {"success": True})
    assert cli.main(["prove", "what", "is", "it?", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["response"] == "Warsaw is it."
    proof = {"step": "proof", "requested_by": "operator"}
    assert gateway.house.core_manager.calls[-1][:3] == ("POST", "/drills", proof)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("json_wanted", "code"), [(True, 0), (False, 1)])
def test_an_answer_of_a_pair_that_is_not_whole_is_no_proof(
    gateway: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    json_wanted: bool,
    code: int,
) -> None:
    monkeypatch.setattr(drill, "WHOLE_SECONDS", 0.0)
    refusal = UnitReply(409, {"success": False, "error": "core2 is ill"})
    gateway.house.core_manager.replies["POST", "/drills"] = refusal
    assert cli.main(["prove", "what?", *(["--json"] if json_wanted else [])]) == code
    assert "core2 is ill" in capsys.readouterr().err
