"""Output: pretty on a terminal, plain in a pipe, JSON on request; problems on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

from heyken_glue import errors
from heyken_glue.texts import Text
from heyken_glue.texts import text as _

EXIT_OK, EXIT_REFUSED, EXIT_USAGE, EXIT_CONFIG, EXIT_INTERRUPTED = 0, 1, 2, 78, 130
# what a model writes must not steer a terminal: no control characters but newline and tab
CONTROLS = {code: None for code in [*range(0x20), *range(0x7F, 0xA0)] if code not in (0x09, 0x0A)}


class CliProblem(Exception):  # noqa: N818 - told to a person, no bug
    """What went wrong and why, what to do about it, and the exit code."""

    def __init__(self, what: Text | str, todo: Text | None = None, *, exit_code: int) -> None:
        super().__init__(str(what))
        self.what = what
        self.todo = todo
        self.exit_code = exit_code


@dataclass(frozen=True)
class Console:
    """Where a command writes, and in which language and form."""

    language: str
    as_json: bool = False

    @property
    def pretty(self) -> bool:
        """Whether a person looks at a terminal."""
        return not self.as_json and sys.stdout.isatty()

    def render(self, text: Text | str) -> str:
        """Return a text in the language of this console."""
        return text.render(self.language) if isinstance(text, Text) else text

    def say(self, text: Text | str) -> None:
        """Write a line to stdout."""
        print(self.render(text), flush=True)

    def note(self, text: Text | str) -> None:
        """Write a line to stderr, beside the result."""
        print(self.render(text), file=sys.stderr, flush=True)

    def json(self, value: object) -> None:
        """Write a result for programs."""
        print(json.dumps(value, ensure_ascii=False, indent=2))

    def piece(self, text: str) -> None:
        """Write a piece of a model's text as it comes."""
        sys.stdout.write(text.translate(CONTROLS) if sys.stdout.isatty() else text)
        sys.stdout.flush()


def guarded(console: Console, command: Callable[[], int]) -> int:
    """Run a command; whatever ends it early becomes a clear text and an exit code."""
    try:
        return command()
    except KeyboardInterrupt:
        console.note("")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        return EXIT_OK
    except CliProblem as problem:
        return _tell(console, problem.what, problem.todo, problem.exit_code)
    except errors.ConfigError as error:
        return _tell(console, str(error), None, EXIT_CONFIG)
    except errors.HeykenError as error:
        return _tell(console, str(error), None, EXIT_REFUSED)


def _tell(console: Console, what: Text | str, todo: Text | None, exit_code: int) -> int:
    if console.as_json:
        console.json({"success": False, "error": console.render(what)})
    console.note(_("heyken: {what}", what=what))
    if todo is not None:
        console.note(todo)
    return exit_code
