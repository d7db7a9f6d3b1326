"""What a core says about itself, and when it looks again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from heyken_glue.adapters.ollama.client import OllamaClient
from heyken_glue.runtime import http
from heyken_glue.services import health_facts
from heyken_glue.services.health_facts import FactFinder
from heyken_glue.services.health_looks import Findings
from heyken_glue.settings import Settings
from tests.support.health import FakeOllama

from .conftest import DIGEST

MODEL = "heyken-general"


@pytest.fixture
def ollama() -> FakeOllama:
    return FakeOllama(DIGEST)


@pytest.fixture
def findings() -> Findings:
    return Findings(models={f"{MODEL}:latest": DIGEST})


def _with(core: Settings, section: str, **change: object) -> Settings:
    changed = getattr(core, section).model_copy(update=change)
    return core.model_copy(update={section: changed})


@pytest.fixture
async def client(ollama: FakeOllama) -> AsyncIterator[OllamaClient]:
    server = TestServer(ollama.application())
    await server.start_server()
    async with http.session(total_seconds=5) as session:
        yield OllamaClient(session, str(server.make_url("")))
    await server.close()


async def _facts(core: Settings, client: OllamaClient, findings: Findings) -> dict[str, str]:
    finder = FactFinder(core, client=client, findings=findings)
    await finder.look()
    return dict(finder.facts)


async def test_a_core_tells_its_builds_its_settings_and_its_models(
    core: Settings, client: OllamaClient, findings: Findings, tmp_path: Path
) -> None:
    facts = await _facts(core, client, findings)
    assert set(facts) == {
        "ollama", "glue", "settings", *(f"{kind} {MODEL}" for kind in
                                        ("model", "template", "prompt", "parameters")),
    }  # fmt: skip
    assert facts["ollama"] == "0.24.0", "where nothing was installed by us, the version"
    assert facts[f"model {MODEL}"] == DIGEST
    (tmp_path / "current").symlink_to("0123456789abcdef")
    facts = await _facts(_with(core, "ollama", release_directory=tmp_path), client, findings)
    assert facts["ollama"] == "0123456789abcdef"


async def test_before_the_models_were_seen_nothing_is_said(
    core: Settings, client: OllamaClient
) -> None:
    assert await _facts(core, client, Findings()) == {}


async def test_a_model_that_is_missing_is_a_fact(core: Settings, client: OllamaClient) -> None:
    facts = await _facts(core, client, Findings(models={"other:latest": DIGEST}))
    assert facts[f"model {MODEL}"] == "–"
    assert f"prompt {MODEL}" not in facts


async def test_what_a_model_was_made_with_is_asked_for_only_when_it_changed(
    core: Settings, client: OllamaClient, ollama: FakeOllama, findings: Findings
) -> None:
    finder = FactFinder(core, client=client, findings=findings)
    for _ in range(3):
        await finder.look()
    assert ollama.shown == 1
    before = dict(finder.facts)
    ollama.recipe["system"] = "be long"
    findings.models = {f"{MODEL}:latest": "cd" * 32}
    await finder.look()
    assert ollama.shown == 2
    changed = {key for key, value in finder.facts.items() if before[key] != value}
    assert changed == {f"model {MODEL}", f"prompt {MODEL}"}


async def test_what_differs_by_right_is_no_difference(
    core: Settings, client: OllamaClient, findings: Findings
) -> None:
    facts = await _facts(core, client, findings)
    twin = _with(core, "host", name="core2", address="10.78.0.12", core_id=2)
    twin = _with(twin, "gateway", listen_addresses=("10.78.0.12",))
    assert (await _facts(twin, client, findings))["settings"] == facts["settings"]
    other = _with(core, "gateway", message_bytes_max=7)
    assert (await _facts(other, client, findings))["settings"] != facts["settings"]


async def test_a_file_of_ours_that_somebody_changes_is_told_without_a_restart(
    core: Settings, client: OllamaClient, findings: Findings, tmp_path: Path
) -> None:
    package = tmp_path / "package" / "inner"
    package.mkdir(parents=True)
    (package / "one.py").write_text("1\n")
    finder = FactFinder(core, client=client, findings=findings, package=package.parent)
    seen: list[str] = []
    for change in ("", "2\n", None):
        if change:
            (package / "one.py").write_text(change)
        if change is None:
            (package / "two.py").write_text("")
        for _ in range(health_facts.PACKAGE_EVERY):
            await finder.look()
        seen.append(finder.facts["glue"])
    assert len(set(seen)) == 3
