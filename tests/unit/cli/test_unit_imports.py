"""What a unit does not load, because each of them would pay for it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from heyken_glue import errors
from heyken_glue.cli import local
try:
    local.unit("health")
except errors.ConfigError:
    pass
assert "structlog" in sys.modules
assert not [name for name in sys.modules if name.startswith("rich.")]
"""


def test_a_unit_does_without_what_is_for_terminals() -> None:
    done = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
