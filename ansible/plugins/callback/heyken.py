"""What a run of ansible prints: a line per play, role and changed task; everything of a failure."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import constants, context
from ansible.plugins.callback import CallbackBase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task

DOCUMENTATION = """
    name: heyken
    type: stdout
    short_description: short progress with times, whole failures
    description: [One line per play, role and changed task, and the whole result of a failure.]
    extends_documentation_fragment:
      - default_callback
      - result_format_callback
"""

KINDS = ("ok", "changed", "skipped", "failed", "unreachable")


def counted(counts: Counter[str]) -> str:
    """Return the counts that are not zero, in a fixed order: `12 ok, 3 changed`."""
    return ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]) or "nothing to do"


def shortened(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result without what hides the failure: items that went well, a unit's properties."""
    bad = [shortened(item) for item in result.get("results", []) if "exception" in item]
    kept = {key: result[key] for key in result if not isinstance(result[key], dict | list)}
    return {**kept, "results": bad} if bad else kept


def titled(result: CallbackTaskResult) -> str:
    """Return the host and the task of a result."""
    return f"{result.host.get_name()}: {result.task.get_name()}"


def worst(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the result itself, or the first failed item of a loop."""
    return next((item for item in result.get("results", []) if "exception" in item), result)


def inputs_named(role: str, result: Mapping[str, Any]) -> list[str]:
    """Return the inputs of `role` that a refusal judged, or else those that it tells of."""
    judged = " ".join(map(str, [result.get("assertion", ""), *result.get("argument_errors", [])]))
    for text in (judged, str(result.get("msg", ""))):
        found = re.findall(rf"(?<![\w.]){role}_\w+", text)
        if found:
            return list(dict.fromkeys(found))
    return []


def places(name: str, inventories: Iterable[Path]) -> Iterator[str]:
    """Return `file:line: text` of every place below the inventories that sets a variable."""
    for inventory in inventories:
        for file in sorted(inventory.glob("*_vars/**/*.yml")):
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
                if re.match(rf"{name}\s*:", line):
                    yield f"{file}:{number}: {line}"


def advice(role: str, result: Mapping[str, Any]) -> list[str]:
    """Return where the refused inputs of a role are set, and what to do."""
    inventories = [Path(one) for one in context.CLIARGS.get("inventory") or ()]
    lines = []
    for name in inputs_named(role, result):
        default = f"ansible/roles/{role}/defaults/main.yml, and nothing in the inventory"
        lines += [f"set in: {place}" for place in places(name, inventories)] or [
            f"{name} is set in: {default}"
        ]
    return [*lines, "do: correct it there and run make deploy again"] if lines else []


class Stretch:
    """A part of the run that gets one line of its own."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.began = time.monotonic()
        self.counts: Counter[str] = Counter()

    def line(self) -> str:
        """Return the closing line."""
        return f"{self.label:<34} {time.monotonic() - self.began:6.1f} s   {counted(self.counts)}"


class CallbackModule(CallbackBase):
    """Keeps counts per role and play, and prints them."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "heyken"

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()
        self._play: Stretch | None = None
        self._role: Stretch | None = None

    def _count(self, kind: str) -> None:
        for stretch in filter(None, (self._play, self._role)):
            stretch.counts[kind] += 1

    def _close_role(self) -> None:
        if self._role and self._role.counts:
            self._display.display("  " + self._role.line())
        self._role = None

    def _close_play(self) -> None:
        self._close_role()
        if self._play and self._play.counts:
            self._display.display(self._play.line())
        self._play = None

    def _task_began(self, task: Task) -> None:
        role = task._role.get_name() if task._role else ""  # noqa: SLF001 - no public name for it
        if self._role is None or self._role.label != role:
            self._close_role()
            self._role = Stretch(role) if role else None

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Close the play before and open this one."""
        self._close_play()
        self._play = Stretch(play.get_name().strip() or "unnamed play")

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:  # noqa: ARG002
        """See whether another role begins with this task."""
        self._task_began(task)

    def v2_playbook_on_handler_task_start(self, task: Task) -> None:
        """Handlers belong to a role as well."""
        self._task_began(task)

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Count, and name the task when it changed something or was asked to print."""
        self._count("changed" if (changed := result.result.get("changed")) else "ok")
        self._handle_warnings_and_exception(result)
        if changed:
            self._display.display(f"    {titled(result)}", "yellow")
        elif result.task.action in constants._ACTION_DEBUG:  # noqa: SLF001 - ansible's own list
            self._display.display(str(result.result.get("msg", "")))

    def v2_on_file_diff(self, result: CallbackTaskResult) -> None:
        """Print what changed inside files, where --diff asked for it."""
        for one in result.result.get("results") or [result.result]:
            if one.get("diff") and one.get("changed"):
                self._display.display(self._get_diff(one["diff"]))

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:  # noqa: ARG002
        """Count only."""
        self._count("skipped")

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """Print the whole result: a failure is what people come to read."""
        self._count("ok" if ignore_errors else "failed")
        self._handle_warnings_and_exception(result)
        self._display.display(f"    FAILED {titled(result)}\n    {result.task.get_path()}", "red")
        self._display.display(self._dump_results(shortened(result.result)), "red")
        if not ignore_errors and self._judges_inputs(result.task):
            for line in advice(self._role.label if self._role else "", worst(result.result)):
                self._display.display(f"    {line}", "red")

    @staticmethod
    def _judges_inputs(task: Task) -> bool:
        """Whether a task looks at a role's inputs."""
        return task.action.endswith("validate_argument_spec") or task.get_name().split(" : ")[
            -1
        ].startswith("Validate")

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Say which host cannot be reached, and why."""
        self._count("unreachable")
        why = result.result.get("msg", "")
        self._display.display(f"    UNREACHABLE {result.host.get_name()}: {why}", "red")

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Print a line per host and the total."""
        self._close_play()
        for host in sorted(stats.processed):
            one = Counter(stats.summarize(host))
            one.update(failed=one["failures"], ok=-one["changed"])
            color = "red" if one["failed"] or one["unreachable"] else None
            self._display.display(f"{host:<16} changed={one['changed']}  {counted(one)}", color)
        self._display.display(f"{time.monotonic() - self._began:.1f} s in all")
