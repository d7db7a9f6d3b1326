"""The pipeline and the Makefile call what exists, and nothing in them hides a failure."""

from __future__ import annotations

import json
import re

from tests.contract import support

STAGES = ["lint", "validate", "unit", "molecule", "plan", "deploy", "verify"]
_KEYWORDS = {"default", "include", "image", "stages", "variables", "workflow"}


def _targets() -> dict[str, str]:
    """Return the Makefile's targets with their recipes."""
    text = (support.ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.findall(r"^([a-z][a-z-]*):(?!=).*\n((?:\t.*\n)*)", text, flags=re.MULTILINE)
    assert len(found) >= 10, f"only {len(found)} targets were found"
    return dict(found)


def _jobs() -> dict[str, support.Yaml]:
    pipeline = support.load_yaml(support.ROOT / ".gitlab-ci.yml")
    assert pipeline["stages"] == STAGES
    return {key: job for key, job in pipeline.items() if key not in _KEYWORDS and key[0] != "."}


def test_every_stage_has_a_job() -> None:
    assert {job["stage"] for job in _jobs().values()} == set(STAGES)


def test_jobs_call_make_targets_that_exist() -> None:
    targets = _targets()
    for name, job in _jobs().items():
        script = job["script"] if isinstance(job["script"], list) else [job["script"]]
        for line in script:
            command = re.fullmatch(r"make ([a-z-]+)", line)
            assert command, f"job {name}: {line!r} is no plain make target"
            assert command.group(1) in targets, f"job {name}: no target {command.group(1)}"


def test_no_job_hides_a_failure() -> None:
    text = (support.ROOT / ".gitlab-ci.yml").read_text(encoding="utf-8")
    assert "allow_failure" not in text
    jobs = _jobs()
    manual = [
        name
        for name, job in jobs.items()
        if any(rule.get("when") == "manual" for rule in job.get("rules", []))
    ]
    assert manual == ["deploy"], "deploying is the only thing that waits for a person"
    assert jobs["verify"]["needs"] == ["deploy"]


def test_make_targets_are_explained_and_short() -> None:
    text = (support.ROOT / "Makefile").read_text(encoding="utf-8")
    for name, recipe in _targets().items():
        assert len(recipe.splitlines()) <= 3, f"target {name} does more than call a tool"
        assert not re.search(r"^\t-", recipe, re.MULTILINE), f"target {name} ignores a failure"
    for name in ("deploy", "status", "switch-core", "stop", "start", "destroy", "test", "ci-local"):
        assert re.search(rf"^{name}:.*## \w", text, re.MULTILINE), f"target {name} has no help text"


def test_tools_that_make_calls_exist() -> None:
    called = 0
    for name, recipe in _targets().items():
        for script in re.findall(r"(?:tools|\.ci)/[\w/-]+\.sh", recipe):
            called += 1
            assert (support.ROOT / script).stat().st_mode & 0o111, f"{name}: {script}"
        for module in re.findall(r"python -m ((?:tools|bench)[\w.]*)", recipe):
            called += 1
            path = support.ROOT / module.replace(".", "/")
            found = path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
            assert found, f"{name}: no module {module}"
    assert called >= 10, f"only {called} calls were found"


def test_readme_names_two_commands_that_exist() -> None:
    readme = (support.ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^make ([a-z-]+)", readme, flags=re.MULTILINE)
    assert {"deploy", "test"} <= set(commands)
    assert set(commands) <= set(_targets())
    assert "make test" in (support.ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_npm_lock_has_hashes_and_no_addresses() -> None:
    folder = support.ROOT / ".ci" / "gitlab-ci-local"
    text = (folder / "package-lock.json").read_text(encoding="utf-8")
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    locked = {key: value for key, value in json.loads(text)["packages"].items() if key}
    assert locked
    assert {key.removeprefix("node_modules/") for key in locked} >= set(wanted)
    assert all(value["integrity"].startswith("sha512-") for value in locked.values())
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    assert "://" not in text
