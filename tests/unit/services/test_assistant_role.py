"""When a unit may write: only on what it was told of late, and in one term at a time."""

from __future__ import annotations

import asyncio

import pytest

from heyken_glue import errors
from heyken_glue.services.assistant_ports import PairState, Role, Switched
from heyken_glue.services.assistant_role import FRESH_SECONDS, SLEPT_SECONDS, Holder, Permit

from .conftest import HeldClock


class Manager:
    """core-manager; an answer takes `slow` seconds by the unit's clock."""

    def __init__(self, clock: HeldClock) -> None:
        self.answer, self.slow, self._clock = Role(holds=True, epoch=1), 0.0, clock

    async def role(self) -> Role:
        answer = self.answer
        self._clock.time += self.slow
        return answer

    async def status(self, language: str) -> PairState:
        raise AssertionError(language)

    async def switch(self, core_id: int, *, requested_by: str, language: str) -> Switched:
        raise AssertionError(core_id, requested_by, language)


@pytest.fixture
def manager(clock: HeldClock) -> Manager:
    return Manager(clock)


@pytest.fixture
async def holder(manager: Manager, clock: HeldClock) -> Holder:
    made = Holder(manager, clock.monotonic)
    await made.look()
    assert made.is_certain()
    return made


def changes(holder: Holder) -> list[bool]:
    seen: list[bool] = []
    holder.listeners.append(seen.append)
    return seen


async def test_an_answer_is_as_old_as_its_question(holder: Holder, manager: Manager) -> None:
    manager.slow = FRESH_SECONDS
    await holder.look()
    assert not holder.is_certain()


async def test_who_slept_may_not_write_before_asking_again(
    holder: Holder, clock: HeldClock
) -> None:
    clock.time += FRESH_SECONDS
    assert not holder.is_certain()
    await holder.look()
    assert holder.is_certain()


async def test_what_is_not_settled_lets_nobody_write_and_takes_nothing_away(
    holder: Holder, manager: Manager
) -> None:
    seen = changes(holder)
    manager.answer = Role(holds=True, settled=False, epoch=1)
    await holder.look()
    assert (holder.held, holder.is_certain(), seen) == (True, False, [])
    waiting = asyncio.create_task(holder.confirmed())
    await asyncio.sleep(0)
    assert not waiting.done()
    manager.answer = Role(holds=True, epoch=1)
    await holder.look()
    await asyncio.wait_for(waiting, 5)


async def test_nobody_begins_on_what_is_not_settled(manager: Manager, clock: HeldClock) -> None:
    manager.answer = Role(holds=True, settled=False)
    holder = Holder(manager, clock.monotonic)
    await holder.look()
    assert not holder.held


async def test_another_epoch_is_another_term(holder: Holder, manager: Manager) -> None:
    seen = changes(holder)
    manager.answer = Role(holds=True, epoch=None)
    await holder.look()
    manager.answer = Role(holds=True, epoch=1)
    await holder.look()
    assert seen == [], "an epoch that etcd does not know for a moment is no other one"
    manager.answer = Role(holds=True, epoch=2)
    await holder.look()
    assert seen == [False, True]


async def test_an_epoch_that_comes_after_the_address_begins_nothing_anew(
    manager: Manager, clock: HeldClock
) -> None:
    manager.answer = Role(holds=True, epoch=None)
    holder = Holder(manager, clock.monotonic)
    await holder.look()
    seen = changes(holder)
    manager.answer = Role(holds=True, epoch=5)
    await holder.look()
    assert seen == []


async def test_who_slept_long_begins_anew_even_if_nothing_seems_to_have_changed(
    holder: Holder, clock: HeldClock
) -> None:
    seen = changes(holder)
    clock.time += SLEPT_SECONDS / 2
    await holder.look()
    assert seen == []
    clock.time += SLEPT_SECONDS + 0.1
    await holder.look()
    assert seen == [False, True]


async def test_a_permit_follows_its_holder(holder: Holder, clock: HeldClock) -> None:
    permit = Permit()
    with pytest.raises(errors.TransientError):
        permit.check()
    permit.holder = holder
    permit.check()
    clock.time += FRESH_SECONDS
    with pytest.raises(errors.TransientError):
        permit.check()
