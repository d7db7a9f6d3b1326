"""What the assistant says in its own words."""

from __future__ import annotations

import datetime as dt

from heyken_glue.domain.digest import Level
from heyken_glue.services.assistant_ports import AnswerFailedError, PairState
from heyken_glue.texts import Text
from heyken_glue.texts import text as _

THINKING = _("I am thinking…")
LOADING = _("The model is loading; the first words take a moment…")
EMPTY = _("The model had nothing to say to that. Try to ask differently.")
STOPPED = _("Stopped.")
NO_FILES = _("I cannot read files yet. Write in words what you would like to know.")
BINARY = _("I can read text only, and this looks like something else.")
BROKEN = _("Something went wrong here that should not have. Ask again; the log says what it was.")
NO_ANSWER = _("the model of this core does not answer.")
LANGUAGE_LOST = _("Your choice could not be kept just now. Say it again in a minute.")
NOTHING_TO_STOP = _("None of your questions is waiting or being answered here.")
NOT_ALLOWED = _("Only people with the role admin in Rocket.Chat can switch.")
TOO_OLD = _(
    "Your wish to switch is too old to be carried out now. Say it again if you still want it."
)
NO_OTHER = _("There is no other core to switch to. Say “switch 1” or “switch 2”.")
UNHEARD = _("The unit core-manager of this core does not answer. Say “status” in a moment.")
LANGUAGE = _("I write to you in English. Say “language pl” for Polish.")


def place(before: int) -> Text:
    """Return how long the queue is for somebody."""
    return _("Waiting: {count} before you…", count=before) if before else _("You are next…")


def full(count: int) -> Text:
    """Return why a question is not taken."""
    return _("Too many questions are waiting ({count}). Ask again in a minute.", count=count)


def failed(failure: AnswerFailedError) -> Text:
    """Return why there is no answer."""
    return _("I could not answer: {reason}", reason=failure.sentence or NO_ANSWER)


def unread_files(names: tuple[str, ...]) -> Text:
    """Return the note below an answer to a message with files."""
    return _("(I cannot read files yet, so I did not look at: {names}.)", names=", ".join(names))


def help_text(username: str) -> Text:
    """Return what can be said."""
    return _(
        "Ask me anything: mention @{username} in a channel, or write to me directly. I answer in a "
        "thread; there I know what was said before.\n"
        "Whole messages that I understand as commands:\n"
        "• `help`: this text\n"
        "• `status`: who answers, and how each core is\n"
        "• `switch`, `switch 2`: make the other core, or that one, the active one (role admin)\n"
        "• `language en`, `language pl`: the language I write to you in\n"
        "• `stop`: stop my answers to you, here",
        username=username,
    )


def status(pair: PairState, *, answering: int, waiting: int) -> Text:
    """Return how the pair is."""
    lines: list[Text] = [_holder(pair)]
    lines += [
        _("• {core}: {health} ({sentence})", core=c.name, health=health(c.status),
          sentence=c.sentence or "–")
        for c in pair.cores
    ]  # fmt: skip
    lines.append(_("Answers being written: {count}; waiting: {waiting}.", count=answering,
                   waiting=waiting))  # fmt: skip
    if pair.only_answers:
        lines.append(_("Nothing but answering is done now: {reason}", reason=pair.only_answers))
    return Text("\n".join(f"{{l{n}}}" for n in range(len(lines))), _numbered(lines))


def _numbered(lines: list[Text]) -> dict[str, object]:
    return {f"l{number}": line for number, line in enumerate(lines)}


def _holder(pair: PairState) -> Text:
    if pair.holder is None:
        return _("Nobody holds the address: {reason}", reason=pair.reason or "–")
    return _(
        "*{core}* answers, since {time}: {reason}",
        core=pair.holder,
        time=moment(pair.since),
        reason=pair.reason or "–",
    )


def health(status_word: str) -> Text:
    """Return a core's health in a word."""
    words = {
        "healthy": _("healthy"),
        "unhealthy": _("unhealthy"),
        "error": _("does not answer"),
    }
    return words.get(status_word, _("not known"))


def moment(seconds: float | None) -> str:
    """Return a time of the day with its date, in UTC."""
    if seconds is None:
        return "?"
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def switching(core: str) -> Text:
    """Return what is said before it is done: whoever takes over reads it."""
    return _("Switching to {core}…", core=core)


def switched(core: str, *, changed: bool) -> Text:
    """Return that a core is the active one."""
    if changed:
        return _("{core} is the active core now.", core=core)
    return _("{core} is the active core already.", core=core)


def not_switched(reason: str) -> Text:
    """Return why nothing was switched."""
    return _("Not switched: {reason}.", reason=reason.rstrip("."))


def language_kept() -> Text:
    """Return the confirmation, in the language that was chosen."""
    return _("From now on I write to you in English.")


def stopped(count: int) -> Text:
    """Return how many answers were stopped."""
    return _("Stopped answers: {count}.", count=count) if count else NOTHING_TO_STOP


def announced(pair: PairState, *, core: str, former: str) -> Text:
    """Return the announcement of a holder."""
    return _(
        "*{core}* is the active core since {time}; before it was {former}. Why: {reason}",
        core=core,
        former=former,
        time=moment(pair.since),
        reason=pair.reason or "–",
    )


def announced_first(pair: PairState, *, core: str) -> Text:
    """Return the announcement of the very first holder."""
    return _(
        "*{core}* is the active core since {time}. Why: {reason}",
        core=core,
        time=moment(pair.since),
        reason=pair.reason or "–",
    )


def turned(core: str, status_word: str, sentence: str) -> Text:
    """Return the announcement of a core's change of health."""
    if status_word == "healthy":
        return _("*{core}* is healthy again.", core=core)
    if status_word == "error":
        return _("*{core}* does not answer any more.", core=core)
    return _("*{core}* is not healthy: {sentence}", core=core, sentence=sentence or "–")


def only_answers(core: str, reason: str) -> Text:
    """Return the announcement that a core does nothing with effects outside."""
    return _("*{core}* answers, and does nothing else for now: {reason}", core=core, reason=reason)


def acts_again(core: str) -> Text:
    """Return the announcement that this is over."""
    return _("*{core}* does everything again, not only answering.", core=core)


def digest_head(host: str, *, start: float, end: float) -> Text:
    """Return the first line of a digest."""
    return _(
        "*{host}*, warnings from {start} to {end}:",
        host=host,
        start=moment(start)[11:19],
        end=moment(end)[11:],
    )


def level(entry_level: Level) -> Text:
    """Return how bad something is in a word."""
    words = {Level.CRITICAL: _("critical"), Level.ERROR: _("error"), Level.WARNING: _("warning")}
    return words[entry_level]


def digest_beyond(count: int) -> Text:
    """Return the last line of a digest that does not hold everything."""
    return _("…and {count} more.", count=count)
