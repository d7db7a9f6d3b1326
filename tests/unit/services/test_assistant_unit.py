"""The unit as systemd runs it, its doors, its neighbours, and how it follows its role."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from heyken_glue import errors
from heyken_glue.runtime import http
from heyken_glue.runtime.daemon import Daemon, Notifier
from heyken_glue.services import assistant
from heyken_glue.services.assistant_ports import Role
from heyken_glue.services.assistant_role import FRESH_SECONDS, UNHEARD_SECONDS, Holder
from heyken_glue.services.assistant_units import CoreManagerUnit, EtcdLanguages
from heyken_glue.services.assistant_writer import Pace
from heyken_glue.settings import Settings
from tests.support.assistant import FAST, FakeManager, Pair, Scene, eventually
from tests.support.authority import Authority
from tests.support.rocketchat import BOT

from .conftest import HeldClock


class Neighbour:
    """core-manager behind its socket."""

    def __init__(self) -> None:
        self.role: Any = {"core_id": 1, "vrrp": "MASTER", "since": 1.0}
        self.status: Any = {}
        self.switched: tuple[int, Any] = (200, {"success": True, "active_core": 2, "changed": True})
        self.asked: list[tuple[str, Any]] = []

    def routes(self) -> web.RouteTableDef:
        table = web.RouteTableDef()

        @table.get("/role")
        async def role(_request: web.Request) -> web.Response:
            return web.json_response(self.role)

        @table.get("/status")
        async def status(request: web.Request) -> web.Response:
            self.asked.append((request.headers["Accept-Language"], None))
            return web.json_response(self.status)

        @table.post("/switch_core")
        async def switch(request: web.Request) -> web.Response:
            self.asked.append((request.headers["Accept-Language"], await request.json()))
            return web.json_response(self.switched[1], status=self.switched[0])

        return table


@pytest.fixture
def neighbour() -> Neighbour:
    return Neighbour()


@pytest.fixture
async def manager(neighbour: Neighbour, tmp_path: Path) -> AsyncIterator[CoreManagerUnit]:
    path = tmp_path / "core-manager.sock"
    async with (
        http.unix_server(path, neighbour.routes()),
        http.unix_session(path, total_seconds=5) as session,
    ):
        yield CoreManagerUnit(session)


async def test_the_role_is_what_core_manager_says(
    manager: CoreManagerUnit, neighbour: Neighbour
) -> None:
    assert await manager.role() == Role(holds=True, epoch=None)
    neighbour.role |= {"epoch": 7, "settled": False}
    assert await manager.role() == Role(holds=True, settled=False, epoch=7)
    neighbour.role |= {"superseded": True}
    assert not (await manager.role()).holds
    neighbour.role = {"vrrp": "NONSENSE"}
    assert not (await manager.role()).holds


async def test_the_status_is_read_whatever_is_missing(
    manager: CoreManagerUnit, neighbour: Neighbour
) -> None:
    neighbour.status = {
        "status": "online",
        "active_core": 1,
        "holder": "core1",
        "since": 5,
        "epoch": 7,
        "cause": "planned",
        "reason": "work",
        "cores": {
            "2": {"name": "core2", "status": "healthy", "sentence": "ok"},
            "1": {},
            "x": {},
            "3": None,
        },
    }
    pair = await manager.status("pl")
    assert (pair.holder, pair.since, pair.epoch) == ("core1", 5.0, 7)
    assert pair.only_answers == "", "an older core-manager says nothing of it"
    neighbour.status["effects"] = {"allowed": False, "core": None, "reason": "alone"}
    assert (await manager.status("pl")).only_answers == "alone"
    assert [(core.core_id, core.name, core.status) for core in pair.cores] == [
        (1, "core1", "unknown"),
        (2, "core2", "healthy"),
    ]
    neighbour.status = {"active_core": True, "since": "soon", "cores": []}
    pair = await manager.status("pl")
    assert (pair.active_core, pair.holder, pair.since, pair.cores) == (None, None, None, ())
    neighbour.status = ["nonsense"]
    with pytest.raises(errors.TransientError):
        await manager.status("pl")


async def test_a_wish_to_switch_names_who_and_in_which_language(
    manager: CoreManagerUnit, neighbour: Neighbour
) -> None:
    done = await manager.switch(2, requested_by="rocketchat:anna", language="pl")
    assert (done.active_core, done.changed, done.refusal) == (2, True, "")
    wish = {"core_id": 2, "force": False, "requested_by": "rocketchat:anna"}
    assert neighbour.asked == [("pl", wish)]
    neighbour.switched = (409, {"success": False, "error": "za wcześnie"})
    assert (await manager.switch(2, requested_by="a", language="pl")).refusal == "za wcześnie"


async def test_a_silent_core_manager_is_a_transient_error(tmp_path: Path) -> None:
    async with http.unix_session(tmp_path / "none.sock", total_seconds=1) as session:
        unit = CoreManagerUnit(session)
        for call in (unit.role(), unit.status("en"), unit.switch(1, requested_by="", language="")):
            with pytest.raises(errors.TransientError):
                await call


async def test_languages_are_kept_by_deployment_and_user() -> None:
    kept: dict[str, bytes] = {}

    class Etcd:
        async def get(self, key: str) -> Any:
            return type("Stored", (), {"value": kept[key]}) if key in kept else None

        async def put(self, key: str, value: bytes) -> int:
            kept[key] = value
            return 1

    languages = EtcdLanguages(Etcd(), "lab")  # type: ignore[arg-type]
    assert await languages.get("anna") is None
    await languages.put("anna", "pl")
    assert await languages.get("anna") == "pl"
    kept["/heyken/lab/languages/jan"] = b"\xff\xfe"
    assert await languages.get("jan") is None
    assert list(kept) == ["/heyken/lab/languages/anna", "/heyken/lab/languages/jan"]


async def test_the_role_outlives_a_short_silence_but_writing_waits(clock: HeldClock) -> None:
    pair = Pair()
    holder = Holder(FakeManager(pair, 1), clock.monotonic)
    changes: list[bool] = []
    holder.listeners.append(changes.append)
    await holder.look()
    await holder.confirmed()
    pair.silent = True
    clock.time += FRESH_SECONDS + 0.1
    await holder.look()
    assert holder.held
    waiting = asyncio.create_task(holder.confirmed())
    await asyncio.sleep(0)
    assert not waiting.done(), "a core that has just woken up may not write"
    pair.silent = False
    await holder.look()
    await asyncio.wait_for(waiting, 5)
    pair.silent = True
    clock.time += UNHEARD_SECONDS
    await holder.look()
    assert changes == [True, False]
    assert holder.term == 2


async def test_the_unit_runs_from_its_settings_and_credentials(
    stage: Scene, tmp_path: Path, neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = unit_settings(stage, tmp_path, monkeypatch)
    runtime = settings.paths.runtime_directory
    daemon = Daemon(notifier=Notifier({}))
    async with (
        http.unix_server(runtime / "core-manager" / "http.sock", neighbour.routes()),
        http.unix_server(runtime / "gateway" / "http.sock", stage.gateway.routes()),
    ):
        task = asyncio.create_task(assistant.run(settings, daemon))
        asked = await stage.chat.post("user", "general", f"@{BOT} what is it?")
        assert await stage.finished(asked) == "You asked: what is it?"
        daemon.stop()
        await asyncio.wait_for(task, 10)
    assert not (runtime / "assistant" / "http.sock").exists()


def unit_settings(stage: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Write what the unit reads on a host."""
    authority = Authority(tmp_path)
    identity = authority.issue("core1")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    login = {"user_id": stage.chat.ids[BOT], "token": stage.chat.tokens[BOT]}
    (credentials / "rocketchat_token").write_text(json.dumps(login))
    (credentials / "tls_key").write_bytes(identity.key.read_bytes())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert stage.settings.rocketchat is not None
    assert stage.settings.etcd is not None
    tls = {"ca_file": authority.file, "certificate_file": identity.certificate}
    etcd = stage.settings.etcd.model_copy(update={"endpoints": ("http://127.0.0.1:1",)})
    return stage.settings.model_copy(
        update={"tls": stage.settings.tls.model_copy(update=tls), "etcd": etcd}
    )


