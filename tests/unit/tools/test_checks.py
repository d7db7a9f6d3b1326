"""The checks over files find what they are for, and exceptions run out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools import check_sizes, check_words, repository, role_docs


def _rules_hit(line: str) -> list[str]:
    return [hit.rule.name for hit in check_words.hits_in("file", line)]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("make test |" + "| true", "cannot-fail"),
        ("command |" + "| :", "cannot-fail"),
        ("image: debian:" + "latest", "floating-version"),
        ("go install example.com/x@" + "latest", "floating-version"),
        ("  state: " + "latest", "floating-version"),
        ("index-url = https://py" + "pi.org/simple", "registry-host"),
        ("https://registry.npm" + "js.org/x", "registry-host"),
        ("path = /ho" + "me/someone/x", "machine-path"),
        ("key: /ro" + "ot/work", "machine-path"),
        ("# TO" + "DO later", "unfinished"),
        ("raise NotImplemented" + "Error", "unfinished"),
    ],
)
def test_forbidden_words_are_found(line: str, rule: str) -> None:
    assert rule in _rules_hit(line)


@pytest.mark.parametrize(
    "line",
    [
        "if a || b; then",
        "/root/.ssh/authorized_keys",
        "~/.cache/heyken",
        "the latest state of things",
        'name = "heyken-general:latest"',
        'mktemp "$dir/XXXXXX"',
        "see https://docs.example.com/home/page",
    ],
)
def test_ordinary_words_are_left_alone(line: str) -> None:
    assert _rules_hit(line) == []


def test_a_word_exception_covers_one_rule_in_one_file_and_runs_out() -> None:
    hits = list(check_words.hits_in("a.sh", "x |" + "| true\n# TO" + "DO"))
    waived = [
        repository.Waiver("a.sh", "cannot-fail", "because"),
        repository.Waiver("b.sh", "cannot-fail", "because"),
    ]
    found = list(check_words.findings(hits, waived))
    assert len(found) == 2
    assert "a.sh:2: unfinished" in found[0]
    assert "b.sh: the exception cannot-fail" in found[1]


def test_functions_are_measured_without_their_docstring() -> None:
    text = 'def f() -> None:\n    """One.\n\n    Two.\n    """\n    a = 1\n    print(a)\n'
    (size,) = check_sizes.function_sizes("m.py", text)
    assert (size.path, size.value) == ("m.py::f", 3)


def test_async_and_inner_functions_are_measured() -> None:
    text = "async def outer():\n    def inner():\n        pass\n    inner()\n"
    assert [size.value for size in check_sizes.function_sizes("m.py", text)] == [4, 2]


def test_too_big_is_found_and_an_exception_grants_its_limit_only() -> None:
    size = check_sizes.Size("m.py", "Python module, lines", 400, 350)
    assert len(list(check_sizes.findings([size], []))) == 1
    granted = repository.Waiver("m.py", "400", "because")
    assert list(check_sizes.findings([size], [granted])) == []
    tight = repository.Waiver("m.py", "399", "because")
    assert len(list(check_sizes.findings([size], [tight]))) == 1


def test_a_size_exception_that_is_not_needed_is_found() -> None:
    size = check_sizes.Size("m.py", "Python module, lines", 10, 350)
    (found,) = check_sizes.findings([size], [repository.Waiver("m.py", "400", "because")])
    assert "not needed any more" in found


def test_an_exception_without_a_reason_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "exceptions.txt"
    file.write_text("# comment\n\na.py 400 long table\nb.py 400\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"exceptions\.txt:4"):
        repository.waivers(file)


def test_files_are_the_tracked_and_new_ones_but_not_the_ignored(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True, timeout=30)  # noqa: S607
    for name in ("new.py", "ignored.py", "other.txt"):
        (tmp_path / name).write_text("", encoding="utf-8")
    (tmp_path / ".gitignore").write_text("ignored.py\n", encoding="utf-8")
    assert [path.name for path in repository.files("*.py", root=tmp_path)] == ["new.py"]


def test_findings_decide_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert repository.report([], checked=3, what="words") == 0
    assert repository.report(["a: b"], checked=3, what="words") == 1
    assert "a: b" in capsys.readouterr().out


def _role(tmp_path: Path) -> role_docs.Role:
    option = role_docs.Option("web_port", "int", required=False, default="`80`", meaning="A | b.")
    return role_docs.Role("web", tmp_path, "Serves", (option,), ("web",))


def test_the_table_goes_between_the_markers_and_nothing_else_changes(tmp_path: Path) -> None:
    text = f"# web\n\n{role_docs.BEGIN}\nold\n{role_docs.END}\n\nMore.\n"
    written = role_docs.readme(_role(tmp_path), text)
    assert "old" not in written
    assert "| `web_port` | int | `80` | A \\| b. |" in written
    assert written.startswith("# web\n")
    assert written.endswith("\n\nMore.\n")
    assert role_docs.readme(_role(tmp_path), written) == written


def test_a_readme_without_markers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"roles/web/README\.md"):
        role_docs.readme(_role(tmp_path), "# web\n")


def test_roles_are_read_with_inner_options_and_tags(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True, timeout=30)  # noqa: S607
    role = tmp_path / "ansible" / "roles" / "web"
    for folder in ("meta", "tasks"):
        (role / folder).mkdir(parents=True)
    (role / "meta" / "argument_specs.yml").write_text(
        "argument_specs:\n  main:\n    short_description: Serves.\n    options:\n"
        "      web_sites:\n        type: list\n        elements: dict\n        default: []\n"
        "        description: [What, it serves.]\n        options:\n"
        "          name: {type: str, required: true, description: Its name.}\n",
        encoding="utf-8",
    )
    (role / "tasks" / "main.yml").write_text(
        "- {name: A, tags: [web, web_a]}\n- {name: B, tags: web}\n", encoding="utf-8"
    )
    (found,) = role_docs.roles(tmp_path)
    assert [option.name for option in found.options] == ["web_sites", "web_sites.name"]
    assert [option.default for option in found.options] == ["`[]`", "required"]
    assert found.options[0].meaning == "What it serves."
    assert found.tags == ("web", "web_a")
    page = role_docs.roles_page([found])
    assert "| Serves | 1 | `web`, `web_a` |" in page
