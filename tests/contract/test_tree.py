"""Sizes, words, and pairs of files that have to say the same."""

from __future__ import annotations

import configparser
import re
import tomllib
from pathlib import Path

import pytest

from tests.contract import support
from tools import check_sizes, check_words, repository


def test_nothing_is_too_big() -> None:
    measured = list(check_sizes.sizes())
    kinds = {size.what for size in measured}
    wanted = {rule.what for rule in check_sizes.RULES} | {"Python function, lines"}
    assert kinds == wanted, f"no file found for {wanted - kinds}"
    found = list(check_sizes.findings(measured, repository.waivers(check_sizes.EXCEPTIONS)))
    assert not found, "\n".join(found)


def test_no_forbidden_words(capsys: pytest.CaptureFixture[str]) -> None:
    code = check_words.main()
    assert code == 0, capsys.readouterr().out


def _settings(path: Path) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(path.read_text(encoding="utf-8"))
    return {section: dict(parser[section]) for section in parser.sections()}


def _resolved(value: str, folder: Path) -> str:
    """Make the paths of one ansible.cfg comparable with those of another."""
    if re.fullmatch(r"[\w./$-]*/[\w./$-]*", value) and not value.startswith("/"):
        return str((folder / value).resolve())
    return value


def test_the_two_ansible_cfg_agree() -> None:
    found = []
    for name in ("ansible.cfg", "ansible/playbooks/ansible.cfg"):
        path = support.ROOT / name
        found.append(
            {
                section: {key: _resolved(value, path.parent) for key, value in values.items()}
                for section, values in _settings(path).items()
            }
        )
    root, playbooks = found
    assert root["defaults"]["roles_path"] == str(support.ROOT / "ansible" / "roles")
    assert root == playbooks


def test_the_image_and_the_lab_agree_on_the_terraform_provider() -> None:
    catalog = (support.ROOT / "lab" / "catalog.toml").read_text(encoding="utf-8")
    tomllib.loads(catalog)
    root = (support.ROOT / "terraform/environments/lab/terraform.tf").read_text(encoding="utf-8")
    pinned = re.search(r'kreuzwerker/docker"\s+version = "([\d.]+)"', root)
    assert pinned is not None, "the lab's root does not pin the provider exactly"
    assert f'"{pinned.group(1)}"' in catalog, f"lab/catalog.toml does not name {pinned.group(1)}"


def test_the_locks_name_no_address_and_carry_hashes() -> None:
    for path in support.files("locks/*.txt", at_least=2):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text, f"{support.name_of(path)} names where packages come from"
        packages = re.findall(r"^[A-Za-z0-9._-]+==", text, flags=re.MULTILINE)
        assert packages, f"{support.name_of(path)}: no package was found"
        assert text.count("--hash=sha256:") >= len(packages), f"{path.name}: a package has no hash"


def test_every_catalogue_translates_every_text() -> None:
    for path in support.files("heyken_glue/locale/*.po", at_least=1):
        entries = re.findall(
            r'^msgid ((?:".*"\n)+)(?:msgid_plural (?:".*"\n)+)?((?:msgstr.*\n(?:".*"\n)*)+)',
            path.read_text(encoding="utf-8") + "\n",
            flags=re.MULTILINE,
        )
        assert len(entries) >= 10, f"{support.name_of(path)}: only {len(entries)} texts were found"
        empty = [key for key, value in entries if not re.sub(r'msgstr(\[\d\])?|[\s"]', "", value)]
        assert not empty, f"{support.name_of(path)}: not translated: {empty}"
        assert "#, fuzzy" not in path.read_text(encoding="utf-8"), support.name_of(path)
