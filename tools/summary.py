"""The table at the end of a deployment: addresses, versions, who is active, where things lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Component:
    """One part of the deployment; origin is official release, built from source, stand-in, …"""

    name: str
    version: str
    origin: str


@dataclass(frozen=True)
class Summary:
    """Everything the table says. `seconds` are the phases' times, `answer` the proof,
    `command` what a person types to reach this deployment.
    """

    name: str
    addresses: Mapping[str, str]
    components: Sequence[Component]
    status: Mapping[str, Any]
    answer: Mapping[str, Any]
    state: Path
    client_file: Path
    command: str
    seconds: Mapping[str, float]
    remarks: Sequence[str]


def show(summary: Summary, console: Console) -> None:
    """Print the summary; wide values wrap, so that nothing is cut off."""
    table = Table(title=f"Heyken · {summary.name}", show_header=False, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, rows in _sections(summary):
        table.add_section()
        for number, row in enumerate(rows):
            table.add_row(label if number == 0 else "", row)
    console.print(table)
    # Below the table, where nothing wraps: these are there to be copied.
    console.print("Try it:")
    for command in _commands(summary):
        console.print(f"  {command}", markup=False, soft_wrap=True)


def _sections(summary: Summary) -> list[tuple[str, list[str]]]:
    status = summary.status
    parts = summary.components
    width = max(len(one.name) for one in parts)
    return [
        ("Addresses", [f"{name}: {value}" for name, value in summary.addresses.items()]),
        ("Active", [f"{status.get('holder')} ({status.get('cause')}: {status.get('reason')})"]),
        (
            "Components",
            [
                f"{one.name:<{width}} {one.version}  [dim]{one.origin}[/]"
                for one in summary.components
            ],
        ),
        (
            "Proof",
            [
                f"asked: {summary.answer['question']}",
                f"core {summary.answer['core']} answered: {summary.answer['response']}",
            ],
        ),
        (
            "Secrets",
            [
                f"{summary.state}/vault.yml, opened by vault.key beside it",
                f"client file with the operator's token: {summary.client_file}",
                *_passwords(summary),
            ],
        ),
        ("Trust the CA", [f"{summary.state}/ca.crt: a browser imports it as an authority"]),
        ("Notes", list(summary.remarks)),
        ("Times", [_times(summary.seconds)]),
    ]


def _passwords(summary: Summary) -> list[str]:
    if "Rocket.Chat" not in summary.addresses:
        return []
    return [f"passwords for Rocket.Chat: {summary.state}/rocketchat.passwords"]


def _commands(summary: Summary) -> list[str]:
    # The token stands in curl.conf: on a command line every user of the machine could read it.
    body = '{"message": "hello"}'
    curl = f"curl --config {summary.state}/curl.conf --json '{body}'"
    return [
        f'{summary.command} ask "{summary.answer["question"]}"',
        f"{curl} {summary.addresses['Chat API']}/api/v1/chat",
    ]


def _times(seconds: Mapping[str, float]) -> str:
    parts = [f"{name} {value:.1f} s" for name, value in seconds.items() if value >= 0.1]  # noqa: PLR2004 - shorter phases say nothing
    return " · ".join([*parts, f"[bold]together {sum(seconds.values()):.1f} s[/]"])
