"""Every hook can fail: each is run on a file that breaks its rule, and has to name that file."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contract import support
from tools import repository

HOOK_SECONDS = 300
_BROKEN_ROLE = "argument_specs: {main: {short_description: Broken, options: {}}}\n"
# Hook -> a file that breaks its rule. Whoever adds a hook adds a line here.
BROKEN: dict[str, tuple[str, str]] = {
    "ruff-format": ("tools/broken.py", "x = {  'a':1 }\n"),
    "ruff": ("tools/broken.py", '"""Broken."""\n\nimport os\n'),
    "mypy": ("tools/broken.py", '"""Broken."""\n\nnumber: int = "text"\n'),
    "shellcheck": ("tools/broken.sh", "#!/bin/bash\nrm -rf $1/*\n"),
    "yamllint": ("broken.yml", "a:   [1,2]\na: 2\n"),
    "ansible-lint": (
        "ansible/playbooks/broken.yml",
        "---\n- hosts: all\n  tasks:\n    - shell: ls\n",
    ),
    "terraform-fmt": ("terraform/broken.tf", 'variable   "a" {\n}\n'),
    "sizes": ("tools/broken.py", "a = 1\n" * 400),
    "words": ("broken.md", "make test |" + "| true\n"),
    "role-tables": ("ansible/roles/broken/meta/argument_specs.yml", _BROKEN_ROLE),
}


def _hooks() -> dict[str, support.Yaml]:
    config = support.load_yaml(support.ROOT / ".pre-commit-config.yaml")
    return {hook["id"]: hook for repo in config["repos"] for hook in repo["hooks"]}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout that holds the configuration and the tools, and nothing else."""
    root = tmp_path_factory.mktemp("checkout")
    for source in repository.files("*.toml", "*.yml", "*.yaml", ".config", "tools", ".gitignore"):
        target = root / source.relative_to(support.ROOT)
        if target.parts[len(root.parts)] in {"ansible", "inventory", "molecule"}:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    for folder in ("heyken_glue", "lab", "tests", "bench"):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / "empty.py").write_text('"""Nothing."""\n', encoding="utf-8")
    (root / ".venv").symlink_to(support.ROOT / ".venv")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True, timeout=30)  # noqa: S607
    return root


def test_every_hook_is_local_and_has_a_broken_file() -> None:
    config = support.load_yaml(support.ROOT / ".pre-commit-config.yaml")
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    assert set(_hooks()) == set(BROKEN)


def test_no_hook_needs_a_program_that_the_machine_may_lack() -> None:
    for identity, hook in _hooks().items():
        assert hook["entry"].startswith(".venv/bin/"), identity


@pytest.mark.parametrize("identity", BROKEN)
def test_hook_fails_on_a_broken_file(identity: str, checkout: Path) -> None:
    hook = _hooks()[identity]
    name, content = BROKEN[identity]
    path = checkout / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    if identity == "role-tables":
        (path.parent.parent / "README.md").write_text(
            "<!-- variables: begin -->\n<!-- variables: end -->\n", encoding="utf-8"
        )
    command = shlex.split(hook["entry"])
    if hook.get("pass_filenames", True):
        command.append(name)
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PATH": _path()}
    try:
        run = subprocess.run(  # noqa: S603 - commands of our own configuration
            command, cwd=checkout, env=environment, capture_output=True, text=True,
            timeout=HOOK_SECONDS, check=False,
        )  # fmt: skip
    finally:
        path.unlink()
        shutil.rmtree(checkout / "ansible", ignore_errors=True)
    seen = run.stdout + run.stderr
    assert run.returncode != 0, f"{identity} passes on {name}:\n{seen}"
    assert "broken" in seen, f"{identity} fails for another reason:\n{seen}"


def _path() -> str:
    return f"{support.ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
