"""Hosts of a lab, to be killed, frozen and looked into."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from docker.models.containers import Container

from lab import containers, engine, shell
from lab.problem import Problem

RUN_SECONDS = 180.0
PERIOD_MICROSECONDS = 100_000


class Host:
    """One host of a lab, seen through the engine and never through its own network."""

    def __init__(self, lab: str, name: str) -> None:
        self.lab, self.name = lab, name
        self._container: Container = engine.require().containers.get(f"heyken-{lab}-{name}")

    @property
    def address(self) -> str:
        """Its address in the network of the hosts."""
        found = containers.address(self._container)
        if not found:
            raise self._problem("has no address", "it does not run", "make start")
        return found

    @property
    def network(self) -> tuple[str, ...]:
        """The command that runs a program of this machine as if it had the host's network."""
        self._container.reload()
        return ("nsenter", "--net", "--target", str(self._container.attrs["State"]["Pid"]))

    @property
    def link_address(self) -> str:
        """The link address of that interface; it outlives a restart."""
        for name, network in self._container.attrs["NetworkSettings"]["Networks"].items():
            if name.endswith("-system") and network["MacAddress"]:
                return str(network["MacAddress"])
        raise self._problem("has no link address", "it does not run", "make start")

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

    def slow_down(self, processors: float | None) -> None:
        """Let the host use so much of a processor at most; None takes the limit away."""
        quota = -1 if processors is None else int(processors * PERIOD_MICROSECONDS)
        self._container.update(cpu_period=PERIOD_MICROSECONDS, cpu_quota=quota)

    def running(self) -> bool:
        """Whether the host runs; a frozen one does not."""
        self._container.reload()
        return bool(self._container.status == "running")

    def run(self, command: str) -> str:
        """Run a shell command as root on the host and return its output; Problem if it fails.

        It goes through the engine's own program: the library loses the beginning of an output that
        comes together with the engine's answer, as happens on a busy machine.
        """
        words = ["docker", "--host", engine.URL, "exec", str(self._container.name)]
        return shell.run(
            [*words, "sh", "-c", command],
            timeout_seconds=RUN_SECONDS,
            what=f"{self.name} failed: {command}",
            todo=f"look at the host: docker exec -it {self._container.name} bash",
        )

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

    def _problem(self, what: str, why: str, todo: str) -> Problem:
        return Problem(f"{self.name} {what}", why=why, todo=todo)


@contextlib.contextmanager
def killed(host: Host) -> Iterator[None]:
    """Pull the plug, and put it back at the end."""
    host.kill()
    try:
        yield
    finally:
        host.start()


@contextlib.contextmanager
def frozen(host: Host) -> Iterator[None]:
    """Freeze the host, and let it go on at the end."""
    host.pause()
    try:
        yield
    finally:
        host.unpause()


@contextlib.contextmanager
def slow(host: Host, processors: float) -> Iterator[None]:
    """Leave the host a part of a processor, as a machine that is shared with others does."""
    host.slow_down(processors)
    try:
        yield
    finally:
        host.slow_down(None)
