"""Secrets: made once, readable by their owner only."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.constants import DEFAULT_VAULT_ID_MATCH
from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography import x509

from lab.problem import Problem
from tools import secrets


def vault(state: Path) -> VaultLib:
    key = (state / "vault.key").read_text().strip().encode()
    return VaultLib([(DEFAULT_VAULT_ID_MATCH, VaultSecret(key))])


def opened(state: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(vault(state).decrypt((state / "vault.yml").read_bytes()))
    return content


def test_secrets_are_made_once_and_differ_between_deployments(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert secrets.ensure(one, "one")
    assert secrets.ensure(two, "two")
    kept = opened(one)
    assert not secrets.ensure(one, "one")
    assert opened(one) == kept
    assert kept["vault_api_tokens"] != opened(two)["vault_api_tokens"]


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    state = tmp_path / "state"
    secrets.ensure(state, "lab")
    for name in ("vault.key", "vault.yml", "operator.token", "ssh/id_ed25519"):
        assert stat.S_IMODE((state / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_the_vault_shows_nothing_and_the_authority_can_sign(tmp_path: Path) -> None:
    state = tmp_path / "state"
    secrets.ensure(state, "lab")
    token = (state / "operator.token").read_text().strip()
    assert token not in (state / "vault.yml").read_text()
    authority = x509.load_pem_x509_certificate((state / "ca.crt").read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints.ca
    assert constraints.path_length == 0


def test_an_interrupt_before_the_vault_leaves_nothing_that_counts(tmp_path: Path) -> None:
    state = tmp_path / "state"
    secrets.ensure(state, "lab")
    (state / "vault.yml").unlink()
    assert secrets.ensure(state, "lab")
    token = (state / "operator.token").read_text().strip()
    assert token in {entry["token"] for entry in opened(state)["vault_api_tokens"]}


def test_an_older_vault_is_extended_and_keeps_what_is_in_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    secrets.ensure(state, "lab")
    older = {key: value for key, value in opened(state).items() if "rocketchat" not in key}
    older |= {"vault_generation": 4, "vault_of_a_person": "mine"}
    (state / "vault.yml").write_bytes(vault(state).encrypt(json.dumps(older)))
    assert secrets.ensure(state, "lab")
    found = opened(state)
    assert found["vault_generation"] == 5
    assert set(found["vault_rocketchat_passwords"]) == {"admin", "heyken_bot", "user"}
    assert {key: found[key] for key in older if key != "vault_generation"} == {
        key: older[key] for key in older if key != "vault_generation"
    }
    assert not secrets.ensure(state, "lab"), "nothing was missing any more"
    assert opened(state) == found


def test_a_vault_from_before_redis_gets_a_password_for_it(tmp_path: Path) -> None:
    secrets.ensure(tmp_path, "lab")
    older = {key: value for key, value in opened(tmp_path).items() if "redis" not in key}
    (tmp_path / "vault.yml").write_bytes(vault(tmp_path).encrypt(json.dumps(older)))
    assert secrets.ensure(tmp_path, "lab")
    assert len(opened(tmp_path)["vault_redis_password"]) >= 20


def test_passwords_for_chat_are_there_for_their_owner_only(tmp_path: Path) -> None:
    secrets.ensure(tmp_path, "lab")
    file = tmp_path / "rocketchat.passwords"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (
        dict(line.split() for line in file.read_text().splitlines())
        == (opened(tmp_path)["vault_rocketchat_passwords"])
    )


def test_passwords_meet_the_servers_policy(tmp_path: Path) -> None:
    users = [f"user{number}" for number in range(200)]
    secrets.ensure(tmp_path, "lab", chat_users=users)
    passwords = opened(tmp_path)["vault_rocketchat_passwords"].values()
    assert len(set(passwords)) == 200
    for password in passwords:
        assert len(password) >= 14
        for kind in (str.islower, str.isupper, str.isdigit):
            assert any(kind(character) for character in password), password
        assert any(not character.isalnum() for character in password), password
        assert password[0].isalnum(), password
        assert not re.search(r"(.)\1\1", password), password


def test_a_user_more_gets_a_password_and_the_others_keep_theirs(tmp_path: Path) -> None:
    secrets.ensure(tmp_path, "lab")
    before = opened(tmp_path)["vault_rocketchat_passwords"]
    assert secrets.ensure(tmp_path, "lab", chat_users=["admin", "anna"])
    after = opened(tmp_path)["vault_rocketchat_passwords"]
    assert after == {**before, "anna": after["anna"]}
    assert "anna" in (tmp_path / "rocketchat.passwords").read_text()


def test_a_licence_that_is_laid_beside_the_vault_gets_into_it(tmp_path: Path) -> None:
    secrets.ensure(tmp_path, "lab")
    assert opened(tmp_path)["vault_rocketchat_licence"] == ""
    (tmp_path / "rocketchat.licence").write_text("a licence\n")
    secrets.ensure(tmp_path, "lab")
    assert opened(tmp_path)["vault_rocketchat_licence"] == "a licence"
    assert opened(tmp_path)["vault_generation"] == 2
    (tmp_path / "rocketchat.licence").unlink()
    secrets.ensure(tmp_path, "lab")
    assert opened(tmp_path)["vault_rocketchat_licence"] == "a licence", "the vault keeps it"


def test_a_key_that_does_not_fit_is_said_and_nothing_is_replaced(tmp_path: Path) -> None:
    secrets.ensure(tmp_path, "lab")
    before = (tmp_path / "vault.yml").read_bytes()
    (tmp_path / "vault.key").write_text("another\n")
    with pytest.raises(Problem, match=r"vault\.yml cannot be opened"):
        secrets.ensure(tmp_path, "lab")
    assert (tmp_path / "vault.yml").read_bytes() == before
