"""`heyken switch`: move the VIP on purpose."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from heyken_glue.cli.api import Api, Door, RefusedError
from heyken_glue.cli.client import ClientFile
from heyken_glue.cli.output import EXIT_OK, EXIT_REFUSED, EXIT_USAGE, CliProblem, Console
from heyken_glue.cli.status import fetch
from heyken_glue.texts import text as _

TIMEOUT_SECONDS = 25.0
COOLDOWN = "cooldown"
HOW_TO_FORCE = _(
    "To switch all the same: `heyken switch --force`, or `make switch-core FORCE=1` where it was "
    "deployed from."
)


def switch(console: Console, client_file: ClientFile, core: str | None, *, force: bool) -> int:
    """Ask for the switch and say what came of it."""
    core_id = core_number(core) if core is not None else None
    body = asyncio.run(_switch(console, client_file, core_id, force=force))
    if console.as_json:
        console.json(body)
    elif body.get("changed", True):
        console.say(_("core{core} is active now.", core=body.get("active_core")))
        console.note(
            _(
                "Answers that had begun are finished by the other core. Before you stop it, see in "
                "`heyken status` that it makes none any more."
            )
        )
    else:
        console.say(_("core{core} was active already.", core=body.get("active_core")))
    return EXIT_OK


def core_number(core: str) -> int:
    """Return the id in `1` or `core1`."""
    found = re.fullmatch(r"(?:core)?([0-9]{1,2})", core.strip().lower())
    if found is None:
        raise CliProblem(
            _("“{core}” names no core.", core=core),
            _("Name it by its number or name: 1 or core1."),
            exit_code=EXIT_USAGE,
        )
    return int(found[1])


async def _switch(
    console: Console, client_file: ClientFile, core_id: int | None, *, force: bool
) -> dict[str, Any]:
    if core_id is None:
        core_id = _other_core((await fetch(console, client_file))[1])
    wanted = {"core_id": core_id, "force": force}
    async with Api(client_file, language=console.language) as api:

        async def call(door: Door) -> dict[str, Any]:
            try:
                return await api.call_json(
                    door, "POST", "/switch_core", body=wanted, timeout_seconds=TIMEOUT_SECONDS
                )
            except RefusedError as error:
                if error.body.get("code") != COOLDOWN:
                    raise
                raise CliProblem(str(error), HOW_TO_FORCE, exit_code=EXIT_REFUSED) from None

        return (await api.at_some_door(call))[1]


def _other_core(status: dict[str, Any]) -> int:
    active = status.get("active_core")
    others = [int(core) for core in status.get("cores") or {} if int(core) != active]
    if active is None or len(others) != 1:
        raise CliProblem(
            _("It is not clear which core the other one is."),
            _("Name the core that shall become active: heyken switch 1"),
            exit_code=EXIT_REFUSED,
        )
    return others[0]
