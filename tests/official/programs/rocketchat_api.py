"""Runs PyPI's rocketchat-api by remote control: an order in a line of JSON in, an answer out.

An order is {"call", "args", "kwargs"}; `connect` makes the client. An answer is {"result"} or
{"raised", "text"}. It runs in a Python that knows nothing of this repository.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

# Only the client's own environment has it; the type checker of this repository does not.
from rocketchat_API.rocketchat import RocketChat  # type: ignore[import-not-found]


def main() -> None:
    """Carry out orders until there are no more."""
    client: Any = None
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if order["call"] == "connect":
                client = RocketChat(**order["kwargs"])
                result: Any = None
            else:
                result = getattr(client, order["call"])(*order["args"], **order["kwargs"])
            if isinstance(result, Iterator):
                result = list(result)
            answer = {"result": result}
        except Exception as error:  # noqa: BLE001 - whatever the client raises is its judgement
            answer = {"raised": type(error).__name__, "text": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
