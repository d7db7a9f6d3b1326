"""The secrets of a deployment: made once, kept in a vault whose key is not in the repository."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.constants import DEFAULT_VAULT_ID_MATCH
from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab.files import write_private
from lab.problem import Problem
from lab.shell import run

CA_YEARS = 10
TOKEN_BYTES = 32
PASSWORD_BYTES = 18
# Rocket.Chat's policy unless somebody changes it; the first character keeps shells from seeing an
# option.
PASSWORD_RULES = ("^[A-Za-z0-9]", "[a-z]", "[A-Z]", "[0-9]", "[-_]", r"^(?!.*(.)\1{2})")
KEY_FILE_BYTES = 500
SCOPES = {
    "operator": ["chat", "status", "switch", "send", "metrics"],
    "probe": ["chat", "status", "metrics"],
}
CHAT_USERS = ("admin", "heyken_bot", "user")
DATABASE_USERS = ("root", "rocketchat", "backup")
# What a person may lay into the state directory; the vault takes over what is in it.
GIVEN = {
    "vault_rocketchat_licence": "rocketchat.licence",
    "vault_rocketchat_registration_token": "rocketchat.registration_token",
}


def ensure(state: Path, name: str, *, chat_users: Iterable[str] = CHAT_USERS) -> bool:
    """Make what is missing below `state`; True if secrets were generated.

    chat_users: who needs a password on the chat server.

    Files, all 0600: vault.key, vault.yml (encrypted), ssh/id_ed25519, operator.token,
    rocketchat.passwords; and ca.crt, which is public. What the vault has is never replaced: a vault
    from before a secret was needed is extended, and its `vault_generation` grows.
    """
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    _ensure_ssh_key(state / "ssh" / "id_ed25519", name)
    known = opened(state)
    made = _missing(known, name, chat_users)
    content = {**known, **made, **_given(state)}
    if content != known:
        content["vault_generation"] = known.get("vault_generation", 0) + 1
    # The vault is written last, so an interrupt before it makes everything anew.
    _write_plain(state, content)
    if content != known:
        _seal(state, content, fresh=not known)
    return bool(made)


def opened(state: Path) -> dict[str, Any]:
    """Return what the vault holds; nothing if there is none.

    Raises Problem when its key does not fit.
    """
    if not ((state / "vault.yml").exists() and (state / "vault.key").exists()):
        return {}
    try:
        text = _vault(state).decrypt((state / "vault.yml").read_bytes())
    except AnsibleError as error:
        raise Problem(
            f"{state / 'vault.yml'} cannot be opened",
            why=" ".join(str(error).split()),
            todo=f"restore vault.yml and vault.key, which belong together, in {state}",
        ) from error
    content: dict[str, Any] = yaml.safe_load(text)
    return content


def _missing(known: Mapping[str, Any], name: str, chat_users: Iterable[str]) -> dict[str, Any]:
    """Generate what the vault does not have yet."""
    made: dict[str, Any] = {key: "" for key in GIVEN if key not in known}
    if "vault_ca_key" not in known:
        made["vault_ca_key"], made["vault_ca_certificate"] = _authority(name)
    if "vault_api_tokens" not in known:
        made["vault_api_tokens"] = [
            {"name": who, "token": secrets.token_urlsafe(TOKEN_BYTES), "scopes": scopes}
            for who, scopes in SCOPES.items()
        ]
    if "vault_mongodb_key" not in known:
        made["vault_mongodb_key"] = base64.b64encode(secrets.token_bytes(KEY_FILE_BYTES)).decode()
    if "vault_redis_password" not in known:
        made["vault_redis_password"] = secrets.token_urlsafe(TOKEN_BYTES)
    wanted = {"vault_rocketchat_passwords": chat_users, "vault_mongodb_passwords": DATABASE_USERS}
    for key, users in wanted.items():
        kept = known.get(key, {})
        fresh = {one: _password() for one in users if one not in kept}
        if fresh:
            made[key] = {**kept, **fresh}
    return made


def _password() -> str:
    """Return a password that the servers' own rules accept: all four kinds, nothing repeated."""
    while True:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        if all(re.search(rule, password) for rule in PASSWORD_RULES):
            return password


def _given(state: Path) -> dict[str, str]:
    """Return what a person laid beside the vault."""
    files = {key: state / file for key, file in GIVEN.items()}
    return {key: file.read_text().strip() for key, file in files.items() if file.exists()}


def _write_plain(state: Path, content: Mapping[str, Any]) -> None:
    """Write what people and programs on this machine need in the clear."""
    passwords = content["vault_rocketchat_passwords"].items()
    (state / "ca.crt").write_text(content["vault_ca_certificate"])
    write_private(state / "operator.token", f"{content['vault_api_tokens'][0]['token']}\n")
    write_private(
        state / "rocketchat.passwords",
        "".join(f"{user:<12}{password}\n" for user, password in passwords),
    )


def _seal(state: Path, content: Mapping[str, Any], *, fresh: bool) -> None:
    if fresh:
        write_private(state / "vault.key", secrets.token_urlsafe(TOKEN_BYTES) + "\n")
    # JSON is YAML.
    sealed = _vault(state).encrypt(json.dumps(content, indent=1))
    write_private(state / "vault.yml", sealed.decode())


def _vault(state: Path) -> VaultLib:
    key = (state / "vault.key").read_text().strip().encode()
    return VaultLib([(DEFAULT_VAULT_ID_MATCH, VaultSecret(key))])


def _ensure_ssh_key(path: Path, name: str) -> None:
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"heyken-{name}", "-f", str(path)],
        timeout_seconds=30)  # fmt: skip


def _authority(name: str) -> tuple[str, str]:
    """Return key and certificate of a new certificate authority, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Heyken {name} CA")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=365 * CA_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CA_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


_CA_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
