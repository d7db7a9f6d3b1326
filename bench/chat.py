"""People in Rocket.Chat: how soon they see words, and that nothing is lost or said twice."""

from __future__ import annotations

import random
import statistics
import time
from collections import Counter
from collections.abc import Callable

from bench.figures import Figure, tell
from bench.pair import Pair, until
from lab.chat import BOT, Person, new_id
from lab.faults import Host

FIRST_WORDS_SECONDS = 2.0
MEMORY_MIB = 60
ROOMS, QUESTIONS = 20, 200
ANSWERED_SECONDS = 1200.0
CURSOR = "▍"
MEMORY = "ps -o rss= -p $(systemctl show -P MainPID heyken@assistant.service)"


def measure(pair: Pair, repeats: int) -> list[Figure]:
    """Time first words, then ask in many rooms while things break, then weigh the assistant."""
    pair.wait_whole()
    # an administrator's program is not slowed down: it looks far more often than people do
    user, admin = Person(pair.lab, "user"), Person(pair.lab, "admin")
    reference = statistics.median(_round_trip(user) for _ in range(repeats))
    tell(f"first words, {repeats} times")
    words = [_first_words(user, admin) for _ in range(repeats)]
    return [
        Figure(
            name="first words in Rocket.Chat after a question",
            value=f"median {statistics.median(words):.2f} s, max {max(words):.2f} s of {repeats}",
            reference=f"a message sent {reference:.3f} s",
            ratio=statistics.median(words) / reference,
            target=f"≤ {FIRST_WORDS_SECONDS:.0f} s",
            reached=max(words) <= FIRST_WORDS_SECONDS,
        ),
        _nothing_lost(pair, user, admin),
        _memory(pair),
    ]


def _round_trip(user: Person) -> float:
    begun = time.monotonic()
    user.say("GENERAL", "…")
    return time.monotonic() - begun


def _first_words(user: Person, admin: Person) -> float:
    asked = _ask(user, "GENERAL", "What is the capital of Poland?")
    begun = time.monotonic()
    until(lambda: any(_words(text) for text in admin.replies(asked)), "first words", 60, every=0.02)
    took = time.monotonic() - begun
    until(lambda: _is_answered(admin, asked), "the whole answer", 60)
    return took


def _words(text: str) -> bool:
    """Whether a reply holds words of the model rather than a notice."""
    said = text.rstrip(f" {CURSOR}\n")
    return bool(said) and not said.endswith("…")


def _nothing_lost(pair: Pair, user: Person, admin: Person) -> Figure:
    rooms = [_room(admin, number) for number in range(ROOMS)]
    faults = _faults(pair)
    begun = time.monotonic()
    asked = []
    for number in range(QUESTIONS):
        asked.append(_ask(user, rooms[number % ROOMS], f"What is {number} plus one?"))
        if number in faults:
            tell(f"after question {number}: {faults[number].__name__}")
            faults[number]()
    waiting = list(asked)
    tell(f"{len(asked)} questions asked, waiting for their answers")

    def all_answered() -> bool:
        waiting[:] = [one for one in waiting if not _is_answered(admin, one)]
        return not waiting

    until(all_answered, "all answers", ANSWERED_SECONDS)
    took = time.monotonic() - begun
    pair.wait_whole()
    counts = Counter(len(admin.replies(one)) for one in asked)
    doubled = sum(count for replies, count in counts.items() if replies > 1)
    return Figure(
        name=f"{QUESTIONS} questions in {ROOMS} rooms, a server restart, 3 drops, 2 core kills",
        value=f"{counts[1]} answered once, {doubled} doubled, {len(waiting)} lost, {took:.0f} s",
        reference=f"{QUESTIONS} questions",
        ratio=counts[1] / QUESTIONS,
        target=f"{QUESTIONS} answers, none doubled, none lost",
        reached=counts[1] == QUESTIONS,
    )


def _faults(pair: Pair) -> dict[int, Callable[[], None]]:
    """Return what breaks after which question; the order is by chance."""
    chat = Host(pair.lab.name, "chat")

    def restart() -> None:
        chat.run("docker restart $(docker ps -q)")

    def drop() -> None:
        chat.run("ss -K dport = 3100 >/dev/null; nginx -s reopen; systemctl restart nginx")

    def kill() -> None:
        holder = pair.holder()
        pair.cores[holder].kill()
        until(lambda: pair.holder() != holder, "the other core holds the address", 30)
        pair.cores[holder].start()
        pair.wait_whole()

    kinds = [restart, drop, drop, drop, kill, kill]
    moments = random.sample(range(10, QUESTIONS - 10), len(kinds))
    return dict(zip(moments, kinds, strict=True))


def _memory(pair: Pair) -> Figure:
    sizes = [int(core.run(MEMORY)) / 1024 for core in pair.cores.values()]
    return Figure(
        name="memory of the assistant after that",
        value=f"{max(sizes):.0f} MiB",
        reference=f"{MEMORY_MIB} MiB",
        ratio=max(sizes) / MEMORY_MIB,
        target=f"≤ {MEMORY_MIB} MiB",
        reached=max(sizes) <= MEMORY_MIB,
    )


def _room(admin: Person, number: int) -> str:
    name = f"bench-{number:02d}-{new_id()[:6]}"
    made = admin.post("channels.create", name=name, members=[BOT, "user"])
    return str(made["channel"]["_id"])


def _ask(user: Person, room_id: str, question: str) -> str:
    return user.say(room_id, f"@{BOT} {question}")


def _is_answered(reader: Person, question_id: str) -> bool:
    replies = reader.replies(question_id)
    return bool(replies) and not any(text.rstrip().endswith(CURSOR) for text in replies)
