"""`heyken drill`: break one thing on purpose and see that people hardly notice; and `heyken prove`.

The drill itself is a playbook, because only the deploying machine may break a host. This asks
first, runs it, cleans up when it was broken off, and tells what came of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heyken_glue import errors
from heyken_glue.cli import ask
from heyken_glue.cli.api import Api, Door, RefusedError
from heyken_glue.cli.client import ClientFile, Origin
from heyken_glue.cli.output import (
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_REFUSED,
    EXIT_USAGE,
    CliProblem,
    Console,
)
from heyken_glue.cli.status import local_time
from heyken_glue.domain.drills import SECONDS_MAX, SECONDS_MIN, DrillKind
from heyken_glue.texts import Text, mark
from heyken_glue.texts import text as _

TIMEOUT_SECONDS = 25.0
MEND_SECONDS = 120
WHOLE_SECONDS = 20.0
PAUSE_SECONDS = 0.5
HISTORY = "history"
KINDS = {
    DrillKind.CORE: mark("the active core is lost: killed, and silent in the network"),
    DrillKind.HANG: mark("the active core's model stops where it is (SIGSTOP)"),
    DrillKind.NETWORK: mark("the active core is cut off from everybody, and goes on by itself"),
    DrillKind.CHAT: mark("Rocket.Chat is killed; API and command line go on"),
    DrillKind.DISK: mark("the active core's file system is full"),
    DrillKind.WITNESS: mark("etcd on the hub is killed; answers go on"),
}
OUTCOMES = {
    "ok": mark("passed"),
    "failed": mark("failed"),
    "refused": mark("broken off"),
    "running": mark("under way"),
}


def listed(console: Console) -> int:
    """Print which drills there are."""
    if console.as_json:
        console.json({kind: console.render(Text(told)) for kind, told in KINDS.items()})
    else:
        for kind, told in KINDS.items():
            console.say(f"{kind:<8} {console.render(Text(told))}")
    return EXIT_OK


def history(console: Console, client_file: ClientFile) -> int:
    """Print which drills there were, newest first."""
    body = asyncio.run(_call(console, client_file, "GET", None))
    if console.as_json:
        console.json(body)
        return EXIT_OK
    for drill in body.get("drills") or ():
        console.say(line_of(console, drill))
    if not body.get("drills"):
        console.say(_("There was no drill yet."))
    return EXIT_OK


def line_of(console: Console, drill: Mapping[str, Any]) -> str:
    """Return one line about one drill."""
    measures = (drill.get("payload") or {}).get("measures") or {}
    outcome = str(drill.get("outcome"))
    words = [
        local_time(float(drill.get("time") or 0)),
        f"{drill.get('subject', '?'):<8}",
        console.render(Text(OUTCOMES.get(outcome, outcome))),
    ]
    if measures:
        lost = sum(int(measures.get(name) or 0) for name in _LOSSES)
        words.append(f"RTO {float(measures['rto_ms']):.0f} ms · RPO {lost}")
        if measures.get("whole_ms") is not None:
            whole = float(measures["whole_ms"]) / 1000
            words.append(console.render(_("whole after {seconds} s", seconds=f"{whole:.1f}")))
    cause = (drill.get("payload") or {}).get("cause_pl") if console.language == "pl" else None
    words.append(str(cause or drill.get("cause") or ""))
    return " · ".join(word for word in words if word)


_LOSSES = ("characters_lost", "characters_doubled", "answers_lost")


@dataclass(frozen=True)
class Wish:
    """What somebody asked for."""

    kind: DrillKind
    seconds: int
    yes: bool = False

    @classmethod
    def of(cls, kind: str, seconds: int, *, yes: bool) -> Wish:
        """Check it, or raise CliProblem with exit code 2."""
        if kind not in list(DrillKind):
            raise CliProblem(
                _("There is no drill “{kind}”.", kind=kind),
                _("Drills are: {known}. heyken drill --list says what each breaks.",
                  known=", ".join(DrillKind)),
                exit_code=EXIT_USAGE,
            )  # fmt: skip
        if not SECONDS_MIN <= seconds <= SECONDS_MAX:
            raise CliProblem(
                _("A drill lasts {least} to {most} seconds, not {seconds}.",
                  least=SECONDS_MIN, most=SECONDS_MAX, seconds=seconds),
                exit_code=EXIT_USAGE,
            )  # fmt: skip
        return cls(DrillKind(kind), seconds, yes)


def drill(console: Console, client_file: ClientFile, wish: Wish) -> int:
    """Ask, break, measure, mend, and tell; exit code 1 when the drill failed."""
    origin = client_file.origin
    if origin is None or not (origin.playbooks / "drill.yml").is_file():
        raise CliProblem(
            _("Drills run on the machine that the deployment was made from, and this is another."),
            _("Run it there. heyken drill history works here too."),
            exit_code=EXIT_REFUSED,
        )
    body = asyncio.run(_call(console, client_file, "GET", None))
    _refuse(body)
    _confirm(console, wish)
    before = {str(one.get("id")) for one in body.get("drills") or ()}
    code = _run(console, origin, client_file.deployment, wish)
    if code != 0:
        _mend(console, origin, client_file, wish)
    done = asyncio.run(_call(console, client_file, "GET", None))
    newest = next((one for one in done.get("drills") or () if one.get("id") not in before), None)
    return _tell(console, newest, code)


def _refuse(body: Mapping[str, Any]) -> None:
    """Say at once what the core manager would say after the playbook has begun."""
    running = body.get("running")
    if running:
        raise CliProblem(
            _("The drill “{kind}” is under way, asked for by {who}.",
              kind=running.get("kind"), who=running.get("requested_by")),
            _("Wait until it is over."),
            exit_code=EXIT_REFUSED,
        )  # fmt: skip
    if not body.get("whole"):
        raise CliProblem(
            _("Nothing is broken on purpose while something is: {reason}.",
              reason=body.get("reason") or "?"),
            _("Mend that first; heyken status tells more."),
            exit_code=EXIT_REFUSED,
        )  # fmt: skip


def _confirm(console: Console, wish: Wish) -> None:
    if wish.yes:
        return
    console.note(_("This drill breaks something that people use, for {seconds} s: {what}.",
                   seconds=wish.seconds, what=Text(KINDS[wish.kind])))  # fmt: skip
    if sys.stdin is None or not sys.stdin.isatty():
        raise CliProblem(
            _("Nobody confirmed it."), _("Say --yes if you mean it."), exit_code=EXIT_USAGE
        )
    console.note(_("Type its name to begin: {kind}", kind=wish.kind.value))
    if sys.stdin.readline().strip() != wish.kind.value:
        raise CliProblem(_("The drill was not begun."), exit_code=EXIT_REFUSED)


def _run(console: Console, origin: Origin, deployment: str, wish: Wish, *more: str) -> int:
    """Run the playbook; what it prints is progress, and goes beside the result."""
    command = [
        str(pathlib.Path(sys.executable).with_name("ansible-playbook")),
        "--inventory",
        str(origin.inventory),
        str(origin.playbooks / "drill.yml"),
        "--extra-vars",
        json.dumps({"drill": wish.kind.value, "seconds": wish.seconds}),
        *more,
    ]
    own = {
        "ANSIBLE_CONFIG": str(origin.playbooks / "ansible.cfg"),
        "HEYKEN_STATE_DIR": str(origin.state_directory.parent),
        "HEYKEN_LAB": deployment,
    }
    with subprocess.Popen(  # noqa: S603 - our own playbook, no shell
        command,
        cwd=origin.playbooks,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        env={**os.environ, **own},
    ) as playbook:
        try:
            return playbook.wait()
        except KeyboardInterrupt:  # the playbook got it as well, and ends by itself
            console.note(_("Broken off; what is broken is being mended."))
            with contextlib.suppress(KeyboardInterrupt):
                playbook.wait()
            return EXIT_INTERRUPTED


def _mend(console: Console, origin: Origin, client_file: ClientFile, wish: Wish) -> None:
    """Leave nothing broken and no lock behind, whatever ended the playbook early."""
    if _run(console, origin, client_file.deployment, wish, "--tags", "mend") != 0:
        console.note(
            _(
                "Mending failed; each host mends itself when its time is over. By hand: {page}",
                page="docs/runbooks/drill.md",
            )
        )
    with contextlib.suppress(errors.HeykenError, CliProblem):
        body = asyncio.run(_call(console, client_file, "GET", None))
        running = body.get("running") or {}
        if running.get("kind") == wish.kind.value:
            end = {"step": "end", "id": running.get("id"), "error": "it was broken off"}
            asyncio.run(_call(console, client_file, "POST", end))


def _tell(console: Console, drill: Mapping[str, Any] | None, code: int) -> int:
    if console.as_json:
        console.json({"success": code == 0 and drill is not None, "drill": drill})
    elif drill is not None:
        console.say(line_of(console, drill))
    if code == EXIT_INTERRUPTED:
        return code
    return EXIT_OK if drill is not None and drill.get("outcome") == "ok" else EXIT_REFUSED


async def _call(
    console: Console, client_file: ClientFile, method: str, body: Mapping[str, Any] | None
) -> dict[str, Any]:
    async with Api(client_file, language=console.language) as api:

        async def call(door: Door) -> dict[str, Any]:
            return await api.call_json(
                door, method, "/drills", body=body, timeout_seconds=TIMEOUT_SECONDS
            )

        return (await api.at_some_door(call))[1]


def prove(console: Console, client_file: ClientFile, question: str) -> int:
    """Ask a question, and keep the answer as a proof if the pair is whole."""
    return asyncio.run(_prove(console, client_file, question))


async def _prove(console: Console, client_file: ClientFile, question: str) -> int:
    async with Api(client_file, language=console.language) as api:
        asking = ask.Asking(api, console, question)
        await asking.run()
    refused = await _record(console, client_file)
    if refused is None:
        return asking.conclude()
    console.note(_("The answer is no proof yet: {reason}", reason=refused))
    asking.conclude()
    return EXIT_OK if console.as_json else EXIT_REFUSED


async def _record(console: Console, client_file: ClientFile) -> str | None:
    """Keep the proof; units that have just been started may need a moment. Returns why not."""
    deadline = time.monotonic() + WHOLE_SECONDS
    while True:
        try:
            await _call(console, client_file, "POST", {"step": "proof"})
        except RefusedError as error:
            if time.monotonic() > deadline:
                return str(error.tried)
        else:
            return None
        await asyncio.sleep(PAUSE_SECONDS)
