"""The probe of role preflight, run on this machine: it reads only."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.templates.conftest import ROLES, declared_options

PROBE = ROLES / "preflight" / "files" / "probe.py"


def test_probe_reports_what_the_role_judges() -> None:
    done = subprocess.run(  # noqa: S603 - a program of this repository
        [sys.executable, str(PROBE), "/var/lib/not-there-yet"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    judged = (ROLES / "preflight" / "tasks" / "validate.yml").read_text()
    unused = [key for key in found if f".{key}" not in judged]
    assert not unused, f"looked at and not judged: {unused}"
    assert found["memory_mib"] > 0
    assert found["disk_free_mib"] > 0
    assert found["vip_stranger"] == "", "no VIP was asked for"
    assert "preflight_vip_address" in declared_options("preflight")
