"""The deployed pair as a measurement sees it."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable
from typing import Any

import requests

from lab.faults import Host
from lab.problem import Problem
from lab.settings import Lab
from tools.client_file import PORT
from tools.deploy import heyken

WHOLE_SECONDS = 180.0
SWITCH_SECONDS = 25.0
TAKEN = (
    "journalctl --unit keepalived --since @{:.3f} --output cat --no-pager"
    " | grep 'Entering MASTER STATE' | wc -l"
)


class Pair:
    """Both cores of one lab, to be broken and mended."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.vip = (lab.vip, PORT)
        self.cores = {name: Host(lab.name, name) for name in ("core1", "core2")}

    def status(self) -> dict[str, Any]:
        """Return what `heyken status --json` says."""
        return heyken(self.lab, "status", "--json")

    def ask(self, question: str) -> dict[str, Any]:
        """Ask as a person does in a terminal, and return the answer; Problem with the reason."""
        return heyken(self.lab, "ask", question, "--json")

    def holder(self) -> str:
        """Return the name of the core that holds the address."""
        return str(self.status()["holder"])

    def other(self, name: str) -> str:
        """Return the name of the other core."""
        return next(core for core in self.cores if core != name)

    @property
    def token(self) -> str:
        """What an operator's program shows at the API."""
        return str(tomllib.loads(self.lab.client_file.read_text())["token"])

    def switch(self, core: str, **more: str) -> requests.Response:
        """Ask for a planned move to a core, within the cool-down too; return what is said."""
        host, port = self.vip
        return requests.post(
            f"https://{host}:{port}/switch_core",
            json={"core_id": int(core[-1]), "force": True, **more},
            headers={"Authorization": f"Bearer {self.token}"},
            verify=str(self.lab.state / "ca.crt"),
            timeout=SWITCH_SECONDS,
        )

    def moves_since(self, moment: float) -> int:
        """Count how often the address was taken over since `moment` (seconds since 1970)."""
        return sum(int(core.run(TAKEN.format(moment))) for core in self.cores.values())

    def forget_falls(self, name: str) -> None:
        """Have a core's health forget its falls, for it stays away longer after each of them."""
        self.cores[name].run("systemctl restart heyken@health")

    def wait_both(self) -> None:
        """Wait until both cores can answer, whatever else is still on its way."""

        def both() -> bool:
            cores = self.status()["cores"].values()
            return all(core["status"] == "healthy" for core in cores)

        until(both, "both cores can answer", WHOLE_SECONDS)

    def is_whole(self) -> bool:
        """Tell whether both cores are well and nothing is still on its way."""
        return self.status()["whole"] is True

    def wait_whole(self) -> None:
        """Wait until both cores are healthy."""
        until(self.is_whole, "both cores healthy", WHOLE_SECONDS)


def until(condition: Callable[[], bool], what: str, seconds: float, *, every: float = 0.2) -> float:
    """Wait for a condition; return how long it took, in seconds."""
    begun = time.monotonic()
    why = "it was never true"
    while time.monotonic() - begun < seconds:
        try:
            if condition():
                return time.monotonic() - begun
        except Problem as problem:
            why = str(problem)
        time.sleep(every)
    raise Problem(f"not within {seconds:.0f} s: {what}", why=why, todo="make status")
