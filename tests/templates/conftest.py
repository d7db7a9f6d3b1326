"""Renders the roles' templates with Ansible's own engine, over the lab's wiring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.vars.manager import VariableManager

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "ansible" / "roles"
VAULT = {
    "vault_ca_certificate": "-----BEGIN CERTIFICATE-----",
    "vault_ca_key": "key",
    "vault_api_tokens": [{"name": "operator", "token": "a secret", "scopes": ["chat", "switch"]}],
    "vault_mongodb_key": "S2V5",
    "vault_mongodb_passwords": {"root": "r-secret", "rocketchat": "c-secret", "backup": "b-secret"},
    "vault_redis_password": "a-password-of-the-store-in-tests",
    "vault_rocketchat_licence": "",
    "vault_rocketchat_passwords": {"admin": "a-secret", "heyken_bot": "h", "user": "u"},
    "vault_rocketchat_registration_token": "",
}
FACTS = {
    "python": {"version": {"major": 3, "minor": 11}},
    "virtualization_role": "host",
    "distribution_major_version": "12",
}
# What the tasks before the templates would have registered.
SEEN = {
    "__etcd_certificate": {"stat": {"checksum": "c0ffee"}},
    "__glue_certificate": {"stat": {"checksum": "c0ffee"}},
    "__redis_certificate": {"stat": {"checksum": "c0ffee"}},
    "__tls_proxy_certificate": {"stat": {"checksum": "c0ffee"}},
    "__vip_found": {"stdout": "2: eth0    inet 192.0.2.11/24 scope global eth0"},
}

# Roles whose inputs only the chat host has.
CHAT_ROLES = {"engine", "mongodb", "rocketchat", "tls_proxy"}

Render = Callable[..., str]


@pytest.fixture(scope="session")
def sample_inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of an inventory together with the committed wiring."""
    directory = tmp_path_factory.mktemp("inventory")
    example = ROOT / "inventory" / "hosts" / "hosts.yml.example"
    (directory / "hosts.yml").write_text(example.read_text())
    (directory / "group_vars").mkdir()
    wiring = ROOT / "inventory" / "lab" / "group_vars"
    for source in wiring.iterdir():
        if source.name != "all":  # holds the secrets of a lab on this machine
            (directory / "group_vars" / source.name).symlink_to(source)
    return directory


@pytest.fixture(scope="session")
def render(sample_inventory: Path) -> Render:
    """Return render(role, template, host=…, **overrides): the finished text."""
    init_plugin_loader()
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(sample_inventory)])
    manager = VariableManager(loader=loader, inventory=inventory)

    def rendered(role: str, template: str, host: str = "", **overrides: Any) -> str:
        host = host or ("chat" if role in CHAT_ROLES else "core1")
        files = [ROLES / role / part / "main.yml" for part in ("defaults", "vars")]
        defaults, constants = (
            loader.load_from_file(str(f), trusted_as_template=True) if f.exists() else {}
            for f in files
        )
        variables: Mapping[str, Any] = {
            **defaults,
            **manager.get_vars(host=inventory.get_host(host)),
            "hostvars": {h.name: manager.get_vars(host=h) for h in inventory.get_hosts()},
            "ansible_facts": FACTS,
            **VAULT,
            **constants,
            **SEEN,
            **overrides,
        }
        templar = Templar(loader=loader, variables=dict(variables))
        text = loader.get_text_file_contents(str(ROLES / role / "templates" / template))
        return str(templar.template(trust_as_template(text)))

    return rendered


def all_templates() -> list[tuple[str, str]]:
    """Return (role, path below templates) of every template."""
    found = [
        (path.relative_to(ROLES).parts[0], path.relative_to(ROLES).parts)
        for path in sorted(ROLES.rglob("*.j2"))
    ]
    return [(role, str(Path(*parts[2:]))) for role, parts in found]


def banner_expected(role: str) -> str:
    """Every managed file says who manages it."""
    return f"Managed by Ansible, role {role}: changes here are lost."


def declared_options(role: str) -> Mapping[str, Any]:
    """Return the role's argument specification."""
    spec = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())
    options: Mapping[str, Any] = spec["argument_specs"]["main"]["options"]
    return options
