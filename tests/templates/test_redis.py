"""Redis as the role makes it: a real server with the rendered file takes copies, and no more."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import tomllib

import pytest

from heyken_glue.adapters.redis.client import RedisCopies
from heyken_glue.domain.copies import Portion, Question, RunName, RunState
from tests.support import stores
from tests.support.authority import Authority
from tests.templates.conftest import VAULT, Render
from tests.templates.test_properties import run

FILE = "etc/redis/redis.conf.j2"
UNIT = "etc/systemd/system/redis-server.service.j2"


def directives(text: str) -> list[str]:
    """Return the lines that say something."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_it_listens_on_loopback_and_the_cores_own_address_with_tls_alone(render: Render) -> None:
    lines = directives(render("redis", FILE, "core2"))
    assert "bind 192.0.2.12 127.0.0.1" in lines
    assert {"port 0", "tls-port 6379", "tls-auth-clients yes"} <= set(lines)


def test_it_keeps_nothing_on_disk_and_drops_nothing(render: Render) -> None:
    lines = directives(render("redis", FILE))
    wanted = {'save ""', "appendonly no", "maxmemory 64mb", "maxmemory-policy noeviction"}
    assert wanted <= set(lines)


def test_the_password_does_not_reach_the_host(render: Render) -> None:
    text = render("redis", FILE) + render("redis", UNIT)
    assert str(VAULT["vault_redis_password"]) not in text
    assert re.search(r"^user heyken on #[0-9a-f]{64} ~heyken:\* ", text, re.MULTILINE)
    assert "\nuser default off resetpass\n" in text


def test_only_the_other_core_gets_to_the_port(render: Render) -> None:
    text = render("base", "etc/heyken/firewall.nft.j2", "core1")
    assert 'ip saddr { 192.0.2.12 } tcp dport { 6379 } accept comment "redis' in text
    assert "6379" not in render("base", "etc/heyken/firewall.nft.j2", "hub")


def test_the_gateway_is_told_of_it_where_there_is_a_password(render: Render) -> None:
    settings = tomllib.loads(render("glue", "etc/heyken/heyken.toml.j2"))
    assert settings["redis"] == {"port": 6379, "user": "heyken", "timeout_seconds": 0.1}
    without = render("glue", "etc/heyken/heyken.toml.j2", glue_redis_password="")
    assert "redis" not in tomllib.loads(without)
    credential = render("glue", "etc/heyken/credentials/gateway/redis_password.j2")
    assert credential == f"{VAULT['vault_redis_password']}\n"


def test_the_unit_is_locked_in_and_gets_its_key_as_a_credential(
    render: Render, tmp_path: pathlib.Path
) -> None:
    text = render("redis", UNIT)
    assert "LoadCredential=key:/etc/heyken/tls/host.key" in text
    assert "--tls-key-file %d/key" in text
    file = tmp_path / "redis-server.service"
    file.write_text(text.replace("/usr/bin/redis-server", "/bin/true"))
    said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(file))
    assert str(file) not in said, said
    run("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", str(file))


async def test_a_real_server_takes_copies_with_the_rendered_file(
    render: Render, tmp_path: pathlib.Path
) -> None:
    authority = Authority(tmp_path)
    identity = authority.issue("core1")
    port = stores.free_port()
    text = render(
        "redis",
        FILE,
        redis_address="127.0.0.2",
        redis_ca_file=str(authority.file),
        redis_certificate_file=str(identity.certificate),
        redis_port=port,
    )
    file = tmp_path / "redis.conf"
    file.write_text(text)
    access = stores.access(authority, identity, port)
    server = stores.RedisServer(
        dataclasses.replace(access, password=str(VAULT["vault_redis_password"])),
        file,
        ("--daemonize", "no", "--tls-key-file", str(identity.key)),  # as the unit has it
    )
    server.start()
    try:
        store = RedisCopies(server.access)
        question = Question("o", "a", "en", (), "d", "m", 1.0)
        portion = Portion("x", RunName(0, 1), question, 0, ("one",), RunState.RUNNING, {})
        await store.ping()
        more = dataclasses.replace(portion, base=1, texts=(), state=RunState.LEFT)
        assert [*await store.write([portion]), *await store.write([more])] == [1, 1]
        copy = await store.read("x")
        assert copy is not None
        assert copy.run.state is RunState.LEFT
        await store.forget([("x", RunName(0, 1))])
        for command in ("FLUSHALL", "CONFIG GET *", "SHUTDOWN", "MONITOR", "EVAL x 0"):
            with pytest.raises(Exception, match=r"unknown command|permissions"):
                await stores.send(store, *command.split())
        await store.close()
    finally:
        server.kill()
