"""The bridge from Ansible to Python: one settings file and a list of credentials."""

from __future__ import annotations

import re
import types
import typing
from pathlib import Path

from heyken_glue import credentials, settings
from tests.contract import support

TEMPLATES = support.ROOT / "ansible" / "roles" / "glue" / "templates" / "etc"
_UNIT_OF_DROP_IN = re.compile(r"heyken@([a-z-]+)\.service\.d")


def _template_keys() -> dict[str, set[str]]:
    """Return the keys the template writes by section; `ollama.models` is a list's section."""
    found: dict[str, set[str]] = {}
    section = ""
    for line in (TEMPLATES / "heyken" / "heyken.toml.j2").read_text(encoding="utf-8").splitlines():
        header = re.fullmatch(r"\[{1,2}([\w.]+)\]{1,2}", line.strip())
        key = re.match(r"(\w+)\s*=", line)
        if header:
            section = header.group(1)
            found.setdefault(section, set())
        elif key:
            found.setdefault(section, set()).add(key.group(1))
    return found


def _section_in(annotation: object) -> type[settings.Section] | None:
    """Return the section that an annotation contains, through optionals, tuples and Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, settings.Section):
        return annotation
    if isinstance(annotation, types.GenericAlias | types.UnionType) or typing.get_origin(
        annotation
    ):
        inside = (_section_in(argument) for argument in typing.get_args(annotation))
        return next((section for section in inside if section is not None), None)
    return None


def _settings_keys(model: type[settings.Section], prefix: str = "") -> dict[str, set[str]]:
    """Return the keys the program reads, in the same form."""
    found: dict[str, set[str]] = {}
    for name, field in model.model_fields.items():
        section = _section_in(field.annotation)
        if section is None:
            found.setdefault(prefix, set()).add(name)
        else:
            path = f"{prefix}.{name}" if prefix else name
            found.setdefault(path, set())
            found |= _settings_keys(section, path)
    return found


def test_the_template_writes_what_the_program_reads_and_nothing_else() -> None:
    written, read = _template_keys(), _settings_keys(settings.Settings)
    assert len(read) >= 11, f"only {sorted(read)} were found in Settings"
    assert set(written) == set(read), "sections differ"
    for section, keys in read.items():
        assert written[section] == keys, f"[{section}] differs"


def test_the_search_sees_optional_and_repeated_sections() -> None:
    read = _settings_keys(settings.Settings)
    assert read["ollama.models"] == {"name", "digest"}
    assert "core_id" in read["peers"]
    assert "address" in read["vip"]
    assert "models" not in read["ollama"]


def _drop_ins() -> dict[str, Path]:
    pattern = ":(glob)ansible/roles/glue/templates/etc/systemd/system/heyken@*.service.d/*.j2"
    found = {}
    for path in support.files(pattern, at_least=len(credentials.OF_UNIT)):
        match = _UNIT_OF_DROP_IN.search(path.as_posix())
        assert match is not None, path
        found[match.group(1)] = path
    return found


def test_units_get_the_credentials_that_they_read() -> None:
    drop_ins = _drop_ins()
    assert set(drop_ins) == set(credentials.OF_UNIT)
    for unit, path in drop_ins.items():
        given = re.findall(r"^LoadCredential=(\w+):", path.read_text("utf-8"), flags=re.MULTILINE)
        assert sorted(given) == sorted(credentials.OF_UNIT[unit]), support.name_of(path)


def test_secrets_never_come_through_the_environment() -> None:
    for path in [*_drop_ins().values(), TEMPLATES / "systemd" / "system" / "heyken@.service.j2"]:
        for line in path.read_text(encoding="utf-8").splitlines():
            secret = re.match(r"(Environment|EnvironmentFile|PassEnvironment)=.*", line)
            assert not (secret and re.search(r"(?i)token|key|secret|password", line)), line


def test_the_unit_checks_its_settings_before_it_starts() -> None:
    unit = (TEMPLATES / "systemd" / "system" / "heyken@.service.j2").read_text(encoding="utf-8")
    assert re.search(r"^ExecStartPre=.*check-config /etc/heyken/heyken\.toml", unit, re.MULTILINE)
    assert re.search(r"^RestartPreventExitStatus=78$", unit, re.MULTILINE)
    assert re.search(r"^Type=notify$", unit, re.MULTILINE)


def test_the_template_is_checked_by_the_program_when_it_is_written() -> None:
    tasks = [
        task
        for _, content in support.role_yaml(support.ROOT / "ansible" / "roles" / "glue", "tasks")
        for task in support.tasks_in(content)
    ]
    texts = [str(task) for task in tasks if "heyken.toml" in str(task)]
    assert texts, "no task of role glue mentions heyken.toml"
    assert any("check-config %s" in text for text in texts), "heyken.toml is written unchecked"
