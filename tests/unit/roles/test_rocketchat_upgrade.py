"""Role rocketchat, judging the version for real: against a server that says little, and a record.

The tasks run in a mount namespace where /etc/heyken is ours.
"""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
INSIDE = """
set -eu
mkdir -p /etc/heyken
mount -t tmpfs none /etc/heyken
mkdir /etc/heyken/rocketchat
[ -z "$RECORD" ] || echo "$RECORD" >/etc/heyken/rocketchat/version
exec "$@"
"""


@contextmanager
def server(version: str) -> Iterator[int]:
    """Answer every request as /api/info does, or, without a version, listen nowhere."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"version": version, "success": True}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as listening:
        port = listening.server_port
        if not version:
            listening.server_close()
            yield port
            return
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield port
        listening.shutdown()


def judge(place: Path, wanted: str, *, runs: str, record: str) -> subprocess.CompletedProcess[str]:
    """Run the role's validate.yml for a version, with one that runs and one on record."""
    role = {"ansible.builtin.import_role": {"name": "rocketchat", "tasks_from": "validate"}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [role]}
    with server(runs) as port:
        variables = {
            "ansible_python_interpreter": sys.executable,
            "rocketchat_image": "heyken/rocketchat:1",
            "rocketchat_version": wanted,
            "rocketchat_root_url": "https://192.0.2.14:3100",
            "rocketchat_environment": "lab",
            "rocketchat_stand_in_enabled": True,
            "rocketchat_admin_email": "admin@example.com",
            "rocketchat_admin_password": "a-secret",
            "rocketchat_port": port,
        }
        (place / "play.yml").write_text(yaml.dump([{**play, "vars": variables}]))
        return subprocess.run(  # noqa: S603 - our own tasks
            [
                *("/usr/bin/unshare", "--map-root-user", "--mount", "/bin/sh", "-c", INSIDE),
                "inside",
                str(Path(sys.executable).with_name("ansible-playbook")),
                str(place / "play.yml"),
            ],
            env={
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_INVENTORY": "/dev/null",  # not the lab that may be deployed from here
                "PATH": os.environ["PATH"],
                "HOME": str(place),
                "LC_ALL": "C.UTF-8",
                "RECORD": record,
            },
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "runs", "record"),
    [
        ("8.8.1", "8.8", "8.8.1"),
        ("8.8.10", "8.8", "8.8.9"),
        ("8.8.1", "", "8.8.0"),
        ("8.8.1", "", ""),
    ],
)
def test_the_same_and_a_newer_version_follow(
    tmp_path: Path, wanted: str, runs: str, record: str
) -> None:
    done = judge(tmp_path, wanted, runs=runs, record=record)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("wanted", "runs", "record", "before"),
    [
        ("8.8.0", "8.8", "8.8.1", "8.8.1"),
        ("8.8.0", "", "8.8.1", "8.8.1"),
        ("8.7.9", "8.8", "8.7.9", "8.8"),
        ("8.8.9", "", "8.8.10", "8.8.10"),
    ],
)
def test_going_back_is_refused_whatever_the_server_tells(
    tmp_path: Path, wanted: str, runs: str, record: str, before: str
) -> None:
    done = judge(tmp_path, wanted, runs=runs, record=record)
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert f"rocketchat_version is {wanted}, and {before} ran before" in said, said
