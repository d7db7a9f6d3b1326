"""Runs one of the repository's playbooks against one inventory, as a person would."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lab import shell
from lab.problem import Problem

REPOSITORY = Path(__file__).resolve().parent.parent
KEEP_LOGS = 20
# Ansible gives its workers 10 s when it is interrupted, then terminates them.
STEPS = ((signal.SIGINT, 15.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))


def run(
    playbook: str, *, inventory: Path, state: Path, options: Sequence[str] = (), seconds: int = 1500
) -> None:
    """Run `ansible/playbooks/<playbook>`; its output goes to the terminal and to a log in `state`.

    Raises Problem when it fails, with the log's path.
    """
    logs = state / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in sorted(logs.glob("*.log"))[:-KEEP_LOGS]:
        old.unlink()
    log = logs / f"{time.strftime('%Y%m%d-%H%M%S')}-{Path(playbook).stem}.log"
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "--inventory",
        str(inventory),
        str(REPOSITORY / "ansible" / "playbooks" / playbook),
        *options,
    ]
    # A session of its own: an interrupt reaches it once, from here, and not from the terminal too,
    # because at a second one it drops its workers instead of ending them.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        cwd=REPOSITORY,
        env=environment(inventory.name, log),
        start_new_session=True,
    )
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired as error:
        shell.end(process, STEPS)
        why, todo = f"no end after {seconds} s", f"see {log}, then run make deploy again"
        raise Problem(f"{playbook} was ended", why=why, todo=todo) from error
    except BaseException:
        shell.end(process, STEPS)
        raise
    if code != 0:
        raise Problem(
            f"{playbook} failed ({code})",
            why="the failed task is shown above",
            todo=f"mend its cause and run make deploy again; the whole output: {log}",
        )


def environment(lab: str, log: Path) -> dict[str, str]:
    """Return the variables a playbook runs with; Mitogen makes it faster where it is installed."""
    own = {
        "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        "ANSIBLE_LOG_PATH": str(log),
        "HEYKEN_LAB": lab,
    }
    found = importlib.util.find_spec("ansible_mitogen")
    if found and found.origin and os.environ.get("HEYKEN_MITOGEN") != "no":
        plugins = Path(found.origin).parent / "plugins" / "strategy"
        own |= {"ANSIBLE_STRATEGY_PLUGINS": str(plugins), "ANSIBLE_STRATEGY": "mitogen_linear"}
        own["ANSIBLE_DEPRECATION_WARNINGS"] = "False"  # of strategies; linting finds the others
    return {**os.environ, **own}
