"""Requests end in time, permanent errors are not retried, sockets are for the group."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from heyken_glue import errors
from heyken_glue.runtime import http


def _routes() -> web.RouteTableDef:
    table = web.RouteTableDef()

    @table.get("/ok")
    async def ok(_request: web.Request) -> web.Response:
        return web.json_response({"fine": True})

    @table.get("/busy")
    async def busy(_request: web.Request) -> web.Response:
        return web.json_response({"error": "later"}, status=429, headers={"Retry-After": "7"})

    @table.get("/hang")
    async def hang(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    @table.get("/bug")
    async def bug(_request: web.Request) -> web.Response:
        raise RuntimeError("secret detail")

    @table.post("/echo")
    async def echo(request: web.Request) -> web.Response:
        return web.json_response(await http.read_json(request))

    return table


@pytest.fixture
async def socket_path(tmp_path: Path) -> AsyncIterator[Path]:
    path = tmp_path / "unit" / "http.sock"
    async with http.unix_server(path, _routes()):
        yield path


async def test_a_unit_answers_on_a_socket_for_owner_and_group(socket_path: Path) -> None:
    mode = stat.S_IMODE(socket_path.stat().st_mode)  # noqa: ASYNC240
    async with http.unix_session(socket_path, total_seconds=5) as session:
        assert await http.request_json(session, "GET", "/ok") == {"fine": True}
    assert mode == 0o660, oct(mode)


async def test_a_stale_socket_is_replaced_and_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    path.write_text("stale")
    async with http.unix_server(path, _routes()):
        assert path.is_socket()
    assert not path.exists()


async def test_a_busy_server_is_a_transient_error_that_names_the_delay(socket_path: Path) -> None:
    async with http.unix_session(socket_path, total_seconds=5) as session:
        with pytest.raises(errors.TransientError, match="later") as caught:
            await http.request_json(session, "GET", "/busy")
    assert caught.value.retry_after == 7.0


async def test_an_unknown_path_is_a_permanent_error(socket_path: Path) -> None:
    async with http.unix_session(socket_path, total_seconds=5) as session:
        with pytest.raises(errors.PermanentError) as caught:
            await http.request_json(session, "GET", "/nowhere")
    assert caught.value.status == 404


async def test_a_hanging_server_ends_in_time(socket_path: Path) -> None:
    async with http.unix_session(socket_path, total_seconds=5) as session:
        with pytest.raises(errors.TransientError, match="too long"):
            await http.request_json(session, "GET", "/hang", timeout_seconds=0.05)


async def test_a_missing_socket_is_transient(tmp_path: Path) -> None:
    async with http.unix_session(tmp_path / "none", total_seconds=5) as session:
        with pytest.raises(errors.TransientError):
            await http.request_json(session, "GET", "/ok")


async def test_a_bug_in_a_handler_shows_no_details(socket_path: Path) -> None:
    client = http.unix_session(socket_path, total_seconds=5)
    async with client as session, session.get("/bug") as answer:
        body = await answer.json()
    assert (answer.status, body) == (500, {"success": False, "error": "internal error"})


@pytest.mark.parametrize("body", ["", "no json", "[1]", "\x00"])
async def test_a_bad_body_is_refused(socket_path: Path, body: str) -> None:
    client = http.unix_session(socket_path, total_seconds=5)
    async with client as session, session.post("/echo", data=body) as answer:
        content = await answer.json()
    assert answer.status == 400, content
    assert content["success"] is False


async def test_transient_errors_are_tried_again_with_growing_capped_pauses() -> None:
    pauses: list[float] = []
    calls = 0

    async def call() -> str:
        nonlocal calls
        calls += 1
        if calls < 4:
            raise errors.TransientError("no", retry_after=9.0 if calls == 3 else None)
        return "done"

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    policy = http.RetryPolicy(attempts=4, base_seconds=0.1, cap_seconds=0.5)
    assert await http.retry(call, policy=policy, pause=pause, roll=lambda: 1.0) == "done"
    assert pauses == [0.1, 0.2, 0.5]


async def test_permanent_errors_are_not_tried_again() -> None:
    calls = 0

    async def call() -> None:
        nonlocal calls
        calls += 1
        raise errors.PermanentError("never")

    with pytest.raises(errors.PermanentError):
        await http.retry(call, policy=http.RetryPolicy())
    assert calls == 1


async def test_the_last_failure_is_the_result() -> None:
    async def call() -> None:
        raise errors.TransientError("still no")

    async def pause(_seconds: float) -> None:
        return

    with pytest.raises(errors.TransientError, match="still no"):
        await http.retry(call, policy=http.RetryPolicy(attempts=2), pause=pause)


def test_a_missing_key_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="tls_key"):
        http.client_tls(
            ca_file=tmp_path / "ca", certificate_file=tmp_path / "crt", key_file=tmp_path / "key"
        )
