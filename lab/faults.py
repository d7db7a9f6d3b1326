"""Faults that only a lab can do: killing hosts, freezing programs, swapping models.

Each function breaks one thing on one host of one lab, or mends it; nothing is left to chance.
"""

from __future__ import annotations

from docker.models.containers import Container

from lab import engine
from lab.problem import Problem

_LOSS = "heyken_fault_loss"


class Host:
    """One host of a lab, seen through the engine and never through its own network."""

    def __init__(self, lab: str, name: str) -> None:
        self.name = name
        self._container: Container = engine.require().containers.get(f"heyken-{lab}-{name}")

    def kill(self) -> None:
        """Pull the plug: every process of the host is gone at once."""
        self._container.kill("SIGKILL")

    def start(self) -> None:
        """Put the plug back; a host that runs already stays as it is."""
        self._container.start()

    def pause(self) -> None:
        """Freeze the host as it stands."""
        self._container.pause()

    def unpause(self) -> None:
        """Let a frozen host go on."""
        self._container.unpause()

    def running(self) -> bool:
        """Whether the host runs."""
        self._container.reload()
        return bool(self._container.status == "running")

    def run(self, command: str) -> str:
        """Run a shell command as root on the host and return its output; Problem if it fails."""
        code, out = self._container.exec_run(["sh", "-c", command])
        text: str = out.decode(errors="replace")
        if code != 0:
            raise Problem(
                f"{self.name}: {command} failed ({code})",
                why=text.strip(),
                todo="look at the host: docker exec -it",
            )
        return text

    def freeze_unit(self, unit: str) -> None:
        """Stop every process of a unit where it stands (SIGSTOP), as a hang does."""
        self.run(f"systemctl kill --signal=SIGSTOP {unit}")

    def thaw_unit(self, unit: str) -> None:
        """Let them go on."""
        self.run(f"systemctl kill --signal=SIGCONT {unit}")

    def stop_unit(self, unit: str) -> None:
        """Stop a unit as an operator would."""
        self.run(f"systemctl stop {unit}")

    def start_unit(self, unit: str) -> None:
        """Start a unit."""
        self.run(f"systemctl start {unit}")

    def lose_packets(self, percent: int) -> None:
        """Drop that many of the packets that reach the host, by chance and of every kind."""
        self.lose_nothing()
        rule = f"iif != lo numgen random mod 100 < {percent} drop"
        self.run(
            f"nft add table ip {_LOSS} && "
            f"nft 'add chain ip {_LOSS} in {{ type filter hook prerouting priority -400; }}' && "
            f"nft 'add rule ip {_LOSS} in {rule}'"
        )

    def lose_nothing(self) -> None:
        """Let every packet in again."""
        self.run(f"nft 'add table ip {_LOSS}; delete table ip {_LOSS}'")
