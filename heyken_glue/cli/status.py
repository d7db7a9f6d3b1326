"""`heyken status`: who answers, since when and why, and how each core is."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Mapping
from typing import Any

from heyken_glue.cli.api import Api, Door
from heyken_glue.cli.client import ClientFile
from heyken_glue.cli.output import EXIT_OK, EXIT_REFUSED, Console
from heyken_glue.texts import Text, mark
from heyken_glue.texts import text as _

TIMEOUT_SECONDS = 4.0
CAUSES = {
    "deploy": mark("deployment"),
    "start": mark("start of the hosts"),
    "planned": mark("planned switch"),
    "failover": mark("failover"),
    "unknown": mark("unknown cause"),
}
STATES = {
    "online": mark("online"),
    "degraded": mark("degraded"),
    "offline": mark("offline"),
    "healthy": mark("healthy"),
    "unhealthy": mark("unhealthy"),
    "error": mark("error"),
    "unknown": mark("unknown"),
}
# what the other kinds of proof are called is what one types: heyken drill core
PROOFS = {"deploy": mark("deploy")}
COLOURS = {"online": "green", "healthy": "green", "degraded": "yellow", "unknown": "yellow"}


def status(console: Console, client_file: ClientFile) -> int:
    """Fetch the status and print it; exit code 1 when nobody answers questions."""
    door, body = asyncio.run(fetch(console, client_file))
    if console.as_json:
        console.json({**body, "asked": door.name})
    elif console.pretty:
        _print_pretty(console, door, body)
    else:
        for line in plain_lines(console, door, body):
            console.say(line)
    return EXIT_REFUSED if body.get("status") == "offline" else EXIT_OK


async def fetch(console: Console, client_file: ClientFile) -> tuple[Door, dict[str, Any]]:
    """Return the status as the first door that answers tells it."""
    async with Api(client_file, language=console.language) as api:

        async def call(door: Door) -> dict[str, Any]:
            return await api.call_json(door, "GET", "/status", timeout_seconds=TIMEOUT_SECONDS)

        return await api.at_some_door(call)


def plain_lines(console: Console, door: Door, body: Mapping[str, Any]) -> list[str]:
    """Return the status as lines of text without decoration."""
    lines = [console.render(line) for line in _headlines(console, body, now=time.time())]
    lines += [" · ".join(cell for cell in row if cell) for row in _rows(console, body)]
    return lines + [console.render(line) for line in _remarks(door, body)]


def _headlines(console: Console, body: Mapping[str, Any], *, now: float) -> list[Text | str]:
    deployment = body.get("deployment") or {}
    lines: list[Text | str] = [
        _(
            "{name}: {state}",
            name=deployment.get("name", "?"),
            state=_word(console, STATES, body.get("status")),
        )
    ]
    if body.get("holder") and body.get("since"):
        lines.append(
            _(
                "Active: {holder}, since {time} ({duration})",
                holder=body["holder"],
                time=local_time(float(body["since"])),
                duration=duration(now - float(body["since"])),
            )
        )
        cause = _word(console, CAUSES, body.get("cause"))
        lines.append(_("Why: {cause}. {reason}", cause=cause, reason=body.get("reason") or ""))
    else:
        lines.append(_("Active: nobody holds the address {vip}", vip=body.get("vip", "?")))
    if _parity(body).get("percent") is not None:
        lines.append(_("The cores are {percent} % alike", percent=_parity(body)["percent"]))
    lines += _proven(body)
    return lines


def _proven(body: Mapping[str, Any]) -> list[Text | str]:
    """Say what proved last that all is well, and how long ago."""
    proof = body.get("proof") or {}
    if not proof.get("passed") or proof.get("age_seconds") is None:
        return []
    remembered = _(" (from memory: the history cannot be read now)")
    return [
        _(
            "Proven: by {kind}, {duration} ago{remembered}",
            kind=Text(PROOFS.get(str(proof["kind"]), str(proof["kind"]))),
            duration=duration(float(proof["age_seconds"])),
            remembered=remembered if proof.get("remembered") else "",
        )
    ]


def _rows(console: Console, body: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    rows = []
    for number, core in sorted((body.get("cores") or {}).items()):
        last = core.get("last_check")
        rows.append(
            (
                str(core.get("name", number)),
                _word(console, STATES, core.get("status")),
                str(core.get("vrrp", "")),
                " ".join(
                    part
                    for part in (
                        str(core.get("sentence") or ""),
                        _answers(console, core.get("answers")),
                        _looked(console, last),
                    )
                    if part
                ),
            )
        )
    return rows


def _answers(console: Console, count: object) -> str:
    """Say how much a core has under way: one that has handed over still finishes what it began."""
    if not isinstance(count, int) or not count:
        return ""
    return console.render(_("(answers in the making: {count})", count=count))


def _looked(console: Console, last: object) -> str:
    if not isinstance(last, int | float) or not last:
        return ""
    return console.render(_("(seen {time})", time=local_time(float(last))[-8:]))


def _remarks(door: Door, body: Mapping[str, Any]) -> list[Text | str]:
    remarks: list[Text | str] = []
    if door.name != "vip":
        remarks.append(_("The VIP is silent; {core} told this.", core=door.name))
    if not (body.get("witness") or {}).get("reachable", True):
        remarks.append(_("The witness is not reachable: no epoch can be given out."))
    effects = body.get("effects") or {}
    if effects.get("allowed") is False:
        remarks.append(_("Only answers are given, nothing else is done: {reason}",
                         reason=effects.get("reason") or "?"))  # fmt: skip
    if _parity(body).get("differences"):
        remarks.append(
            _("The cores differ; while a deployment runs, one is ahead of the other for a moment.")
        )
    if unproven := (body.get("proof") or {}).get("reason"):
        remarks.append(_("Not proven: {reason}", reason=unproven))
    remarks += [f"{difference}." for difference in _parity(body).get("differences") or ()]
    chat = body.get("rocketchat") or {}
    if chat.get("part") and not body.get("rocketchat_connected"):
        remarks.append(_("Rocket.Chat is not reached: {reason}", reason=chat.get("reason") or "?"))
    elif chat.get("reason"):
        remarks.append(_("Rocket.Chat is reached, but: {reason}", reason=chat["reason"]))
    stand_ins = (body.get("deployment") or {}).get("stand_ins")
    if stand_ins:
        remarks.append(_("Stand-ins run instead of: {products}", products=", ".join(stand_ins)))
    if body.get("dropped_events"):
        remarks.append(_("Events dropped because the spool was full: {count}",
                         count=body["dropped_events"]))  # fmt: skip
    return remarks


def _parity(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return body.get("parity") or {}


def _print_pretty(console: Console, door: Door, body: Mapping[str, Any]) -> None:
    from rich import box, table, text  # noqa: PLC0415
    from rich import console as rich_console  # noqa: PLC0415

    out = rich_console.Console(highlight=False)
    headlines = [console.render(line) for line in _headlines(console, body, now=time.time())]
    colour = COLOURS.get(str(body.get("status")), "red")
    out.print(text.Text(headlines[0], style=f"bold {colour}"))
    for line in headlines[1:]:
        out.print(text.Text(line))
    titles = (_("Core"), _("State"), _("VRRP"), _("What it says"))
    cores = table.Table(*(console.render(title) for title in titles), box=box.SIMPLE)
    for row in _rows(console, body):
        cores.add_row(*(text.Text(cell) for cell in row))
    out.print(cores)
    for remark in _remarks(door, body):
        out.print(text.Text(console.render(remark), style="yellow"))


def _word(console: Console, words: Mapping[str, str], key: object) -> str:
    return console.render(Text(words.get(str(key), str(key))))


def local_time(epoch: float) -> str:
    """Return a moment in local time."""
    return dt.datetime.fromtimestamp(epoch).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """Return a length of time with its two largest units."""
    total = max(0, int(seconds))
    parts = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    words: list[str] = []
    for size, unit in parts:
        count, total = divmod(total, size)
        if count or (unit == "s" and not words):
            words.append(f"{count} {unit}")
    return " ".join(words[:2])
