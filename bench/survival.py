"""T8: answers whose core is killed at a random token go on at the other one, at every door."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.figures import Figure, tell
from bench.losses import TWINS, WARM, Adopted, Loss
from bench.pair import Pair
from bench.readers import Program, Reader, Talk, Terminal
from bench.staging import scripted
from lab.problem import Problem

# what a model writes in each is cut into tokens differently
QUESTIONS = {
    "English": "Write a long story about a lighthouse keeper and the sea.",
    "Polish": "Napisz długą opowieść o latarniku i morzu.",
    "code": "Write a Python program that sorts a list of words, with comments.",
}
# nothing of it can be missing or twice without being seen, and every text is as expected
COUNTING = {"counting": "Count to 250 every 20 ms"}
READERS: dict[str, tuple[Callable[[Pair], Reader], float]] = {
    "terminal": (Terminal, 0.6),
    "api": (Program, 0.6),
    "rocketchat": (Talk, 2.5),
}
EARLIEST, LATEST = 0.1, 0.6  # of the answer's characters
ATTEMPTS = 3
_MODE = "sed -n 's/^resume = \"\\(.*\\)\"/\\1/p' /etc/heyken/heyken.toml"


@dataclass(frozen=True)
class Trial:
    """What is asked, how the twin is, and the text that came undisturbed."""

    language: str
    question: str
    twin: str
    expected: str


@dataclass(frozen=True)
class Kill:
    """One answer whose core was killed.

    after_seconds: from the break to the first new character, without the time that the twin's
    model took to read what it had to, which is `prefill_seconds`.
    """

    language: str
    twin: str
    is_whole: bool
    is_equal: bool
    after_seconds: float
    prefill_seconds: float


def measure(pair: Pair, repeats: int, door: str) -> list[Figure]:
    """Kill the holder in the middle of `repeats` answers that are read at one door."""
    make, limit = READERS[door]
    reader = make(pair)
    kills = _series(pair, reader, repeats, QUESTIONS, TWINS)
    mode = _mode(pair)
    return [_whole(reader.name, mode, kills), _soon(reader.name, mode, kills, limit)]


def measure_scripted(pair: Pair, repeats: int) -> list[Figure]:
    """The same with a model whose answers are known, at the API."""
    with scripted(pair):
        kills = _series(pair, Program(pair), repeats, COUNTING, [WARM])
    name, mode = "the API with a scripted model", _mode(pair)
    return [_whole(name, mode, kills), _soon(name, mode, kills, READERS["api"][1])]


def _series(
    pair: Pair, reader: Reader, repeats: int, questions: Mapping[str, str], twins: Sequence[str]
) -> list[Kill]:
    pair.wait_both()
    judge, kills = Program(pair), list[Kill]()
    undisturbed = {name: reader.read(text, _nobody) for name, text in questions.items()}
    for number in range(repeats):
        language = list(questions)[number % len(questions)]
        twin = twins[number // len(questions) % len(twins)]
        trial = Trial(language, questions[language], twin, undisturbed[language])
        kills.append(_kill(pair, reader, judge, trial))
    return kills


def _mode(pair: Pair) -> str:
    return pair.cores["core1"].run(_MODE).strip()


class _Watch:
    """Hears the text grow, has the plug pulled at its moment, and notes when more came."""

    def __init__(self, loss: Loss, characters: int) -> None:
        self._loss, self._characters = loss, characters
        self.before, self._length = "", 0
        self._grown: list[float] = []

    def __call__(self, text: str) -> None:
        """Take all of the text so far."""
        if len(text) <= self._length:
            return
        self._length = len(text)
        self._grown.append(time.time())
        if not self.before and len(text) >= self._characters:
            self.before = text
            self._loss.happen()

    def first_after(self, moment: float) -> float | None:
        """Return when the text first grew after a moment (seconds since 1970)."""
        return next((grown for grown in self._grown if grown > moment), None)

    def last_before(self, moment: float) -> float:
        """Return when the text last grew until a moment."""
        return max((grown for grown in self._grown if grown <= moment), default=moment)


def _kill(pair: Pair, reader: Reader, judge: Program, trial: Trial) -> Kill:
    for _attempt in range(ATTEMPTS):
        kill = _try(pair, reader, judge, trial)
        if kill is not None:
            tell(f"{reader.name}: {kill}")
            return kill
        tell(f"{reader.name}: the answer was over before its core was lost; again")
    raise Problem("no answer lasts until its core is lost", why=trial.language, todo="again")


def _try(pair: Pair, reader: Reader, judge: Program, trial: Trial) -> Kill | None:
    # the rest of a lost core comes back while the next answer begins
    pair.wait_both()
    loss = Loss(pair, trial.twin)
    moment = random.uniform(EARLIEST, LATEST) * len(trial.expected)  # noqa: S311 - no secret
    watch = _Watch(loss, int(moment))
    try:
        text = reader.read(trial.question, watch)
    finally:
        loss.mend()
    adopted = loss.adopted()
    if adopted is None:
        return None
    kept = judge.stored(adopted.id) if reader.is_stream else text
    after, prefill = _after(watch, loss, adopted, is_stream=reader.is_stream)
    whole = text.startswith(watch.before) and len(text) > len(watch.before) and text == kept
    return Kill(trial.language, trial.twin, whole, text == trial.expected, after, prefill)


def _after(watch: _Watch, loss: Loss, adopted: Adopted, *, is_stream: bool) -> tuple[float, float]:
    """Return the seconds to the first new character without prefill, and the prefill.

    In a stream they begin with the last character before the break. In chat, where an edit comes
    once a second, with the loss; and the first new ones may be those that were only copied.
    """
    first = watch.first_after(adopted.at)
    if first is None:
        raise Problem("nothing came from the survivor", why=adopted.id, todo="look at its log")
    since = watch.last_before(adopted.at) if is_stream else loss.at
    waited = adopted.prefill_seconds if first >= adopted.began_at else 0.0
    return first - since - waited, adopted.prefill_seconds


def _whole(name: str, mode: str, kills: Sequence[Kill]) -> Figure:
    whole = sum(kill.is_whole for kill in kills)
    equal = sum(kill.is_equal for kill in kills)
    shares = ", ".join(
        f"{language} {sum(one.is_equal for one in some)}/{len(some)}"
        for language in dict.fromkeys(kill.language for kill in kills)
        if (some := [one for one in kills if one.language == language])
    )
    good = equal if mode == "exact" else whole
    return Figure(
        name=f"T8 {name}, {mode}: answers that outlive their core",
        value=f"{whole} of {len(kills)} complete, nothing lost or repeated; {equal} equal the "
        f"undisturbed text ({shares})",
        reference=f"{len(kills)} kills at random tokens",
        ratio=good / len(kills),
        target="all complete" + (" and equal" if mode == "exact" else ""),
        reached=good == whole == len(kills),
    )


def _soon(name: str, mode: str, kills: Sequence[Kill], limit: float) -> Figure:
    after = [kill.after_seconds for kill in kills]
    by_twin = "; ".join(
        f"{twin} twin {_spread(one.after_seconds for one in some)} and prefill "
        f"{_spread(one.prefill_seconds for one in some)}"
        for twin in TWINS
        if (some := [one for one in kills if one.twin == twin])
    )
    # made again from the question, an answer has nothing new before it is where it was
    is_bound = mode != "exact"
    return Figure(
        name=f"T8 {name}, {mode}: first new character after the break, less prefill",
        value=f"{_spread(after)} ({by_twin})",
        reference=f"{limit:.1f} s",
        ratio=max(after) / limit,
        target=f"≤ {limit:.1f} s" if is_bound else "none: the text so far is made again first",
        reached=max(after) <= limit or not is_bound,
    )


def _spread(seconds: Iterable[float]) -> str:
    values = list(seconds)
    return f"median {statistics.median(values):.2f} s, max {max(values):.2f} s"


def _nobody(_text: str) -> None:
    """Hear nothing."""
