"""The commands and their options; what they do is imported when they are called."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Optional

import typer

from heyken_glue import texts
from heyken_glue.cli.output import Console, guarded
from heyken_glue.texts import mark

AsJson = Annotated[bool, typer.Option("--json", help=mark("Print JSON for programs."))]
Language = Annotated[
    Optional[str],  # noqa: UP045 - typer evaluates this on Python 3.11 too
    typer.Option("--language", metavar="pl|en", help=mark("Language of texts; else the locale's.")),
]
Core = Annotated[
    Optional[str],  # noqa: UP045
    typer.Argument(help=mark("Number or name of the core; without it, the other one.")),
]
Force = Annotated[bool, typer.Option("--force", help=mark("Switch even within the cool-down."))]
Words = Annotated[list[str], typer.Argument(help=mark("The question; - reads standard input."))]
Drill = Annotated[
    Optional[str],  # noqa: UP045
    typer.Argument(
        metavar="core|hang|network|chat|disk|witness|history",
        help=mark("What to break; history shows what came of earlier drills."),
    ),
]
Seconds = Annotated[int, typer.Option("--seconds", help=mark("How long it stays broken."))]
Yes = Annotated[bool, typer.Option("--yes", help=mark("Begin without asking."))]
Listed = Annotated[bool, typer.Option("--list", help=mark("Say what each drill breaks."))]
SettingsFile = Annotated[
    Optional[pathlib.Path],  # noqa: UP045
    typer.Argument(help=mark("The settings file; else this host's own.")),
]

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def run(arguments: Sequence[str], language: str) -> int:
    """Run the command line in `language` and return its exit code."""
    command = typer.main.get_command(app)
    _translate(command, language)
    try:
        result = command.main(list(arguments), prog_name="heyken", obj=language)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return int(result or 0)


@app.callback(help=mark("Ask Heyken, see how it is, and switch between its cores."))
def options(language: Language = None) -> None:
    """Take --language before the command too; it was read before the arguments are parsed."""
    del language


@app.command(help=mark("Show who answers, since when and why, and how each core is."))
def status(context: typer.Context, as_json: AsJson = False, language: Language = None) -> None:  # noqa: ARG001
    """Show the status."""
    console = Console(context.obj, as_json)

    def work() -> int:
        from heyken_glue.cli import client  # noqa: PLC0415
        from heyken_glue.cli import status as command  # noqa: PLC0415

        return command.status(console, client.load(os.environ))

    raise typer.Exit(guarded(console, work))


@app.command(help=mark("Make the other core, or the named one, the active one."))
def switch(
    context: typer.Context,
    core: Core = None,
    force: Force = False,
    as_json: AsJson = False,
    language: Language = None,  # noqa: ARG001 - read before the arguments are parsed
) -> None:
    """Move the VIP."""
    console = Console(context.obj, as_json)

    def work() -> int:
        from heyken_glue.cli import client  # noqa: PLC0415
        from heyken_glue.cli import switch as command  # noqa: PLC0415

        return command.switch(console, client.load(os.environ), core, force=force)

    raise typer.Exit(guarded(console, work))


@app.command(help=mark("Ask a question and print the answer as it comes."))
def ask(
    context: typer.Context,
    words: Words,
    as_json: AsJson = False,
    language: Language = None,  # noqa: ARG001
) -> None:
    """Ask a question."""
    console = Console(context.obj, as_json)

    def work() -> int:
        from heyken_glue.cli import ask as command  # noqa: PLC0415
        from heyken_glue.cli import client  # noqa: PLC0415

        question = command.read_question(words)
        return command.ask(console, client.load(os.environ), question)

    raise typer.Exit(guarded(console, work))


@app.command(help=mark("Break one thing on purpose, measure what people notice, mend it."))
def drill(
    context: typer.Context,
    kind: Drill = None,
    *,
    seconds: Seconds = 10,
    yes: Yes = False,
    show: Listed = False,
    as_json: AsJson = False,
    language: Language = None,  # noqa: ARG001
) -> None:
    """Run a drill, or show the earlier ones."""
    console = Console(context.obj, as_json)

    def work() -> int:
        from heyken_glue.cli import client  # noqa: PLC0415
        from heyken_glue.cli import drill as command  # noqa: PLC0415

        if show:
            return command.listed(console)
        if kind == command.HISTORY:
            return command.history(console, client.load(os.environ))
        wish = command.Wish.of(kind or "", seconds, yes=yes)
        return command.drill(console, client.load(os.environ), wish)

    raise typer.Exit(guarded(console, work))


@app.command("drill-probe", hidden=True, help=mark("Measure for a drill's playbook."))
def drill_probe(context: typer.Context, directory: pathlib.Path, drill_id: str) -> None:
    """Measure."""
    console = Console(context.obj, as_json=True)

    def work() -> int:
        from heyken_glue.cli import client  # noqa: PLC0415
        from heyken_glue.cli import drill_probe as command  # noqa: PLC0415

        return command.run(console, client.load(os.environ), directory, drill_id)

    raise typer.Exit(guarded(console, work))


@app.command(help=mark("Ask a question, and keep the answer as a proof that all is well."))
def prove(
    context: typer.Context,
    words: Words,
    as_json: AsJson = False,
    language: Language = None,  # noqa: ARG001
) -> None:
    """Ask, and keep the proof."""
    console = Console(context.obj, as_json)

    def work() -> int:
        from heyken_glue.cli import ask, client, drill  # noqa: PLC0415

        return drill.prove(console, client.load(os.environ), ask.read_question(words))

    raise typer.Exit(guarded(console, work))


@app.command("check-config", help=mark("Check a settings file and tell every problem at once."))
def check_config(
    context: typer.Context,
    path: SettingsFile = None,
    as_json: AsJson = False,
    language: Language = None,  # noqa: ARG001
) -> None:
    """Check a settings file."""
    from heyken_glue.cli import local  # noqa: PLC0415

    console = Console(context.obj, as_json)
    raise typer.Exit(guarded(console, lambda: local.check_config(console, path)))


@app.command(help=mark("Print the version."))
def version(context: typer.Context, as_json: AsJson = False, language: Language = None) -> None:  # noqa: ARG001
    """Print the version."""
    from heyken_glue.cli import local  # noqa: PLC0415

    console = Console(context.obj, as_json)
    raise typer.Exit(guarded(console, lambda: local.version(console)))


@app.command(hidden=True, help=mark("Run a unit of this host."))
def unit(context: typer.Context, name: str) -> None:
    """Run a unit."""
    from heyken_glue.cli import local  # noqa: PLC0415

    raise typer.Exit(guarded(Console(context.obj), lambda: local.unit(name)))


def _translate(command: Any, language: str) -> None:  # noqa: ANN401 - the parser's own types
    """Put the help texts of a command and all below it into `language`."""
    for part in (command, *_parameters(command)):
        if getattr(part, "help", None):
            part.help = texts.translate(part.help, language)
    for child in getattr(command, "commands", {}).values():
        _translate(child, language)


def _parameters(command: Any) -> Iterator[Any]:  # noqa: ANN401
    yield from getattr(command, "params", ())
