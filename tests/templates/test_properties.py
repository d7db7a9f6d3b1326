"""What the rendered files have to say, and that the programs they are for accept them."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import tomllib
from datetime import date
from pathlib import Path

import pytest

from heyken_glue import credentials, settings
from tests.templates.conftest import Render

GLUE_UNITS = ("health", "core-manager", "gateway")


def run(*command: str) -> str:
    """Run a checking program and return what it printed; fail with it when it refuses."""
    program = shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.fail(f"{command[0]} is missing: apt-get install {command[0]}")
    done = subprocess.run(  # noqa: S603 - programs named in this file
        [program, *command[1:]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def keepalived(render: Render, host: str) -> str:
    return render("vip", "etc/keepalived/keepalived.conf.j2", host)


def test_keepalived_never_preempts_and_both_cores_differ(render: Render) -> None:
    one, two = keepalived(render, "core1"), keepalived(render, "core2")
    for text in (one, two):
        assert "state BACKUP" in text
        assert "nopreempt" in text
        assert "advert_int 0.01" in text
        assert "down_timer_adverts 7" in text
        assert "192.0.2.10/32 dev eth0" in text
    assert "priority 254" in one
    assert "priority 253" in two
    assert "unicast_src_ip 192.0.2.12" in two
    assert "    192.0.2.12\n" in one, "core1 has core2 as its peer"


def test_keepalived_accepts_its_configuration(render: Render, tmp_path: Path) -> None:
    interface = next(name for _, name in socket.if_nameindex() if name != "lo")
    text = render(
        "vip",
        "etc/keepalived/keepalived.conf.j2",
        vip_source_address="127.0.0.1",
        vip_fifo_user="root",
        vip_fifo_group="root",
        vip_notify_fifo=str(tmp_path / "fifo"),
        vip_verdict_file=str(tmp_path / "verdict"),
        __vip_found={"stdout": f"2: {interface}    inet 127.0.0.1/8 scope global {interface}"},
    )
    file = tmp_path / "keepalived.conf"
    file.write_text(text)
    run("keepalived", "-t", "-f", str(file))


def test_keepalived_refuses_a_mistake(tmp_path: Path, render: Render) -> None:
    file = tmp_path / "keepalived.conf"
    file.write_text(keepalived(render, "core1").replace("nopreempt", "nopreemptt"))
    with pytest.raises(AssertionError):
        run("keepalived", "-t", "-f", str(file))


@pytest.mark.parametrize("host", ["core1", "core2", "hub"])
def test_glue_settings_are_accepted(render: Render, tmp_path: Path, host: str) -> None:
    file = tmp_path / "heyken.toml"
    file.write_text(render("glue", "etc/heyken/heyken.toml.j2", host))
    loaded = settings.load(file)
    assert loaded.host.name == host
    assert (loaded.vip is not None) == (host != "hub")
    assert len(settings.section(loaded.etcd, "etcd").endpoints) == 3


def test_glue_names_the_other_core_as_peer(render: Render) -> None:
    data = tomllib.loads(render("glue", "etc/heyken/heyken.toml.j2", "core2"))
    assert data["peers"] == [{"name": "core1", "address": "192.0.2.11", "core_id": 1}]


def test_glue_never_writes_a_token(render: Render) -> None:
    text = render("glue", "etc/heyken/credentials/gateway/api_tokens.j2")
    assert "a secret" not in text
    wanted = hashlib.sha256(b"a secret").hexdigest()
    assert json.loads(text) == [
        {"name": "operator", "sha256": wanted, "scopes": ["chat", "switch"]}
    ]


def test_a_token_may_have_limits_of_its_own(render: Render, tmp_path: Path) -> None:
    plain = {"name": "operator", "token": "a secret", "scopes": ["chat"]}
    fast = {**plain, "name": "probe", "scopes": ["metrics"], "requests_per_second_max": 500.0}
    path = "etc/heyken/credentials/gateway/api_tokens.j2"
    text = render(
        "glue",
        path,
        glue_api_tokens=[{**plain, "expires_on": "2027-01-31"}, {**fast, "answers_max": 2}],
    )
    (tmp_path / "api_tokens").write_text(text)
    one, other = credentials.Credentials(tmp_path).api_tokens()
    assert (one.requests_per_second_max, one.answers_max) == (None, None)
    assert (one.expires_on, other.expires_on) == (date(2027, 1, 31), None)
    assert (other.requests_per_second_max, other.answers_max) == (500.0, 2)


@pytest.mark.parametrize(("drain", "stop"), [(8, 15), (0.5, 8), ("30.5", 38)])
def test_systemd_waits_longer_than_the_gateway_drains(
    render: Render, drain: float, stop: int
) -> None:
    path = "etc/systemd/system/heyken@gateway.service.d/10-unit.conf.j2"
    text = render("glue", path, glue_gateway_drain_seconds=drain)
    assert f"TimeoutStopSec={stop}\n" in text


@pytest.mark.parametrize("unit", GLUE_UNITS)
def test_glue_gives_each_unit_its_credentials(render: Render, unit: str) -> None:
    text = render("glue", f"etc/systemd/system/heyken@{unit}.service.d/10-unit.conf.j2")
    given = {
        line.partition("=")[2].partition(":")[0]
        for line in text.splitlines()
        if line.startswith("LoadCredential=")
    }
    assert given == set(credentials.OF_UNIT[unit])


def units(render: Render, tmp_path: Path) -> Path:
    """Write every unit with its drop-ins, with programs that exist here, into a directory."""
    single = {
        "glue": ("heyken@.service",),
        "ollama": ("ollama.service",),
        "etcd": ("etcd.service",),
        "base": ("heyken-firewall.service",),
        "vip": ("heyken-vip-address.service",),
    }
    for role, names in single.items():
        for name in names:
            text = render(role, f"etc/systemd/system/{name}.j2")
            text = text.replace("/opt/heyken/current/bin/heyken", "/bin/true")
            text = text.replace("/usr/local/lib/heyken/ollama/current/bin/ollama", "/bin/true")
            for program in ("/usr/bin/etcd", "/usr/sbin/nft", "/usr/sbin/ip"):
                text = text.replace(program, "/bin/true")
            (tmp_path / name).write_text(text)
    for unit in GLUE_UNITS:
        folder = tmp_path / f"heyken@{unit}.service.d"
        folder.mkdir()
        text = render("glue", f"etc/systemd/system/heyken@{unit}.service.d/10-unit.conf.j2")
        (folder / "10-unit.conf").write_text(text)
        (tmp_path / f"heyken@{unit}.service").write_text(
            (tmp_path / "heyken@.service").read_text().replace("%i", unit)
        )
    return tmp_path


def test_systemd_accepts_every_unit(render: Render, tmp_path: Path) -> None:
    folder = units(render, tmp_path)
    files = sorted(str(file) for file in folder.glob("*.service") if "@." not in file.name)
    assert len(files) >= 7
    said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *files)
    own = [line for line in said.splitlines() if str(folder) in line or "Unknown" in line]
    assert not own, "\n".join(own)


@pytest.mark.parametrize("unit", [*GLUE_UNITS, "ollama"])
def test_own_units_are_locked_in(render: Render, tmp_path: Path, unit: str) -> None:
    folder = units(render, tmp_path)
    name = unit if unit == "ollama" else f"heyken@{unit}"
    run(
        "systemd-analyze",
        "security",
        "--offline=true",
        "--no-pager",
        "--threshold=15",
        str(folder / f"{name}.service"),
    )


def test_base_lets_in_what_is_declared_and_nothing_else(render: Render) -> None:
    text = render("base", "etc/heyken/firewall.nft.j2", "core1")
    assert "policy drop;" in text
    assert "flush ruleset" not in text
    assert 'ip saddr { 192.0.2.12 } ip protocol 112 accept comment "vrrp' in text
    assert 'tcp dport { 5000 } accept comment "gateway"' in text
    assert "5000" not in render("base", "etc/heyken/firewall.nft.j2", "hub")


def test_etcd_lists_three_members_and_demands_certificates(render: Render) -> None:
    text = render("etcd", "etc/systemd/system/etcd.service.j2", "hub")
    members = (
        "core1=https://192.0.2.11:2380,core2=https://192.0.2.12:2380,hub=https://192.0.2.13:2380"
    )
    assert f"ETCD_INITIAL_CLUSTER={members}\n" in text
    assert "ETCD_CLIENT_CERT_AUTH=true" in text
    assert "ETCD_PEER_CLIENT_CERT_AUTH=true" in text


def test_ollama_listens_on_loopback_off_the_well_known_port(render: Render) -> None:
    text = render("ollama", "etc/systemd/system/ollama.service.j2")
    assert "OLLAMA_HOST=127.0.0.1:11500\n" in text
    assert "IPAddressDeny=any" in text


@pytest.mark.parametrize(
    ("parameters", "most"),
    [
        ({}, 0),
        ({"parameters": [{"name": "stop", "value": "<|im_end|>"}]}, 0),
        ({"parameters": [{"name": "num_predict", "value": "512"}]}, 512),
    ],
)
def test_the_gateway_knows_a_models_longest_answer(
    render: Render, parameters: dict[str, object], most: int
) -> None:
    model = {"name": "heyken-general", "file": "m.gguf", "sha256": "0" * 64, "digest": "1" * 64}
    text = render("glue", "etc/heyken/heyken.toml.j2", ollama_models=[model | parameters])
    assert tomllib.loads(text)["gateway"]["answer_tokens_max"] == most


def test_ollama_recipe_leaves_a_trailing_answer_open(render: Render) -> None:
    text = render(
        "ollama",
        "usr/local/lib/heyken/ollama/models/Modelfile.j2",
        item={
            "name": "m",
            "sha256": "0" * 64,
            "template": "<|im_start|>{{ .Role }}",
            "parameters": [{"name": "stop", "value": "<|im_end|>"}],
        },
    )
    assert 'TEMPLATE """<|im_start|>{{ .Role }}"""' in text, "Go's braces stay as they are"
    assert 'PARAMETER stop "<|im_end|>"' in text
    assert f"FROM /usr/local/lib/heyken/ollama/models/{'0' * 64}.gguf" in text
