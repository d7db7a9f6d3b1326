"""One host lost in the middle of one answer, and what the survivor's log says of it."""

from __future__ import annotations

import datetime as dt
import json
import math
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench.pair import Pair
from lab import shell
from lab.faults import Host

OLLAMA = "http://127.0.0.1:11500"
MODEL = "heyken-general"
# the twin's model: in memory and idle, not in memory, or saying something else all the while
WARM, COLD, BUSY = TWINS = ("warm", "cold", "busy")
_UNLOAD = {"model": MODEL, "keep_alive": 0}
_OTHER_WORK = {
    "model": MODEL,
    "prompt": "Count from one to one thousand in words.",
    "stream": False,
    "options": {"num_predict": 400},
}
_LOG = "journalctl --unit heyken@gateway.service --since @{:.3f} --output cat --no-pager"


@dataclass(frozen=True)
class Adopted:
    """How a survivor went on: the answer's id, when it took it over, when its model began to speak.

    Moments are seconds since 1970. prefill_seconds: how long the model took to its first word;
    where it was not in memory, until it was there counts too.
    """

    id: str
    at: float
    began_at: float
    prefill_seconds: float


class Loss:
    """The loss of the host that holds the address; `at` is when (seconds since 1970)."""

    def __init__(self, pair: Pair, twin: str) -> None:
        self._pair, self._twin = pair, twin
        self.lost = pair.holder()
        (self._survivor,) = (core for name, core in pair.cores.items() if name != self.lost)
        self._link = self._cable()
        self.at = math.inf
        self._breaking: threading.Thread | None = None
        if twin == BUSY:
            threading.Thread(target=_ask, args=(self._survivor, _OTHER_WORK), daemon=True).start()

    def happen(self) -> None:
        """Pull the plug, while the reader reads on."""
        self._breaking = threading.Thread(target=self._break)
        self._breaking.start()

    def _break(self) -> None:
        if self._twin == COLD:
            _ask(self._survivor, _UNLOAD)
        self.at = time.time()
        # a killed process still says goodbye through its kernel; a lost host does not
        shell.run(["ip", "link", "set", self._link, "down"], timeout_seconds=5)
        self._pair.cores[self.lost].kill()

    def _cable(self) -> str:
        """Return the name of the machine's end of the host's link."""
        index = self._pair.cores[self.lost].run("cat /sys/class/net/eth0/iflink").strip()
        ends = Path("/sys/class/net").glob("*/ifindex")
        return next(end.parent.name for end in ends if end.read_text().strip() == index)

    def mend(self) -> None:
        """Put the plug back."""
        if self._breaking is not None:
            self._breaking.join()
        self._pair.cores[self.lost].start()

    def adopted(self) -> Adopted | None:
        """Return how the survivor went on, by its own log; None if its model was not asked."""
        if math.isinf(self.at):
            return None
        id_, since = "", 0.0
        for line in self._survivor.run(_LOG.format(self.at)).splitlines():
            fields = _fields(line)
            if fields.get("event") == "answer_adopted":
                id_, since = str(fields["id"]), _time_of(fields)
            elif id_ and fields.get("event") == "model_began":
                began_at, asked = _time_of(fields), float(str(fields["seconds"]))
                waited = began_at - since if self._twin == COLD else asked
                return Adopted(id_, since, began_at, waited)
        return None


def _ask(host: Host, body: dict[str, object]) -> None:
    host.run(f"curl -s --max-time 60 {OLLAMA}/api/generate -d '{json.dumps(body)}' >/dev/null")


def _time_of(fields: dict[str, object]) -> float:
    return dt.datetime.fromisoformat(str(fields["timestamp"])).timestamp()


def _fields(line: str) -> dict[str, object]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
