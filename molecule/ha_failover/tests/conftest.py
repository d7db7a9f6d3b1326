"""Each test finds a whole pair, and leaves one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.pair import Pair, healthy


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Both cores healthy before the test, and healthy again after it."""
    pair = Pair()
    healthy(pair)
    yield pair
    for host in pair.hosts.values():
        host.start()
    healthy(pair)


def pytest_report_header() -> str:
    """Say which lab is broken."""
    return f"lab: {os.environ.get('HEYKEN_LAB')}"
