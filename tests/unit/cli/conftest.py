"""Fixtures of the command line's tests: a gateway in a thread, and a client file for it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import pathlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import structlog

from heyken_glue.cli import api
from heyken_glue.gateway.ports import UnitReply
from tests.support.authority import Authority
from tests.support.doors import (
    PATIENCE_SECONDS,
    TOKENS,
    House,
    Plan,
    ScriptedModel,
    Sign,
    open_house,
)

STATUS = {
    "status": "online",
    "active_core": 1,
    "holder": "core1",
    "since": 1_700_000_000.0,
    "reason": "core2 does not answer",
    "cause": "failover",
    "vip": "192.0.2.10",
    "deployment": {"name": "test", "environment": "lab", "stand_ins": []},
    "witness": {"reachable": True},
    "cores": {
        "1": {"name": "core1", "status": "healthy", "sentence": "All is well.", "vrrp": "MASTER"},
        "2": {"name": "core2", "status": "healthy", "sentence": "All is well.", "vrrp": "BACKUP"},
    },
}


@dataclass
class Served:
    """A gateway that runs in a thread of its own, beside the command under test."""

    house: House
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.house.port}"


@pytest.fixture(autouse=True)
def _quiet_gateway() -> Iterator[None]:
    """Keep the gateway's log out of the command's output: both live in this process."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=io.StringIO()))
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _patient_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask once, however busy this machine is; who tests a lost host asks again."""
    monkeypatch.setattr(api, "HEDGE_SECONDS", 3600.0)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Our CA."""
    return Authority(tmp_path_factory.mktemp("pki"))


@contextlib.contextmanager
def served(
    authority: Authority,
    model: ScriptedModel,
    plan: Plan | None = None,
    *,
    sign: Sign | None = None,
) -> Iterator[Served]:
    """Serve a gateway from another thread for as long as the context lasts."""
    ready, opened = threading.Event(), []

    async def serve() -> None:
        over = asyncio.Event()
        async with open_house(authority, model, plan, sign=sign) as house:
            house.core_manager.replies["GET", "/status"] = UnitReply(200, STATUS)
            opened.append((house, asyncio.get_running_loop(), over))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(PATIENCE_SECONDS), "the gateway did not open"
    house, loop, over = opened[0]
    try:
        yield Served(house, loop)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(PATIENCE_SECONDS)


WriteClientFile = Callable[..., pathlib.Path]


@pytest.fixture
def write_client_file(
    authority: Authority, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> WriteClientFile:
    """Write a client file and name it in the environment."""

    def write(url: str, *, cores: dict[str, str] | None = None, **changes: str) -> pathlib.Path:
        keys = {
            "deployment": "test",
            "url": url,
            "ca_file": str(authority.file),
            "token": TOKENS["operator"][0],
            **changes,
        }
        lines = [f'{key} = "{value}"' for key, value in keys.items()]
        lines += ["[cores]", *(f'{name} = "{core}"' for name, core in (cores or {}).items())]
        path = tmp_path / "client.toml"
        path.write_text("\n".join(lines))
        path.chmod(0o600)
        monkeypatch.setenv("HEYKEN_CLIENT_FILE", str(path))
        monkeypatch.setenv("LANG", "C.UTF-8")
        monkeypatch.delenv("LC_ALL", raising=False)
        monkeypatch.delenv("LC_MESSAGES", raising=False)
        return path

    return write


@pytest.fixture
def silent_url() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"https://127.0.0.1:{probe.getsockname()[1]}"
