"""What a unit does not load, because each of them would pay for it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from heyken_glue import cli
assert cli.main(["unit", "health"]) == 78  # it has no credentials here
assert "structlog" in sys.modules
loaded = {name.split(".")[0] for name, module in sys.modules.items() if module is not None}
assert not loaded & {"rich", "typer"}, loaded
"""


def test_a_unit_does_without_what_is_for_terminals() -> None:
    done = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
