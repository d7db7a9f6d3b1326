"""Which messages are questions, which of them still need an answer, and what the model is told.

Everything here is decided from messages alone, so that a core that was never running before comes
to the same result as the one that died: the id of a reply follows from the id of its question, and
a text that ends with the mark is one that nobody has finished.
"""

from __future__ import annotations

import enum
import hashlib
import string
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from heyken_glue.domain import commands
from heyken_glue.domain.chat import Message, User
from heyken_glue.domain.turns import Role, Turn, newest_within

CURSOR = "▍"
MARK = f" {CURSOR}"
PARTS_MAX = 40
HISTORY_BYTES, TURN_CHARACTERS, TURNS_MAX = 100_000, 16_000, 200
_ALPHABET = string.digits + string.ascii_letters
_ID_LENGTH = 17  # as the chat server's own ids
_NO_TIMES: Mapping[str, float | None] = {}


def reply_id(question_id: str, part: int = 0) -> str:
    """Return the id of a reply's part: 17 letters and digits, the same on every core."""
    number = int.from_bytes(hashlib.sha256(f"{question_id}/{part}".encode()).digest())
    letters = []
    for _ in range(_ID_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[digit])
    return "".join(letters)


def is_unfinished(text: str) -> bool:
    """Tell whether a text of ours ends with the mark."""
    return text.rstrip().endswith(CURSOR)


def without_mark(text: str) -> str:
    """Return a text as it is once nothing follows: it never ends with the mark."""
    return text.rstrip(CURSOR + string.whitespace)


def thread_of(message: Message) -> str:
    """Return the thread in which a message is answered."""
    return message.thread_id or message.id


def order(message: Message) -> tuple[float, str]:
    """Return what messages are sorted by: the server's time, never that of a core."""
    return message.time, message.id


class Call(enum.StrEnum):
    """How a message concerns the assistant; FOLLOW_UP only if it has replied in that thread."""

    NONE = "none"
    ADDRESSED = "addressed"
    FOLLOW_UP = "follow_up"


def call_of(message: Message, *, own_id: str, direct: bool) -> Call:
    """Judge one message without its surroundings."""
    if message.author.id == own_id or message.system_type or message.from_integration:
        return Call.NONE
    if message.encrypted:
        return Call.NONE
    if direct or own_id in message.mentions:
        return Call.ADDRESSED
    return Call.FOLLOW_UP if message.thread_id and not message.mentions else Call.NONE


