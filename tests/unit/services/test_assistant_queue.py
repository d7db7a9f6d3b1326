"""Whose turn it is."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from heyken_glue.services.assistant_queue import FairQueue


@dataclass(eq=False)
class Job:
    name: str
    user_id: str
    time: float = 0.0
    thread_id: str = ""
    ready: bool = True

    @property
    def order(self) -> tuple[float, str]:
        return self.time, self.name

    def __post_init__(self) -> None:
        self.thread_id = self.thread_id or self.name


def filled(*jobs: Job, limit: int = 100) -> FairQueue[Job]:
    queue = FairQueue[Job](limit)
    for job in jobs:
        assert queue.admit(job) is None
    return queue


def drained(queue: FairQueue[Job]) -> list[str]:
    names = []
    while (job := queue.next(frozenset())) is not None:
        names.append(job.name)
    return names


def test_users_take_turns_and_each_is_served_in_order() -> None:
    many = [Job(f"a{n}", "anna", time=n) for n in range(4)]
    queue = filled(*reversed(many), Job("b0", "jan", time=9), Job("b1", "jan", time=10))
    assert drained(queue) == ["a0", "b0", "a1", "b1", "a2", "a3"]
    assert len(queue) == 0


def test_the_place_told_is_the_place_served() -> None:
    jobs = [Job(f"{user}{n}", user, time=n) for user in "abc" for n in range(5 - ord(user) % 4)]
    queue = filled(*jobs)
    told = {job.name: queue.before(job) for job in jobs}
    served = drained(queue)
    assert [told[name] for name in served] == list(range(len(jobs)))


def test_what_is_not_ready_is_passed_over_and_keeps_its_place() -> None:
    slow, quick = Job("slow", "anna", ready=False), Job("quick", "anna", time=1)
    queue = filled(slow, quick)
    assert queue.next(frozenset()) is quick
    assert queue.next(frozenset()) is None
    slow.ready = True
    assert queue.next(frozenset()) is slow


def test_one_thread_has_one_answer_at_a_time() -> None:
    queue = filled(Job("a", "anna", thread_id="t"), Job("b", "jan", thread_id="t", time=1))
    assert queue.next({"t"}) is None
    assert drained(queue) == ["a", "b"]


def test_a_full_queue_turns_the_newest_of_the_greediest_away() -> None:
    greedy = [Job(f"a{n}", "anna", time=n) for n in range(3)]
    queue = filled(*greedy, limit=3)
    assert queue.is_full
    other = Job("b", "jan")
    assert queue.admit(other) is greedy[2]
    assert drained(queue) == ["a0", "b", "a1"]


def test_who_has_as_many_as_the_greediest_is_turned_away_itself() -> None:
    queue = filled(Job("a", "anna"), Job("b", "jan"), limit=2)
    late = Job("c", "ewa")
    assert queue.admit(late) is late
    assert len(queue) == 2


def test_an_empty_queue_of_no_places_turns_everybody_away() -> None:
    queue = FairQueue[Job](0)
    job = Job("a", "anna")
    assert queue.admit(job) is job


@pytest.mark.parametrize("times", [1, 2])
def test_removing_is_told(times: int) -> None:
    job = Job("a", "anna")
    queue = filled(job, Job("b", "anna", time=1))
    assert [queue.remove(job) for _ in range(times)] == [True, False][:times]
    assert list(queue) != []
