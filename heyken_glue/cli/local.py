"""Commands that concern this host only: the version, its settings, running a unit."""

from __future__ import annotations

import pathlib
import sys

import heyken_glue
from heyken_glue.cli.output import EXIT_CONFIG, EXIT_OK, EXIT_USAGE, CliProblem, Console
from heyken_glue.texts import text as _


def version(console: Console) -> int:
    """Print the version."""
    if console.as_json:
        console.json({"version": heyken_glue.__version__})
    else:
        console.say(f"heyken {heyken_glue.__version__}")
    return EXIT_OK


def check_config(console: Console, path: pathlib.Path | None) -> int:
    """Check a settings file and tell every problem at once."""
    from heyken_glue import errors, settings  # noqa: PLC0415 - pydantic is slow to import

    path = path or settings.DEFAULT_FILE
    try:
        settings.load(path)
    except errors.ConfigError as error:
        if not console.as_json:
            raise
        console.json({"success": False, "error": error.tried, "problems": list(error.problems)})
        return EXIT_CONFIG
    if console.as_json:
        console.json({"success": True, "problems": []})
    else:
        console.say(_("{path} is valid.", path=path))
    return EXIT_OK


def unit(name: str) -> int:
    """Run a unit of this host until it is told to stop."""
    import importlib  # noqa: PLC0415 - everything a unit needs is slow to import

    # structlog takes it for tracebacks on terminals, which no unit writes: 3 MB in each of them
    sys.modules["rich"] = None  # type: ignore[assignment]
    from heyken_glue import credentials, logs, settings  # noqa: PLC0415
    from heyken_glue.runtime import daemon  # noqa: PLC0415

    if name not in credentials.OF_UNIT:
        known = ", ".join(sorted(credentials.OF_UNIT))
        raise CliProblem(
            _("There is no unit “{name}”.", name=name),
            _("Units are: {known}.", known=known),
            exit_code=EXIT_USAGE,
        )
    loaded = settings.load(settings.DEFAULT_FILE)
    logs.configure(unit=name, host=loaded.host.name)
    module = importlib.import_module(f"heyken_glue.services.{name.replace('-', '_')}")

    async def main(life: daemon.Daemon) -> None:
        await module.run(loaded, life)

    return daemon.run(main, loop_factory=getattr(module, "loop_factory", None))
