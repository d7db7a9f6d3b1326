"""Pages link to what exists, can be found from the index, and are current where generated."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from typer import main as typer_main

from heyken_glue.cli import app, environment
from tests.contract import support
from tools import role_docs

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`[^`\n]*`")
# 172.29: where the engine takes the networks of its containers from, unless told otherwise.
_EXAMPLE = re.compile(
    r"10\.7[789]\.|172\.29\.|127\.0\.0\.1|0\.0\.0\.0|192\.0\.2\.|198\.51\.100\.|203\.0\.113\."
)


def _pages() -> list[Path]:
    return support.files(":(glob)docs/**/*.md", "*.md", at_least=20)


def _links(path: Path) -> Iterator[tuple[str, str]]:
    """Return targets and anchors of a page's links to files of this repository."""
    text = _INLINE.sub("", _FENCE.sub("", path.read_text(encoding="utf-8")))
    for target in _LINK.findall(text):
        if "://" not in target and not target.startswith("mailto:"):
            name, _, anchor = target.partition("#")
            yield name, anchor


def _anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_links_resolve() -> None:
    seen = 0
    for page in _pages():
        for name, anchor in _links(page):
            seen += 1
            target = (page.parent / name).resolve() if name else page
            assert target.exists(), f"{support.name_of(page)}: no {name}"
            assert not anchor or anchor in _anchors(target), f"{support.name_of(page)}: #{anchor}"
    assert seen >= 40, f"only {seen} links were found"


def test_every_page_can_be_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [support.ROOT / "docs" / "index.md", support.ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        waiting += [(page.parent / name).resolve() for name, _ in _links(page) if name]
    lost = [support.name_of(p) for p in _pages() if "docs" in p.parts and p not in reached]
    assert not lost, f"nothing links to {lost}"


def test_readme_sends_people_on() -> None:
    readme = support.ROOT / "README.md"
    assert len(readme.read_text(encoding="utf-8").splitlines()) < 120
    assert len([name for name, _ in _links(readme) if name.startswith("docs/")]) >= 5


def test_generated_pages_are_current() -> None:
    assert len(role_docs.roles()) >= support.ROLE_COUNT
    stale = [support.name_of(path) for path, _ in role_docs.outdated()]
    assert not stale, f"run make docs: {stale}"


def test_every_deliberate_playbook_has_a_runbook() -> None:
    layers = {"site", "verify", "preflight", "inputs", "agreement", "base", "chat", "cores", "hub"}
    acts = {
        path.stem for path in support.files(":(glob)ansible/playbooks/*.yml", at_least=3)
    } - layers
    assert acts, "no deliberate playbook was found"
    missing = [act for act in acts if not (support.ROOT / f"docs/runbooks/{act}.md").is_file()]
    assert not missing, f"no page in docs/runbooks for {missing}"


def test_examples_use_addresses_made_for_examples() -> None:
    for page in _pages():
        text = page.read_text(encoding="utf-8")
        for address in re.findall(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", text):
            assert _EXAMPLE.match(address), f"{support.name_of(page)}: {address}"


def test_the_command_line_page_names_every_command() -> None:
    page = (support.ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    group = typer_main.get_command(app.app)
    commands = getattr(group, "commands", {})
    shown = {name for name, command in commands.items() if not command.hidden}
    assert len(shown) >= 5
    assert {name for name in shown if f"`heyken {name}" not in page} == set()


def test_the_api_page_names_every_error_code() -> None:
    page = (support.ROOT / "docs/reference/api.md").read_text(encoding="utf-8")
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in support.files("heyken_glue/gateway/*.py", at_least=8)
    )
    codes = set(re.findall(r'\b[45]\d\d,\s*"([a-z_]+)"', sources))
    codes |= set(re.findall(r'(?:_bad_message|TooSlowError)\(\s*"([a-z_]+)"', sources))
    assert len(codes) >= 12, f"only {sorted(codes)} were found"
    internal = {"not_a_peer", "too_many_hops"}
    assert {code for code in codes - internal if f"`{code}`" not in page} == set()


def test_the_files_page_names_every_variable_of_the_environment() -> None:
    page = (support.ROOT / "docs/reference/files.md").read_text(encoding="utf-8")
    assert {name for name in environment.KNOWN if f"`{name}`" not in page} == set()


def test_every_printed_make_command_can_be_typed() -> None:
    """Targets and settings that a page shows exist; `-n` prints what would run and runs nothing."""
    shown: set[str] = set()
    for page in _pages():
        for block in _FENCE.findall(page.read_text(encoding="utf-8")):
            shown |= set(
                re.findall(r"^ *(?:sudo )?(make [^#\n|&>]*?) *(?:#.*)?$", block, re.MULTILINE)
            )
    assert len(shown) >= 12, f"only {sorted(shown)} were found"
    for command in sorted(shown):
        words = shlex.split(command)
        done = subprocess.run(  # noqa: S603 - as our own pages print it
            [words[0], "-n", *words[1:]],
            cwd=support.ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
