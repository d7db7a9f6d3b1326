"""Puts the scripted model in the place of Ollama on both cores, and Ollama back.

The unit, its user, its restrictions and its restarts stay; only the program is another one. So
what is measured is the way of an answer, without the work of a model that shares the machine.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench import scripted_model
from bench.figures import tell
from bench.pair import Pair
from lab.faults import Host

URL, PORT = "http://127.0.0.1:11500", 11500
FOLDER = "/usr/local/lib/heyken/bench"
DROP_IN = "/etc/systemd/system/ollama.service.d"  # a host that is killed forgets /run
# of the questions that make a server say what it is
ASKED = (
    *(f"curl -sf {URL}/api/{name} >{FOLDER}/{name}.json" for name in ("version", "tags", "ps")),
    f"""curl -sf {URL}/api/show -d '{{"model": "heyken-general"}}' >{FOLDER}/show.json""",
)
UNIT = f"""[Service]
ExecStart=
ExecStart=/usr/bin/python3 {FOLDER}/scripted_model.py {PORT} {FOLDER}
"""


@contextlib.contextmanager
def scripted(pair: Pair) -> Iterator[None]:
    """Have both cores answer with the scripted model; afterwards with their own again."""
    pair.wait_whole()
    try:
        for core in pair.cores.values():
            _stage(core)
        tell("a scripted model answers on both cores")
        pair.wait_whole()
        yield
    finally:
        for core in pair.cores.values():
            core.start()
            core.run(f"rm -rf {DROP_IN} {FOLDER}; {_RESTART}")
        pair.wait_whole()


_RESTART = "systemctl daemon-reload && systemctl restart ollama"


def _stage(core: Host) -> None:
    core.run(f"mkdir -p {FOLDER} && {' && '.join(ASKED)}")
    _put(core, f"{FOLDER}/scripted_model.py", Path(scripted_model.__file__).read_text())
    core.run(f"mkdir -p {DROP_IN}")
    _put(core, f"{DROP_IN}/bench.conf", UNIT)
    core.run(_RESTART)


def _put(core: Host, path: str, content: str) -> None:
    packed = base64.b64encode(content.encode()).decode()
    core.run(f"echo {packed} | base64 -d >{path}")
