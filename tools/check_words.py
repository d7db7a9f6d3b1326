"""Finds what must not stand in a tracked file.

That is: hooks that cannot fail, versions that float, addresses of package registries, paths of one
machine, and unfinished work.

Exceptions stand in .config/word-exceptions.txt, one per line: `<path> <rule> <reason>`.
An exception that nothing needs any more is a finding as well.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools import repository

EXCEPTIONS = repository.ROOT / ".config" / "word-exceptions.txt"
GENERATED = (".sum", ".mod")  # Go's own files: their addresses are module names


@dataclass(frozen=True)
class Rule:
    """A pattern, and what to do instead."""

    name: str
    pattern: re.Pattern[str]
    instead: str


# Written in pieces, so that this file does not find itself.
_HOSTS = (
    "pypi", "files.pythonhosted", "registry.npmjs", "registry.yarnpkg", "registry.terraform",
    "proxy.golang", "sum.golang", "galaxy.ansible", "registry-1.docker", "index.docker", "ghcr",
    "quay", "deb.debian", "crates", "rubygems",
)  # fmt: skip
_TOP_LEVEL = "(?:org|com|io)"

RULES = (
    Rule(
        "cannot-fail",
        re.compile(r"\|\|\s*(?:true|:)(?:\s|$|['\"])"),
        "let it fail, or handle the failure you expect by name",
    ),
    Rule(
        "floating-version",
        # A bare `:latest` is no finding: it is Ollama's name for "no tag given".
        re.compile(
            r"\b(?:image|FROM|docker|podman)\b.*:"
            r"latest\b|@"
            r"latest\b"
            r"|\bstate:\s*['\"]?latest\b|version['\"]?\s*[:=]\s*['\"]?latest\b"
        ),
        "name a version",
    ),
    Rule(
        "registry-host",
        re.compile(rf"\b(?:{'|'.join(re.escape(host) for host in _HOSTS)})\.{_TOP_LEVEL}\b"),
        "leave it to the machine's own package configuration",
    ),
    Rule(
        "machine-path",
        re.compile(r"(?<![\w.}>~-])/(?:(?:home|Users|work)/\w|root/(?!\.ssh\b)\w)"),
        "derive the path, or use an example under /srv",
    ),
    Rule(
        "unfinished",
        re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|NotImplemented" r"Error)\b"),
        "finish it or leave it out",
    ),
)


@dataclass(frozen=True)
class Hit:
    """One place where a rule's pattern was found."""

    path: str
    line: int
    rule: Rule
    text: str


def hits_in(path: str, text: str) -> Iterator[Hit]:
    """Look through one file."""
    for number, line in enumerate(text.splitlines(), start=1):
        for rule in RULES:
            found = rule.pattern.search(line)
            if found is not None:
                yield Hit(path, number, rule, found.group().strip())


def findings(hits: list[Hit], waived: list[repository.Waiver]) -> Iterator[str]:
    """Return what no exception covers, and the exceptions that cover nothing."""
    allowed = {(waiver.path, waiver.rule) for waiver in waived}
    for hit in hits:
        if (hit.path, hit.rule.name) not in allowed:
            yield f"{hit.path}:{hit.line}: {hit.rule.name}: {hit.text!r}; {hit.rule.instead}"
    for path, name in sorted(allowed - {(hit.path, hit.rule.name) for hit in hits}):
        yield f"{path}: the exception {name} in {EXCEPTIONS.name} is not needed any more, remove it"


def main(root: Path = repository.ROOT) -> int:
    """Check the checkout; exit code 1 if a rule is broken."""
    hits: list[Hit] = []
    checked = 0
    for file in repository.files(root=root):
        text = None if file.suffix in GENERATED else repository.text_of(file)
        if text is None or file == EXCEPTIONS:
            continue
        checked += 1
        hits += hits_in(file.relative_to(root).as_posix(), text)
    return repository.report(
        findings(hits, repository.waivers(EXCEPTIONS)), checked=checked, what="words"
    )


if __name__ == "__main__":
    sys.exit(main())
