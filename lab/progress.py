"""What a person sees while long work goes on: phases, their times, and an honest estimate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich import progress
from rich.console import Console
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

LOG_WIDTH = 120


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=LOG_WIDTH)


@dataclass
class Progress:
    """Prints one line when a phase begins and one when it ends; keeps the times for the summary.

    On a terminal a spinner turns in between; in a log each phase is two plain lines.
    """

    console: Console = field(default_factory=_console)
    seconds: dict[str, float] = field(default_factory=dict)
    current: str = "start"

    @contextmanager
    def phase(self, name: str, *, estimate: str = "") -> Iterator[None]:
        """Time one phase; `estimate` says beforehand how long it is expected to take."""
        self.current = name
        begun = time.monotonic()
        hint = f" [dim]({estimate})[/]" if estimate else ""
        if self.console.is_terminal:
            columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
            with progress.Progress(*columns, console=self.console, transient=True) as bar:
                bar.add_task(f"{name}{hint}", total=None)
                yield
        else:
            self.console.print(f"· {name}{hint}", soft_wrap=True)
            yield
        self.seconds[name] = time.monotonic() - begun
        self.console.print(f"[green]✓[/] {name} [dim]{self.seconds[name]:.1f} s[/]")

    def say(self, text: str) -> None:
        """Print one indented remark, for instance what is about to be installed."""
        self.console.print(f"  {text}", soft_wrap=True)
