"""A core's model taken away or changed, behind the back of whoever deployed it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lab.faults.hosts import Host

MODEL = "heyken-general"
_KEPT = "fault-kept"
_OLLAMA = (
    "OLLAMA_HOST=127.0.0.1:11500 HOME=/root"
    " $(readlink -f /proc/$(systemctl show -P MainPID ollama)/exe)"
)


@contextlib.contextmanager
def removed(host: Host, model: str = MODEL) -> Iterator[None]:
    """Remove a model, and bring the same one back at the end."""
    host.run(f"{_OLLAMA} cp {model} {_KEPT} && {_OLLAMA} rm {model}")
    try:
        yield
    finally:
        _bring_back(host, model)


@contextlib.contextmanager
def changed(host: Host, model: str = MODEL) -> Iterator[None]:
    """Put another model under the name, and bring the right one back at the end."""
    host.run(f"{_OLLAMA} cp {model} {_KEPT}")
    try:
        recipe = "/tmp/fault-model"  # noqa: S108 - on the host, which is a lab's
        host.run(f"printf 'FROM {_KEPT}\\nSYSTEM another\\n' >{recipe}")
        host.run(f"{_OLLAMA} create {model} -f {recipe} && rm {recipe}")
        yield
    finally:
        _bring_back(host, model)


def _bring_back(host: Host, model: str) -> None:
    host.run(f"{_OLLAMA} cp {_KEPT} {model} && {_OLLAMA} rm {_KEPT}")
