"""The variables of the environment that belong to Heyken, and the refusal of all others."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from heyken_glue.cli.output import EXIT_CONFIG, CliProblem
from heyken_glue.texts import text as _

PREFIX = "HEYKEN_"
CLIENT_FILE = "HEYKEN_CLIENT_FILE"
LAB = "HEYKEN_LAB"
STATE_DIRECTORY = "HEYKEN_STATE_DIR"
# All that anything reads, the deployment's own included: both are used from one shell.
KNOWN = frozenset(
    {
        CLIENT_FILE,
        LAB,
        STATE_DIRECTORY,
        "HEYKEN_BIN_DIR",
        "HEYKEN_CACHE_DIR",
        "HEYKEN_ENV",
        "HEYKEN_EXTRA_CA",
        "HEYKEN_MITOGEN",
        "HEYKEN_OFFICIAL",
        "HEYKEN_SANDBOX_SUBNET",
        "HEYKEN_SCREENSHOTS",
        "HEYKEN_SYSTEM_SUBNET",
    }
)


def unknown(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that carry our prefix and that nothing reads."""
    return [one for one in environ if one.startswith(PREFIX) and one not in KNOWN]


def meant(variable: str) -> str | None:
    """Return the known variable that is close to a mistyped one, or None."""
    import difflib  # noqa: PLC0415 - only who mistyped something waits for it

    bare = [one.removeprefix(PREFIX) for one in sorted(KNOWN)]
    close = difflib.get_close_matches(variable.removeprefix(PREFIX), bare, n=1, cutoff=0.6)
    return PREFIX + close[0] if close else None


def refuse_unknown(environ: Mapping[str, str]) -> None:
    """Raise CliProblem with exit code 78 for the first variable that nothing reads."""
    for variable in unknown(environ):
        close = meant(variable)
        hint = _("Run: unset {variable}", variable=variable)
        if close:
            hint = _("Run: unset {variable} (did you mean {close}?)", variable=variable,
                     close=close)  # fmt: skip
        raise CliProblem(
            _("{variable} is set in the environment, and nothing reads it.", variable=variable),
            hint,
            exit_code=EXIT_CONFIG,
        )


def client_file(environ: Mapping[str, str]) -> pathlib.Path:
    """Return where the client file is expected: named itself, of a named lab, or the default."""
    home = pathlib.Path(environ.get("HOME") or "/")
    if environ.get(CLIENT_FILE):
        return pathlib.Path(environ[CLIENT_FILE])
    if environ.get(LAB):
        base = environ.get("XDG_STATE_HOME") or home / ".local" / "state"
        state = environ.get(STATE_DIRECTORY) or pathlib.Path(base) / "heyken"
        return pathlib.Path(state) / environ[LAB] / "client.toml"
    return home / ".config" / "heyken" / "client.toml"
