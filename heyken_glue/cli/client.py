"""The client file: where the deployment is, which CA it has, and the token. For its owner only."""

from __future__ import annotations

import pathlib
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heyken_glue.cli import environment
from heyken_glue.cli.output import EXIT_CONFIG, CliProblem
from heyken_glue.texts import Text
from heyken_glue.texts import text as _

OTHERS = stat.S_IRWXG | stat.S_IRWXO
TEXT_KEYS = ("deployment", "url", "ca_file", "token")
# three heartbeats of a gateway with the usual settings: when none of them came, a stream is broken
SILENCE_SECONDS = 0.3
SILENCE_SECONDS_MAX = 600


@dataclass(frozen=True)
class Origin:
    """Where a deployment was made from: what only the deploying machine has."""

    playbooks: pathlib.Path
    inventory: pathlib.Path
    state_directory: pathlib.Path


@dataclass(frozen=True)
class ClientFile:
    """What the command line knows of a deployment; `cores` maps names to their own addresses.

    stream_silence_seconds: without a byte for so long, a stream is given up and resumed.
    origin: None in a copy for other machines.
    """

    deployment: str
    url: str
    ca_file: pathlib.Path
    token: str
    cores: Mapping[str, str]
    stream_silence_seconds: float = SILENCE_SECONDS
    origin: Origin | None = None


def load(environ: Mapping[str, str]) -> ClientFile:
    """Read the client file, or raise CliProblem with exit code 78."""
    path = environment.client_file(environ)
    _refuse_open_file(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _problem(_("The client file {path} cannot be read: {error}.", path=path,
                         error=error)) from None  # fmt: skip
    return _parse(content, path)


def _refuse_open_file(path: pathlib.Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _problem(
            _("There is no client file at {path} ({error}).", path=path, error=error.strerror)
        ) from None
    if mode & OTHERS:
        raise CliProblem(
            _(
                "The client file {path} holds a token, and others may open it (mode {mode}).",
                path=path,
                mode=oct(stat.S_IMODE(mode))[2:],
            ),
            _("Run: chmod 600 {path}", path=path),
            exit_code=EXIT_CONFIG,
        )


def _parse(content: Mapping[str, Any], path: pathlib.Path) -> ClientFile:
    wrong = [key for key in TEXT_KEYS if not isinstance(content.get(key), str) or not content[key]]
    cores = content.get("cores", {})
    if not isinstance(cores, dict) or not all(isinstance(url, str) for url in cores.values()):
        wrong.append("cores")
        cores = {}
    silence = content.get("stream_silence_seconds", SILENCE_SECONDS)
    if not isinstance(silence, int | float) or not 0 < silence <= SILENCE_SECONDS_MAX:
        wrong.append("stream_silence_seconds")
    origin = _origin(content.get("origin"))
    if "origin" in content and origin is None:
        wrong.append("origin")
    known = (*TEXT_KEYS, "cores", "stream_silence_seconds", "origin")
    wrong.extend(key for key in content if key not in known)
    urls = {"url": content.get("url"), **cores}
    wrong.extend(
        key for key, url in urls.items() if key not in wrong and not str(url).startswith("https://")
    )
    if wrong:
        raise _problem(
            _("The client file {path} is not right in: {keys}.", path=path, keys=", ".join(wrong))
        )
    ca_file = pathlib.Path(content["ca_file"])
    if not ca_file.is_file():
        raise _problem(
            _("The CA certificate {ca_file} that the client file names is not there.",
              ca_file=ca_file)
        )  # fmt: skip
    return ClientFile(
        content["deployment"],
        content["url"],
        ca_file,
        content["token"],
        cores,
        float(silence),
        origin,
    )


def _origin(content: object) -> Origin | None:
    names = ("playbooks", "inventory", "state_directory")
    if not isinstance(content, dict) or set(content) != set(names):
        return None
    if not all(isinstance(content[name], str) for name in names):
        return None
    return Origin(*(pathlib.Path(content[name]) for name in names))


def _problem(what: Text) -> CliProblem:
    todo = _(
        "Deploying writes this file: run `make deploy`, or copy the file from where it was run, "
        "or name another one in {variable}.",
        variable=environment.CLIENT_FILE,
    )
    return CliProblem(what, todo, exit_code=EXIT_CONFIG)
