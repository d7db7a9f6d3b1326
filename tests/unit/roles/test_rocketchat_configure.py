"""Role rocketchat, configuring for real: what is backed up before another image takes over.

The tasks run in a mount namespace where /etc/heyken and /usr/local/sbin are empty, against an
engine that only writes down how it is called.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
DECLARED, FORMER = "heyken/rocketchat:2", "heyken/rocketchat:1"
# What the engine says of the container named rocketchat: its image, or that there is none.
ENGINE = """#!/bin/sh
echo "docker $*" >>"$CALLS"
[ "$1 $2" != "container inspect" ] || [ -n "$RUNS" ] || exit 1
[ "$1 $2" != "container inspect" ] || echo "$RUNS"
"""
INSIDE = """
set -eu
for place in /etc/heyken /usr/local/sbin; do
  mkdir -p "$place"
  mount -t tmpfs none "$place"
done
mkdir -p /etc/heyken/rocketchat
if [ -n "$PROGRAM" ]; then
  printf '#!/bin/sh\\necho former backup, %s >>"$CALLS"\\n' '$(ls /etc/heyken/rocketchat)' \\
    >/usr/local/sbin/heyken-backup-rocketchat
  chmod 755 /usr/local/sbin/heyken-backup-rocketchat
fi
exec "$@"
"""


def _prepare(place: Path) -> None:
    """Write the engine that only listens, and the play."""
    (place / "bin").mkdir()
    (place / "bin" / "docker").write_text(ENGINE)
    (place / "bin" / "docker").chmod(0o755)
    variables = {
        "ansible_python_interpreter": sys.executable,
        "rocketchat_image": DECLARED,
        "rocketchat_version": "8.8.1",
        "rocketchat_root_url": "https://192.0.2.14:3100",
        "rocketchat_stand_in_enabled": True,
        "rocketchat_backup_directory": str(place / "backups"),
        "rocketchat_admin_email": "admin@example.com",
        "rocketchat_admin_password": "a-secret",
    }
    role = {"ansible.builtin.import_role": {"name": "rocketchat", "tasks_from": "configure"}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    (place / "play.yml").write_text(yaml.dump([{**play, "vars": variables, "tasks": [role]}]))


def configure(place: Path, *, runs: str, program: bool) -> tuple[list[str], list[Path]]:
    """Run the role's configure.yml; return the calls of engine and backup, and the backups."""
    _prepare(place)
    calls = place / "calls"
    calls.touch()
    done = subprocess.run(  # noqa: S603 - our own tasks
        [
            *("/usr/bin/unshare", "--map-root-user", "--mount", "/bin/sh", "-c", INSIDE, "inside"),
            str(Path(sys.executable).with_name("ansible-playbook")),
            str(place / "play.yml"),
        ],
        env={
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_INVENTORY": "/dev/null",  # not the lab that may be deployed from here
            "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
            "HOME": str(place),
            "LC_ALL": "C.UTF-8",
            "CALLS": str(calls),
            "RUNS": runs,
            "PROGRAM": "yes" if program else "",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return calls.read_text().splitlines(), sorted((place / "backups").glob("*"))


def test_a_container_found_on_old_data_is_started_and_backed_up_first(tmp_path: Path) -> None:
    calls, backups = configure(tmp_path, runs=FORMER, program=False)
    started = calls.index("docker start rocketchat")
    assert calls[started + 1].startswith("docker exec --interactive rocketchat")
    (backup,) = backups
    assert {path.name for path in backup.iterdir()} == {
        "compose.yml",
        "environment",
        "stand-in.tar",
    }


def test_the_former_program_backs_up_before_its_files_are_replaced(tmp_path: Path) -> None:
    calls, _ = configure(tmp_path, runs=FORMER, program=True)
    assert "former backup," in calls  # the folder was empty still
    assert "docker start rocketchat" not in calls


@pytest.mark.parametrize("runs", [DECLARED, ""])
def test_nothing_is_backed_up_where_no_other_image_takes_over(tmp_path: Path, runs: str) -> None:
    calls, backups = configure(tmp_path, runs=runs, program=False)
    assert not [call for call in calls if call.startswith(("docker start", "docker exec"))]
    assert backups == []
