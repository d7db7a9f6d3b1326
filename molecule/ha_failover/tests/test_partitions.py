"""Partitions and frozen holders: nobody acts twice, people are answered, one owner is left."""

from __future__ import annotations

import contextlib
import time

import pytest

from bench import watch
from bench.chat_record import ChatRecord
from bench.partitions import Parts
from bench.watch import Watch
from lab import settings
from lab.faults import Host, hosts
from tests.support.pair import Pair, wait_for

QUESTION = "Write three sentences about a river."
APART_SECONDS, AFTER_SECONDS = 8.0, 3.0
OWN_UNITS = ("gateway", "health", "core-manager", "assistant")
ELECTIONS = (
    "journalctl -u keepalived --since @{:.0f} -o cat"
    " | awk '/forcing new election/ {{ n++ }} END {{ print n + 0 }}'"
)
ELECTIONS_MAX = 50  # one for each advert that waited would be a hundred in each second
PIDS = "systemctl show -P MainPID " + " ".join(f"heyken@{name}" for name in OWN_UNITS)


@pytest.mark.parametrize("shape", ["core1 | core2 and hub", "core2 does not hear core1"])
def test_a_partition_leaves_one_owner_and_no_effect_twice(pair: Pair, shape: str) -> None:
    lab = settings.load()
    record = ChatRecord(lab)
    parts = Parts(pair.hosts["core1"], pair.hosts["core2"], Host(lab.name, "hub"))
    cuts = parts.shapes()[shape]
    question = record.ask(QUESTION)
    with Watch(pair.hosts) as watching:
        with contextlib.ExitStack() as stack:
            for cut in cuts:
                stack.enter_context(cut)
            time.sleep(APART_SECONDS)  # as long as this shape lasts
            assert wait_for("an answer", lambda: pair.ask(QUESTION))["response"].strip()
            healed = cuts[0].heal()
        time.sleep(AFTER_SECONDS)
    one, other = watching.seen.values()
    assert watch.until_one_owner(one, other, healed.latest, watched_seconds=2.0) is not None
    assert watch.acting_together(one, other) == []
    assert len(pair.holders()) == 1, pair.holders()
    assert_answered_once(record, question)


@pytest.mark.parametrize("seconds", [0.5, 12.0])
def test_a_holder_that_was_frozen_goes_on_with_its_units(pair: Pair, seconds: float) -> None:
    holder = pair.holder()
    frozen = pair.hosts[holder]
    record = ChatRecord(settings.load())
    before, begun = frozen.run(PIDS), time.time()
    question = record.ask(QUESTION)
    with Watch(pair.hosts) as watching:
        with hosts.frozen(frozen):
            time.sleep(seconds)  # as long as it is frozen
        wait_for("one core holds the address", lambda: len(pair.holders()) == 1)
    one, other = watching.seen.values()
    assert watch.acting_together(one, other) == []
    assert_answered_once(record, question)
    assert frozen.run(PIDS) == before, "a unit was restarted although nothing was wrong with it"
    assert int(frozen.run(ELECTIONS.format(begun))) <= ELECTIONS_MAX, "it answered old adverts"


def assert_answered_once(record: ChatRecord, question: str) -> None:
    wait_for("the answer is whole", lambda: record.is_whole(question))
    record.keep(question)
    time.sleep(5)  # what a core that woke up wrote has to be mended by then
    assert record.doubled() == 0, record.replies(question)
    assert record.stale() == 0, record.replies(question)
