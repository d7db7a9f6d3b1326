"""Shared by all scenarios: a failed test about a unit prints that unit's journal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

JOURNAL_LINES = 30


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the journal of the unit that a failed test was about."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined] - pluggy's result
    arguments: dict[str, Any] = getattr(item, "funcargs", {})
    unit, host = arguments.get("unit"), arguments.get("host")
    if report.when == "call" and report.failed and unit and host:
        command = f"journalctl --no-pager -n {JOURNAL_LINES} -u {unit}"
        report.sections.append((f"journal of {unit}", host.run(command).stdout))
