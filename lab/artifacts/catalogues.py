"""Compile the gettext catalogues: as a build hook of the wheel, and in place as a script.

The compiled files are products, so they are not kept in the repository: `python
lab/artifacts/catalogues.py` makes them for a checkout, and hatchling calls the hook for wheels and
editable installs and takes them along.
"""

from __future__ import annotations

import datetime as dt
import io
import pathlib
import sys
from typing import TYPE_CHECKING, Any

from babel.messages import extract, mofile, pofile

if TYPE_CHECKING:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    Hook = BuildHookInterface[Any]
else:
    try:
        from hatchling.builders.hooks.plugin.interface import BuildHookInterface as Hook
    except ModuleNotFoundError:  # run as a script: nothing is being built
        Hook = object

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "heyken_glue"
NO_TIME = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
LOCALE_DIRECTORY = PACKAGE / "locale"


def source_messages(package: pathlib.Path = PACKAGE) -> tuple[str, ...]:
    """Return every message that the sources mark, in their order: what a catalogue has to hold."""
    found = extract.extract_from_dir(
        package, method_map=[("**.py", "python")], keywords={"_": None, "mark": None}
    )
    messages = (str(message) for _file, _line, message, _comments, _context in found)
    return tuple(dict.fromkeys(message for message in messages if message))


def compile_catalogues(locale_directory: pathlib.Path = LOCALE_DIRECTORY) -> list[pathlib.Path]:
    """Compile every `.po` beside itself and return the `.mo` files; unchanged ones stay untouched.

    Raises FileNotFoundError when there is no catalogue at all, so that a wheel never lacks them.
    """
    sources = sorted(locale_directory.glob("*/LC_MESSAGES/*.po"))
    if not sources:
        raise FileNotFoundError(f"no catalogue (*/LC_MESSAGES/*.po) below {locale_directory}")
    return [_compile(source) for source in sources]


def _compile(source: pathlib.Path) -> pathlib.Path:
    with source.open("rb") as stream:
        catalogue = pofile.read_po(stream, locale=source.parent.parent.name, abort_invalid=True)
    # the time of compiling would make every build another one
    catalogue.creation_date = catalogue.revision_date = NO_TIME
    buffer = io.BytesIO()
    mofile.write_mo(buffer, catalogue)
    target = source.with_suffix(".mo")
    if not target.is_file() or target.read_bytes() != buffer.getvalue():
        target.write_bytes(buffer.getvalue())
    return target


class CatalogueBuildHook(Hook):
    """Makes the compiled catalogues part of whatever hatchling builds."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, then include the results: they are ignored by git and hatchling skips those."""
        del version
        if self.target_name == "sdist":
            return
        for compiled in compile_catalogues(pathlib.Path(self.root) / "heyken_glue" / "locale"):
            inside = compiled.relative_to(self.root).as_posix()
            build_data["force_include"][str(compiled)] = inside


def main() -> int:
    """Compile in place and name the files."""
    for compiled in compile_catalogues():
        print(compiled.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