@dataclass(frozen=True)
class Gaps:
    """What a room still owes people.

    `questions` need an answer, oldest first. `threads` have to be read before it can be told
    whether they hold more. `strays` are unfinished replies to questions that are gone.
    """

    questions: tuple[Message, ...] = ()
    threads: frozenset[str] = frozenset()
    strays: tuple[Message, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a core knows besides the messages: who it is, and what it has in hand.

    `running` and `closed` hold ids of questions: those being answered here, and those this core is
    done with, whatever became of the reply. `first_replies` holds for each thread that was ever
    read the time of the first message of ours, or None; `complete` are the threads whose messages
    are all there to be judged. Older than `since` (seconds, the server's clock) is too old to be
    answered.
    """

    own_id: str
    direct: bool
    since: float = 0.0
    running: Collection[str] = frozenset()
    closed: Container[str] = frozenset()
    first_replies: Mapping[str, float | None] = field(default_factory=dict)
    complete: Container[str] = frozenset()


def gaps(messages: Iterable[Message], known: Known) -> Gaps:
    """Find the questions without a finished reply among the messages of one room."""
    ordered = sorted({message.id: message for message in messages}.values(), key=order)
    replies = {message.id: message for message in ordered if message.author.id == known.own_id}
    firsts = first_replies(replies.values(), known.first_replies)
    questions, threads = [], set()
    for message in ordered:
        match _owed(message, replies, firsts, known):
            case True:
                questions.append(message)
            case None:
                threads.add(thread_of(message))
    strays, unread = _unexplained(ordered, replies, known)
    return Gaps(tuple(questions), frozenset(threads | unread), strays)


def first_replies(
    own_messages: Iterable[Message], known: Mapping[str, float | None] = _NO_TIMES
) -> dict[str, float | None]:
    """Return for each thread when we first wrote in it; what is known already counts too."""
    found = dict(known)
    for message in own_messages:
        thread = message.thread_id
        if thread and not message.system_type:
            former = found.get(thread)
            found[thread] = message.time if former is None else min(former, message.time)
    return found


def _owed(
    message: Message,
    replies: Mapping[str, Message],
    firsts: Mapping[str, float | None],
    known: Known,
) -> bool | None:
    """Tell whether a message needs an answer; None if its thread has to be read first."""
    if message.id in replies or message.id in known.running or message.system_type:
        return False
    reply = replies.get(reply_id(message.id))
    if reply is not None:
        return not reply.system_type and is_unfinished(reply.text)
    if message.time < known.since or message.id in known.closed:
        return False
    call = call_of(message, own_id=known.own_id, direct=known.direct)
    if call is not Call.FOLLOW_UP:
        return call is Call.ADDRESSED
    first = firsts.get(thread_of(message))
    if first is not None and first < message.time:
        return True
    return False if thread_of(message) in known.first_replies else None


def _unexplained(
    ordered: Sequence[Message], replies: Mapping[str, Message], known: Known
) -> tuple[tuple[Message, ...], set[str]]:
    """Find unfinished replies whose question is not there, and the threads to look for it in."""
    lost = [
        message
        for message in replies.values()
        if message.thread_id
        and is_unfinished(message.text)
        and not _explained(message, ordered, known.running)
    ]
    unread = {thread_of(m) for m in lost if thread_of(m) not in known.complete}
    return tuple(m for m in lost if thread_of(m) not in unread), unread


def _explained(reply: Message, messages: Iterable[Message], running: Iterable[str]) -> bool:
    """Tell whether it is known what this reply answers."""
    asked = [m.id for m in messages if thread_of(m) == reply.thread_id and m.id != reply.id]
    return any(
        reply.id == reply_id(i, part) for part in range(PARTS_MAX) for i in (*asked, *running)
    )


def conversation(thread: Sequence[Message], question: Message, *, own: User) -> tuple[Turn, ...]:
    """Return what was said in a thread up to the question, each reply behind what it answers.

    Commands and their replies, unfinished and system messages are left out. The newest turns are
    kept, up to a size that the gateway takes; the question is always there and comes last.
    """
    before = sorted({m.id: m for m in thread}.values(), key=order)
    own_ids = {m.id: m for m in before if m.author.id == own.id and not m.system_type}
    turns, replied = list[Turn](), set[str]()
    for message in before:
        if order(message) >= order(question):
            break
        if message.id not in own_ids:
            ids = [reply_id(message.id, part) for part in range(PARTS_MAX)]
            replied.update(ids)
            answers = [own_ids[i] for i in ids if i in own_ids]
            turns.extend(_exchange(message, answers, own))
        elif message.id not in replied and not is_unfinished(message.text):
            # nobody asked for an announcement: as an answer it would have no question
            turns.append(_turn(Role.USER, f"> {message.text}"))
    last = Turn(Role.USER, said(question, own))
    return newest_within((*turns[-TURNS_MAX:], last), HISTORY_BYTES)


def said(message: Message, own: User) -> str:
    """Return what a person said: without mentions of the assistant and control characters."""
    return commands.without_mention(commands.readable(message.text), own.username)


def _exchange(message: Message, answers: Sequence[Message], own: User) -> Iterator[Turn]:
    text = said(message, own)
    usable = not (message.system_type or message.encrypted) and text
    if not usable or commands.parse(text) is not None:
        return
    yield _turn(Role.USER, text)
    if answers and not any(is_unfinished(answer.text) for answer in answers):
        yield _turn(Role.ASSISTANT, "\n".join(answer.text for answer in answers))


def _turn(role: Role, text: str) -> Turn:
    """Return a former turn, cut to what the gateway takes as one message."""
    return Turn(role, text[:TURN_CHARACTERS])
