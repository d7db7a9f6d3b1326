"""What the checks look at: the files of this checkout that are, or are about to be, tracked."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GIT_SECONDS = 30


def files(*patterns: str, root: Path = ROOT) -> list[Path]:
    """Return the files that match git's pathspecs, tracked or new, never ignored ones.

    With `**` in a pattern use git's own form, for example `:(glob)ansible/roles/*/tasks/**/*.yml`.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
        timeout=GIT_SECONDS,
    ).stdout
    found = {root / name for name in listed.split("\0") if name}
    return sorted(path for path in found if path.is_file())


def text_of(path: Path) -> str | None:
    """Return the text of a file, or None if it is binary."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


@dataclass(frozen=True)
class Waiver:
    """One line of an exceptions file: what is waived where, and the reason."""

    path: str
    rule: str
    reason: str


def waivers(file: Path) -> list[Waiver]:
    """Read an exceptions file: `<path> <rule> <reason>` per line, `#` starts a comment.

    Raises ValueError naming the line if a reason is missing.
    """
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split(maxsplit=2)
        if len(fields) < len(Waiver.__annotations__):
            raise ValueError(f"{file}:{number}: write <path> <rule> <reason>, the reason included")
        found.append(Waiver(*fields))
    return found


def report(findings: Iterable[str], *, checked: int, what: str) -> int:
    """Print the findings, one per line, and return the exit code: 1 if there is one, else 0."""
    listed = list(findings)
    for finding in listed:
        print(finding)
    print(f"{what}: {len(listed)} findings in {checked} files")
    return 1 if listed else 0
