"""Entry of the `heyken` command: `python -m heyken_glue`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        from heyken_glue import cli  # noqa: PLC0415 - imports only what the command needs

        return cli.main(sys.argv[1:])
    except KeyboardInterrupt:  # pressed before the command itself could listen
        return 130


if __name__ == "__main__":
    sys.exit(main())