async def test_without_a_chat_section_it_is_a_configuration_error(
    stage: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = unit_settings(stage, tmp_path, monkeypatch)
    with pytest.raises(errors.ConfigError, match=r"\[rocketchat\]"):
        await assistant.run(
            settings.model_copy(update={"rocketchat": None}), Daemon(notifier=Notifier({}))
        )


async def test_a_server_that_is_away_at_the_start_is_waited_for(
    stage: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant, "_ASK_AGAIN_SECONDS", 0.02)
    await stage.chat.stop()
    starting = asyncio.create_task(stage.start())
    path = stage.directory / "core1" / "assistant" / "http.sock"
    await eventually(path.exists, "the door is open")
    async with http.unix_session(path, total_seconds=5) as session, asyncio.timeout(10):
        while True:
            state = await http.request_json(session, "GET", "/connection")
            if state["reason"]:
                break
            await asyncio.sleep(0.01)
    assert state["connected"] is False
    await stage.chat.start()
    await starting
    asked = await stage.chat.post("user", "general", f"@{BOT} what is it?")
    await stage.finished(asked)


async def test_the_unit_can_be_stopped_while_it_looks_for_the_server(stage: Scene) -> None:
    await stage.chat.stop()
    daemon = Daemon(notifier=Notifier({}))
    outside = await stage._outside(1)
    task = asyncio.create_task(assistant.serve(stage.settings, daemon, outside, pace=FAST))
    await asyncio.sleep(0)
    daemon.stop()
    await asyncio.wait_for(task, 10)


async def test_edits_come_no_faster_than_the_pace(stage: Scene) -> None:
    more = [asyncio.Event() for _ in range(3)]
    stage.gateway.script = lambda _body: ["a ", more[0], "b ", more[1], "c ", more[2], "end"]
    core = await stage.start(pace=Pace(edit=0.2, first_words=0.0))
    loop, edits = asyncio.get_running_loop(), list[float]()
    original = core.outside.chat.edit

    async def timed(room_id: str, message_id: str, text: str) -> None:
        edits.append(loop.time())
        more[min(len(edits), 3) - 1].set()
        await original(room_id, message_id, text)

    core.outside.chat.edit = timed  # type: ignore[method-assign]
    asked = await stage.chat.post("user", "general", f"@{BOT} count")
    await stage.finished(asked)
    gaps = [later - sooner for sooner, later in itertools.pairwise(edits)]
    assert len(gaps) == 3
    assert min(gaps) >= 0.2, gaps


async def test_people_see_that_it_is_writing(stage: Scene) -> None:
    hold = asyncio.Event()
    stage.gateway.script = lambda _body: ["half", hold]
    core = await stage.start()
    shown: list[tuple[str, str, bool]] = []

    async def typing(room_id: str, username: str, active: bool) -> None:
        shown.append((room_id, username, active))

    core.outside.feed.typing = typing  # type: ignore[method-assign]
    asked = await stage.chat.post("user", "general", f"@{BOT} tell me")
    await eventually(lambda: shown == [("GENERAL", BOT, True)], lambda: str(shown))
    hold.set()
    await stage.finished(asked)
    assert shown[-1] == ("GENERAL", BOT, False)


def test_the_unit_costs_no_more_imports_than_it_needs() -> None:
    """Programs for people stay out of a unit's memory."""
    code = (
        "import sys, heyken_glue.services.assistant;"
        "print(sorted({'typer', 'jinja2', 'babel', 'sqlite3', 'uvloop'} & set(sys.modules)))"
    )
    done = subprocess.run(  # noqa: S603 - a fixed command
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert done.stdout.strip() == "[]"
